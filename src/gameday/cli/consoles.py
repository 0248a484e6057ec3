"""Where the commands write: consoles that fall silent when nobody reads any more."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from rich.console import Console

__all__ = ["QuietConsole", "silence"]


def silence(stream: IO[str]) -> None:
    """Have a stream that nobody reads lead nowhere, so that the interpreter does not complain of it at its end."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


class QuietConsole(Console):
    """A console that never ends the program: without a reader rich's own raises SystemExit in whichever thread writes.

    That thread's run would have no verdict, its cluster no end, and an exit code of 1 would say "failed".
    """

    def on_broken_pipe(self) -> None:
        """Write to nowhere from now on."""
        self.quiet = True
        silence(self.file)
