"""What happened, as it happened: the facts a verdict is built from.

Every fault, phase, stall and violation is recorded the moment it is known, in
memory and, when `GAMEDAY_RUN_DIR` names a folder, in `evidence.jsonl` there, one
JSON object a line, flushed at once: a killed process loses nothing it had seen.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any, TextIO

__all__ = ["FILE_NAME", "Event", "events", "forget", "read", "record", "run_dir"]

Event = dict[str, Any]
"""One fact: `at` (Unix seconds), `event` (its name), `fault` (an id or None), and its details."""

FILE_NAME = "evidence.jsonl"
_lock = threading.RLock()
_events: list[Event] = []
_sink: tuple[Path, TextIO] | None = None


def run_dir() -> Path | None:
    """The folder this run writes to, from $GAMEDAY_RUN_DIR; None when unset or empty."""
    named = os.environ.get("GAMEDAY_RUN_DIR")
    return Path(named) if named else None


def record(event: str, *, fault: str | None = None, **details: Any) -> None:
    """Note one fact, with the time. Details must be JSON-ready; what is not is written as text.

    Raises OSError when the run's folder cannot be written: a run that cannot keep its
    evidence must not go on as if it could.
    """
    fact: Event = {"at": time.time(), "event": event, "fault": fault, **details}
    with _lock:
        _events.append(fact)
        sink = _open_sink()
        if sink is not None:
            sink.write(json.dumps(fact, default=str, ensure_ascii=False) + "\n")
            sink.flush()


def events() -> list[Event]:
    """All facts recorded by this process so far, oldest first."""
    with _lock:
        return list(_events)


def forget() -> None:
    """Start afresh: drop what memory holds and close the file (its lines stay)."""
    global _sink  # noqa: PLW0603  # one evidence a process, as one experiment a process
    with _lock:
        _events.clear()
        if _sink is not None:
            _sink[1].close()
            _sink = None


def read(path: str | os.PathLike[str]) -> list[Event]:
    """The facts in an evidence file, oldest first; a missing file is empty.

    A line that is torn (the writer was killed in the middle of it) is left out.
    """
    facts: list[Event] = []
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return facts
    for line in lines:
        try:
            fact = json.loads(line)
        except ValueError:
            continue
        if isinstance(fact, dict) and "event" in fact:
            facts.append(fact)
    return facts


def _open_sink() -> TextIO | None:
    """The open evidence file of the present run folder, or None without one."""
    global _sink  # noqa: PLW0603
    folder = run_dir()
    if folder is None:
        return None
    if _sink is None or _sink[0] != folder:
        if _sink is not None:
            _sink[1].close()
        folder.mkdir(parents=True, exist_ok=True)
        _sink = (folder, (folder / FILE_NAME).open("a", encoding="utf-8"))
    return _sink[1]
