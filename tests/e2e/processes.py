"""Processes as the kernel knows them: who descends from whom, who has ended, and what they hear."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def hear_sigint() -> None:
    """A shell that starts us in the background has us ignore SIGINT; what we start, and interrupt, would do so too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Process:
    """One process, held by a descriptor that names it for good: a reused id is another process."""

    pid: int
    handle: int
    name: str
    argv: tuple[str, ...]

    @property
    def ended(self) -> bool:
        """Whether it has ended (a zombie has)."""
        return bool(select.select([self.handle], [], [], 0)[0])

    def __str__(self) -> str:
        """For a failed test: what it is, where it is now, and whose child."""
        try:
            parent, where = _parent_of(self.pid), Path(f"/proc/{self.pid}/cwd").readlink()
        except OSError:
            return f"{self.pid} {self.name}"
        return f"{self.pid} {self.name} {self.argv[:3]} in {where}, child of {parent}"


@contextmanager
def family(pid: int) -> Iterator[list[Process]]:
    """A process and all that descend from it, whatever their session, folder, user and environment are."""
    found: list[Process] = []
    try:
        found += [known for one in [pid, *_descendants(pid)] if (known := _hold(one))]
        yield found
    finally:
        for process in found:
            os.close(process.handle)


def survivors(processes: list[Process], within_s: float) -> list[str]:
    """Those that have not ended in time; each end is awaited, not polled for."""
    deadline = time.monotonic() + within_s
    for one in processes:
        select.select([one.handle], [], [], max(deadline - time.monotonic(), 0))
    return [str(one) for one in processes if not one.ended]


def processes_of(root: Path) -> list[int]:
    """Live processes that work below a folder, which is where a pod's start."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str((entry / "cwd").readlink()).startswith(str(root)):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def _hold(pid: int) -> Process | None:
    """Name it for good; nothing when it has just ended."""
    try:
        began = _began(pid)
        handle = os.pidfd_open(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        if _began(pid) == began:  # else its id went to another before we had hold of it
            return Process(pid, handle, name, tuple(argv))
    except (FileNotFoundError, ProcessLookupError):
        pass
    os.close(handle)
    return None


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            children.setdefault(_parent_of(int(entry.name)), []).append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    found, left = [], [pid]
    while left:
        left += (below := children.get(left.pop(), []))
        found += below
    return found


def _parent_of(pid: int) -> int:
    return int(_stat(pid)[1])


def _began(pid: int) -> int:
    """When it started, in the kernel's ticks."""
    return int(_stat(pid)[19])


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
