"""What a run comes to: the experiment's own verdict, corrected by what the runner saw. Pure.

The runner only ever makes a verdict worse. It believes `passed` when the journal, the process
and the evidence agree, and when it found nothing left to undo.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gameday.verdict import EXIT_CODES, worst

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gameday.ledger import Outcome

__all__ = ["Ending", "Judged", "exit_code", "fold", "violation_in_force"]


@dataclass(frozen=True)
class Judged:
    """A verdict, its reason in one line, and the commands that mend what was left."""

    verdict: str
    reason: str
    mend: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ending:
    """All that is known when an experiment's process is over."""

    exit_code: int | None = None  # None: it was never started
    said: dict[str, Any] | None = None  # the journal's "gameday" part
    status: str | None = None  # the journal's own status
    deviated: bool = False
    stopped: str | None = None  # why the runner stopped it
    refused: str | None = None  # why it must not be run there
    trouble: str | None = None  # why it could not be run, or what the runner met
    last_line: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    undone: tuple[Outcome, ...] = ()
    differences: tuple[str, ...] = ()
    mend: tuple[str, ...] = ()
    unproven: str | None = None  # why the state after the run could not be read


def fold(end: Ending) -> Judged:
    """The first that applies of dirty, error, invalid, inconclusive, failed, passed.

    A violation seen while a fault was proven in force stays failed, short of dirty.
    """
    dirty = _dirt(end)
    if dirty:
        return dirty
    said = end.said or {}
    verdict, reason = said.get("verdict"), str(said.get("reason") or "")
    if end.refused:
        return Judged("invalid", end.refused)
    if end.stopped or end.trouble or verdict not in EXIT_CODES:
        return _cut_off(end)
    seen = violation_in_force(end.events) if verdict in ("error", "invalid") else None
    if seen:
        return Judged("failed", seen)
    doubt = _doubt(end) if verdict == "passed" else None
    if doubt:
        return Judged("inconclusive", doubt)
    return Judged(str(verdict), reason or f"the experiment says {verdict} and no more")


def _cut_off(end: Ending) -> Judged:
    """The verdict on an experiment that came to none of its own."""
    seen = violation_in_force(end.events)
    if seen:
        return Judged("failed", f"{seen}, before it was stopped ({end.stopped})" if end.stopped else seen)
    if end.stopped:
        return Judged("inconclusive", f"stopped before it was over: {end.stopped}")
    return Judged("error", end.trouble or _crash(end))


def exit_code(verdicts: Iterable[str], signal_number: int | None = None) -> int:
    """A game day's exit code: 128 and the signal that stopped it, unless dirty; else its worst verdict's."""
    verdict = worst(verdicts)
    if signal_number is not None and verdict != "dirty":
        return 128 + signal_number
    return EXIT_CODES[verdict]


def violation_in_force(events: list[dict[str, Any]]) -> str | None:
    """What the first violation said that was seen while a fault was proven in force; None without one."""
    in_force: set[Any] = set()
    for event in events:
        match event.get("event"):
            case "fault-in-force":
                in_force.add(event.get("fault"))
            case "fault-undone" | "fault-reverted":
                in_force.discard(event.get("fault"))
            case "violation" if in_force:
                return f"{event.get('probe') or 'the hypothesis'} was violated: {event.get('detail') or 'no detail'}"
    return None


def _dirt(end: Ending) -> Judged | None:
    """What is left behind, if anything."""
    stuck = [one for one in end.undone if not one.ok]
    if stuck:
        mend = tuple(one.mend_command for one in stuck if one.mend_command)
        return Judged("dirty", "; ".join(f"{one.fault} could not be undone: {one.detail}" for one in stuck), mend)
    if end.differences:
        more = f" (and {len(end.differences) - 1} more)" if len(end.differences) > 1 else ""
        return Judged("dirty", f"not restored: {end.differences[0]}{more}", end.mend)
    if end.unproven:
        return Judged("dirty", f"cannot tell whether all is restored: {end.unproven}", end.mend)
    return None


def _crash(end: Ending) -> str:
    if end.exit_code is None:
        return "it was never started"
    how = f"was killed by signal {-end.exit_code}" if end.exit_code < 0 else f"ended with {end.exit_code}"
    said = f"; its last line: {end.last_line}" if end.last_line else ""
    return f"the experiment's process {how} and left no verdict{said}"


def _doubt(end: Ending) -> str | None:
    """Why a verdict `passed` is not to be believed; None when everything agrees."""
    planned = {event.get("fault") for event in end.events if event.get("event") == "fault-planned"}
    proven = {event.get("fault") for event in end.events if event.get("event") == "fault-in-force"}
    seen = violation_in_force(end.events)
    doubts = [
        (end.exit_code != 0, f"its journal says passed, but its process ended with {end.exit_code}"),
        (end.status != "completed", f"its journal says passed, but its status is {end.status}"),
        (end.deviated, "its journal says passed, but also that it deviated"),
        (bool(end.undone), f"it left {', '.join(one.fault for one in end.undone)} in force; the runner undid it"),
        (not proven, "no fault was proven in force"),
        (bool(planned - proven), f"not proven in force: {', '.join(sorted(map(str, planned - proven)))}"),
        (seen is not None, f"it says passed, but {seen}"),
    ]
    return next((reason for applies, reason in doubts if applies), None)
