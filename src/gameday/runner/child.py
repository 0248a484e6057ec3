"""One experiment's process as its parent sees it: start it, read its evidence, stop it for certain."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Child", "Tail"]

STOP_GRACE_S = 0.7
"""How long a stopped child may play its own rollbacks before it is killed and the ledger takes over."""


@dataclass
class Child:
    """A running experiment process; leader of a session of its own, so that a Ctrl-C is its parent's alone."""

    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def spawn(cls, file: Path, folder: Path, environment: Mapping[str, str], *, lasting: bool) -> Child:
        """Start the process; it loads what it needs and then waits for `go`. Writes below `folder`."""
        command = [sys.executable, "-m", "gameday.runner.experiment", str(file)]
        command += ["--journal", str(folder / "journal.json"), "--wait"] + (["--lasting"] if lasting else [])
        return cls.start(command, folder / "experiment.log", environment)

    @classmethod
    def start(cls, command: list[str], log: Path, environment: Mapping[str, str]) -> Child:
        """Start any command as such a child: own session, stdin is its lifeline, output goes to the log."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
            )
        return cls(process, log)

    def go(self) -> None:
        """Let it begin. A child that is dead already is found out by `exit_code`."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(b"go\n")
            self.process.stdin.flush()

    def exit_code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self.process.poll()

    def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """End it: SIGTERM, and after the grace SIGKILL to all of its process group. Returns when it is gone."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(grace_s)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.close()

    def close(self) -> None:
        """Give the lifeline back; call it once the process is over."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()

    def last_line(self) -> str:
        """The last line it logged, for an error message."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return next((" ".join(line.split())[:300] for line in reversed(lines) if line.strip()), "")


class Tail:
    """Reads a growing file of JSON lines; a line that is not finished yet waits for the next look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> list[dict[str, Any]]:
        """The objects that were completed since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        complete = data[: data.rfind(b"\n") + 1]
        self._offset += len(complete)
        found = []
        for line in complete.splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return [one for one in found if isinstance(one, dict)]
