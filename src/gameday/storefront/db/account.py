"""Who runs PostgreSQL: it refuses root, and must reach its files."""

import ctypes
import os
import pwd
import signal
from dataclasses import dataclass
from pathlib import Path

from gameday.storefront.settings import SettingError

_LIBC = ctypes.CDLL(None, use_errno=True)
_SET_DEATH_SIGNAL, _GET_DEATH_SIGNAL = 1, 2  # of prctl(2)


@dataclass(frozen=True)
class Account:
    """A user of this machine."""

    uid: int
    gid: int

    def owns(self, path: Path) -> None:
        """Give `path` itself to this account, when we are allowed to give things away."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)

    def assume(self) -> None:
        """Become this account, for good; only root can, for others it does nothing."""
        if os.geteuid() == 0 and self.uid != 0:
            asked, parent = _death_signal(), os.getppid()
            os.setgroups([])
            os.setgid(self.gid)
            os.setuid(self.uid)
            if asked:  # the kernel forgets it when the user changes
                _LIBC.prctl(_SET_DEATH_SIGNAL, asked, 0, 0, 0)
                if os.getppid() != parent:
                    os.kill(os.getpid(), asked)

    def reaches(self, path: Path) -> bool:
        """Whether this account may pass through every folder down to and including the folder `path`."""
        resolved = path.resolve()
        return all(self._passes(folder) for folder in (resolved, *resolved.parents))

    def _passes(self, folder: Path) -> bool:
        found = folder.stat()
        if self.uid in {found.st_uid, 0}:
            return bool(found.st_mode & 0o100)
        return bool(found.st_mode & (0o010 if found.st_gid == self.gid else 0o001))


def database_account() -> Account:
    """The user we are or, for root, `postgres` when this machine knows it, else `nobody`; raises SettingError."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise SettingError("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody here")


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends; for short-lived children."""
    _LIBC.prctl(_SET_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)


def _death_signal() -> int:
    found = ctypes.c_int(0)
    _LIBC.prctl(_GET_DEATH_SIGNAL, ctypes.byref(found), 0, 0, 0)
    return found.value
