"""Environments with other versions of the `kubernetes` client, kept between runs.

`python -m tests.contract.clients.environments` (`make clients`) makes them all; the tests make what is
missing. They are kept in $GAMEDAY_TEST_CACHE, by default /var/tmp/gameday-tests-UID, by requirement and Python:
each user has a folder of their own, since programs that are run from it must be nobody else's.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

__all__ = ["VERSIONS", "ClientUnavailableError", "cache", "environment"]

VERSIONS = ("29.0.0", "36.0.3", "37.0.2")
"""The releases of the `kubernetes` client that must work."""

_LOCK = Path(__file__).parents[3] / "requirements.lock"


class ClientUnavailableError(Exception):
    """An environment is missing and cannot be made; the message is one line."""


def environment(version: str) -> Path:
    """The interpreter of an environment with this version of the client. Raises ClientUnavailableError."""
    folder = _folder(version)
    python = folder / "bin" / "python"
    try:
        _refuse_strangers(folder.parent)
        if not python.exists():
            _make(folder, version)
    except OSError as problem:
        raise ClientUnavailableError(
            f"{folder.parent}: cannot keep kubernetes {version} there: {problem.strerror}; "
            "set GAMEDAY_TEST_CACHE to a folder that is yours"
        ) from problem
    return python


def cache() -> Path:
    """Where what tests need is kept between runs."""
    return Path(os.environ.get("GAMEDAY_TEST_CACHE") or f"/var/tmp/gameday-tests-{os.getuid()}")


def _refuse_strangers(folder: Path) -> None:
    """Whoever made our folder in the common /var/tmp decides what we run from it. Raises PermissionError."""
    if not os.environ.get("GAMEDAY_TEST_CACHE") and folder.exists() and folder.stat().st_uid != os.getuid():
        raise PermissionError(errno.EPERM, "it belongs to another user")


def _folder(version: str) -> Path:
    pins = hashlib.sha256(_constraints().encode()).hexdigest()[:8]
    return cache() / f"kubernetes-{version}-python-{platform.python_version()}-{pins}"


def _constraints() -> str:
    """The lock file's versions of what the client needs, without the client."""
    pinned = re.findall(r"^(?!kubernetes==)[\w.-]+==[^\\\n]+", _LOCK.read_text(), re.MULTILINE)
    return "".join(f"{pin.strip()}\n" for pin in pinned)


def _make(folder: Path, version: str) -> None:
    """Install beside the place and move it there, so that what is there is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    try:
        venv.create(made, symlinks=True)
        constraints = made / "constraints.txt"
        constraints.write_text(_constraints())
        _install(made / "bin" / "python", f"kubernetes=={version}", constraints, folder)
        made.chmod(0o755)  # mkdtemp closes it to others, who may share a GAMEDAY_TEST_CACHE
        made.rename(folder)
    except FileExistsError:  # somebody else was faster
        pass
    except OSError:
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _install(python: Path, requirement: str, constraints: Path, folder: Path) -> None:
    argv = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--disable-pip-version-check",
            "--retries", "1", "--timeout", "10", "--constraint", str(constraints), requirement]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise ClientUnavailableError(
            f"{folder.name}: cannot install {requirement}: {said}; run 'make clients' where PyPI is in reach, "
            "or set GAMEDAY_TEST_CACHE to where that was done"
        )


def main() -> None:
    """Make every environment that is missing."""
    try:
        for version in VERSIONS:
            print(f"kubernetes {version}: {environment(version)}")  # noqa: T201 - a command's output
    except ClientUnavailableError as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
