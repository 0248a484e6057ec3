"""The report folder: one game day's at a time, and only what a game day wrote is ever removed."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

from gameday.runner.errors import EnvironmentFailure, InvalidRequest

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

__all__ = ["SUMMARY", "ReportFolder"]

SUMMARY = "gameday.json"
"""What was run and when; also the mark by which a later game day knows what it may replace."""


class ReportFolder:
    """Holds the folder while a game day writes to it; the kernel drops the lock with the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Make the folder, take its lock, and clear what the last game day left in it.

        Raises InvalidRequest when it is a file or in use, EnvironmentFailure when it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._clear()
        except BlockingIOError as problem:
            raise InvalidRequest(
                f"another game day is writing to {self.path}; name another folder with --report"
            ) from problem
        except (FileExistsError, NotADirectoryError) as problem:
            raise InvalidRequest(f"--report {self.path}: is not a folder; name another with --report") from problem
        except OSError as problem:
            raise EnvironmentFailure(
                f"the report folder {self.path} cannot be written: {problem.strerror}; name another with --report"
            ) from problem
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the folder."""
        if self._lock is not None:
            os.close(self._lock)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write the summary whole, or not at all."""
        part = self.path / f"{SUMMARY}.part"
        try:
            part.write_text(json.dumps(summary, indent=2, ensure_ascii=False, default=str), encoding="utf-8")
            part.replace(self.path / SUMMARY)
        except OSError as problem:
            with contextlib.suppress(OSError):
                part.unlink()
            raise EnvironmentFailure(
                f"the report folder {self.path} cannot be written: {problem.strerror}; free some space, or name another"
            ) from problem

    def _clear(self) -> None:
        """Remove the runs that the last summary lists; nothing else in the folder is ours."""
        try:
            last = json.loads((self.path / SUMMARY).read_text(encoding="utf-8"))
            names = [str(run["name"]) for run in last["runs"]]
        except (OSError, ValueError, KeyError, TypeError):
            return
        for name in names:
            folder = self.path / name
            if name not in ("", ".", "..") and "/" not in name and not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)
        for name in (SUMMARY, "index.html", "summary.md"):
            (self.path / name).unlink(missing_ok=True)
