"""axe-core, the checker of accessibility: taken from a wheel that ships it, pinned by hash, kept in the tests' cache.

`python -m tests.axe` fetches it. No Python of that wheel is ever run.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.contract.clients.environments import cache

VERSION = "0.1.8"
WHEEL = f"axe_playwright_python-{VERSION}-py3-none-any.whl"
SHA256 = "fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8"
SCRIPT = "axe_playwright_python/axe.min.js"


class AxeUnavailableError(Exception):
    """The wheel is neither kept nor to be had; the message is one line."""


def source() -> str:
    """axe-core, as JavaScript. Raises AxeUnavailableError."""
    kept = cache() / WHEEL
    if not kept.exists() or not _is_genuine(kept):
        _fetch(kept)
    return zipfile.ZipFile(kept).read(SCRIPT).decode()


def _is_genuine(wheel: Path) -> bool:
    return hashlib.sha256(wheel.read_bytes()).hexdigest() == SHA256


def _fetch(kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        wanted = Path(folder, "wanted.txt")
        wanted.write_text(f"axe-playwright-python=={VERSION} --hash=sha256:{SHA256}\n")
        argv = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        argv += ["--require-hashes", "--requirement", str(wanted), "--dest", folder]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["no word"]
            raise AxeUnavailableError(f"axe-core cannot be had from PyPI ({said[-1]}); it is kept in {kept.parent}")
        Path(folder, WHEEL).replace(kept)


if __name__ == "__main__":
    print(f"axe-core is there: {len(source())} characters")  # noqa: T201
