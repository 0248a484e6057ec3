"""Where a cluster keeps its state: one folder for each, held by a lock that dies with its daemon."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
LOCK, RECORD = "lock", "daemon.json"


class ClusterError(Exception):
    """The cluster cannot be started, found or stopped; the message is one line."""


def state_root() -> Path:
    """The folder of all clusters of this user.

    $GAMEDAY_STATE, else $XDG_STATE_HOME/gameday, else ~/.local/state/gameday; without a
    home that can be written to, /tmp/gameday-<uid>.
    """
    if given := os.environ.get("GAMEDAY_STATE"):
        return Path(given)
    base = os.environ.get("XDG_STATE_HOME")
    home = os.environ.get("HOME")
    if base or home:
        root = Path(base) / "gameday" if base else Path(home or "") / ".local" / "state" / "gameday"
        if _writable(root):
            return root
    return Path(tempfile.gettempdir()) / f"gameday-{os.getuid()}"


def _writable(path: Path) -> bool:
    try:
        existing = next((p for p in (path, *path.parents) if p.exists()), Path("/"))
    except PermissionError:  # somebody else's closed folder, as HOME is after `su` without a dash
        return False
    return os.access(existing, os.W_OK | os.X_OK)


def folder_of(name: str) -> Path:
    """A cluster's folder. Raises ClusterError for a name that cannot be one."""
    if not _NAME.fullmatch(name):
        raise ClusterError(f"cluster name {name!r}: expected lower-case letters, digits and dashes, 40 at most")
    return state_root() / name


@dataclass(frozen=True)
class Claim:
    """A folder that is ours while `fd` is open."""

    folder: Path
    fd: int

    def write(self, record: dict[str, Any]) -> None:
        """Say how the cluster is reached."""
        pending = self.folder / f"{RECORD}.new"
        pending.write_text(json.dumps(record))
        pending.rename(self.folder / RECORD)

    def drop(self) -> None:
        """Remove everything and release the lock."""
        _empty(self.folder)
        (self.folder / LOCK).unlink(missing_ok=True)
        with suppress(OSError):  # somebody is just claiming it
            self.folder.rmdir()
        os.close(self.fd)


def claim(name: str) -> Claim:
    """Take a cluster's folder, and clean out what a killed daemon left there. Raises ClusterError."""
    folder = folder_of(name)
    while True:
        try:
            folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        except OSError as problem:
            raise unusable(folder, problem) from problem
        try:
            fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue  # its last owner removed the folder just now
        except OSError as problem:
            with suppress(OSError):
                folder.rmdir()
            raise unusable(folder, problem) from problem
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise ClusterError(
                f"cluster {name} is already up (or ending); use it, stop it, or choose another name"
            ) from None
        if _is(fd, folder / LOCK):
            break
        os.close(fd)
    _empty(folder)
    return Claim(folder, fd)


def unusable(folder: Path, problem: OSError) -> ClusterError:
    """The error that says what is wrong with a state folder, and what to do."""
    room = "free some space there, or " if problem.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return ClusterError(
        f"the state folder {folder} cannot be used: {problem.strerror}; "
        f"{room}set GAMEDAY_STATE to a folder that can be written to"
    )


def _is(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name == LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def read(folder: Path) -> dict[str, Any] | None:
    """What the daemon wrote; None when there is nothing (complete) to read."""
    try:
        found = json.loads((folder / RECORD).read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def is_held(folder: Path) -> bool:
    """Whether a daemon holds the folder now."""
    try:
        fd = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
