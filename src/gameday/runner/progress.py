"""What a user sees while a game day runs: a live table on a terminal, else one line an event.

Output never decides anything: a closed pipe only makes it silent.
"""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from gameday.runner.plan import Planned
    from gameday.runner.single import Result

__all__ = ["STYLES", "Progress"]

STYLES = {
    "passed": "bold green",
    "failed": "bold red",
    "inconclusive": "bold yellow",
    "invalid": "bold yellow",
    "dirty": "bold white on red",
    "error": "bold magenta",
}
_LOUD = {
    "violation": "red",
    "fault-failed": "red",
    "fault-reverted": "red",
    "stall": "yellow",
    "fault-in-force": "cyan",
}


@dataclass
class _Row:
    """What the live table shows of one run."""

    began: float | None = None
    ended: float | None = None
    text: str = "waiting"
    style: str = "dim"


class Progress:
    """Takes news from any thread; writes to stderr, so that stdout holds the results alone."""

    def __init__(self, console: Console, trace_file: Path | None = None) -> None:
        self._console = console
        self._trace_file = trace_file
        self._lock = threading.RLock()
        self._began = time.monotonic()
        self._rows: dict[str, _Row] = {}
        self._live: Live | None = None
        self._noted: set[str] = set()

    def __enter__(self) -> Self:
        """Begin the live table, if there is a terminal to show it on."""
        if self._console.is_terminal:
            self._live = Live(console=self._console, transient=True, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the live table away; the lines above it stay."""
        if self._live is not None:
            self._guard(self._live.stop)
            self._live = None

    def planned(self, plan: list[Planned], jobs: int) -> None:
        """Say what is going to be run."""
        with self._lock:
            self._rows = {one.run_name: _Row() for one in plan}
        word = "experiment" if len(plan) == 1 else "experiments"
        self.note(f"planned {len(plan)} {word}, {jobs} side by side: {', '.join(one.run_name for one in plan)}")

    def tell(self, planned: Planned, event: str, text: str) -> None:
        """Pass on one piece of news about a run."""
        if not text:
            return
        with self._lock:
            row = self._rows.setdefault(planned.run_name, _Row())
            row.began = row.began or time.monotonic()
            row.text, row.style = text, _LOUD.get(event, "")
            self._line(planned.run_name, text, row.style)

    def finished(self, result: Result) -> None:
        """A run has its verdict."""
        with self._lock:
            row = self._rows.setdefault(result.planned.run_name, _Row())
            row.ended = time.monotonic()
            row.text, row.style = result.judged.verdict, STYLES[result.judged.verdict]
            self._line(result.planned.run_name, f"{result.judged.verdict}: {result.judged.reason}", row.style)

    def note(self, text: str) -> None:
        """Say something about the whole game day."""
        with self._lock:
            self._line("gameday", text, "bold")

    def note_once(self, text: str) -> None:
        """The same, but never twice."""
        if text not in self._noted:
            self._noted.add(text)
            self.note(text)

    def refresh(self) -> None:
        """Draw the live table anew."""
        if self._live is not None:
            with self._lock:
                self._guard(self._draw)

    def trace(self, problem: BaseException) -> None:
        """Keep a traceback where a maintainer finds it; a user never sees one."""
        if self._trace_file is not None:
            try:
                with self._trace_file.open("a", encoding="utf-8") as file:
                    traceback.print_exception(problem, file=file)
            except OSError:
                return

    def _line(self, name: str, text: str, style: str) -> None:
        line = Text(f"{time.monotonic() - self._began:6.1f} s  ", style="dim")
        line.append(name, style="bold")
        line.append("  ")
        line.append(text, style=style if self._console.is_terminal else "")
        self._guard(lambda: self._console.print(line, soft_wrap=True, highlight=False))

    def _draw(self) -> None:
        assert self._live is not None
        table = Table.grid(padding=(0, 2))
        now = time.monotonic()
        for name, row in self._rows.items():
            running = row.began is not None and row.ended is None
            mark = Spinner("dots") if running else Text("·" if row.began is None else "✓")
            seconds = "" if row.began is None else f"{(row.ended or now) - row.began:.0f} s"
            table.add_row(mark, Text(name, style="bold"), Text(row.text, style=row.style, overflow="ellipsis"), seconds)
        self._live.update(Group(Text(), table), refresh=True)

    def _guard(self, write: object) -> None:
        """Write, unless nobody reads any more."""
        assert callable(write)
        try:
            write()
        except (OSError, ValueError):
            self._console.quiet = True
