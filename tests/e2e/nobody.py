"""Somebody else on this machine: a user without rights, with an interpreter that this user can run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
_ID = 65534
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class Nobody:
    """The other user: a folder of their own, and a Python with all that this one has."""

    folder: Path
    python: Path

    @staticmethod
    def identity() -> dict[str, Any]:
        """For `subprocess`: become that user, before the program is even looked for."""
        return {"user": _ID, "group": _ID, "extra_groups": ()}

    def environment(self, **more: str) -> dict[str, str]:
        """A bare environment, without even a HOME."""
        return {"PATH": f"{self.python.parent}:{_SYSTEM_PATH}", **more}


@contextmanager
def somebody_else() -> Iterator[Nobody]:
    """The other user; skips the test, saying why, where there can be none."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    top = Path(tempfile.mkdtemp(prefix="gameday-test-", dir="/tmp"))  # pytest's own folders are closed to others
    try:
        top.chmod(0o755)
        home = top / "nobody"
        home.mkdir()
        os.chown(home, _ID, _ID)
        yield Nobody(home, _reachable_python(top / "venv"))
    finally:
        shutil.rmtree(top)


def _reachable_python(venv: Path) -> Path:
    """This interpreter, or one of the same version in a venv that lends the packages of this one."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if _works(Path(sys.executable)):
        return Path(sys.executable)
    base = shutil.which(f"python{version}", path=_SYSTEM_PATH)
    if base is None:
        pytest.skip(f"{sys.executable} is out of other users' reach, and there is no python{version} in {_SYSTEM_PATH}")
    subprocess.run([base, "-m", "venv", "--without-pip", str(venv)], check=True, timeout=20)
    lent = [sysconfig.get_path("purelib"), str(ROOT / "src")]
    (venv / "lib" / f"python{version}" / "site-packages" / "lent.pth").write_text("\n".join(lent) + "\n")
    python = venv / "bin" / "python"
    if not _works(python):
        pytest.skip(f"other users cannot read {' or '.join(lent)}: the checkout is in a closed folder")
    return python


def _works(python: Path) -> bool:
    argv = [str(python), "-c", "import gameday.cluster, psycopg"]
    with suppress(PermissionError):
        done = subprocess.run(argv, cwd="/", env={}, capture_output=True, timeout=20, check=False, **Nobody.identity())
        return done.returncode == 0
    return False
