"""Whether the method's faults still stand: asked before they are judged by, and before anything of ours undoes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaoslib.exceptions import InterruptExecution

from gameday import evidence
from gameday.activities.proof import faults_set_since
from gameday.activities.session import NotRunningError, current
from gameday.kube import one_line
from gameday.ledger import still_in_force

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.activities.session import Session

__all__ = ["record_reverted", "record_reverted_in_method"]


def record_reverted(session: Session, *looks: Callable[[], None]) -> None:
    """Record `fault-reverted` for each of the method's faults that is no longer as it was set.

    `looks` are called first. When one fails, or nobody can tell what stands, it is recorded for all of them.
    """
    try:
        for look in looks:
            look()
        standing = {fault: (ok, why) for fault, ok, why in still_in_force(session.kube, session.namespace)}
    except InterruptExecution:
        raise
    except Exception as problem:  # noqa: BLE001  # without the proof the verdict cannot be passed; say so
        evidence.record("note", text=f"the faults' proof could not be read: {one_line(problem)}")
        for fault in faults_set_since(evidence.events(), session.method_started_at or 0):
            evidence.record("fault-reverted", fault=fault, by=f"somebody unknown: {one_line(problem)}")
        return
    events = evidence.events()
    undone = {e["fault"] for e in events if e["event"] == "fault-undone"}
    for fault in faults_set_since(events, session.method_started_at or 0):
        ok, why = standing.get(fault, (False, "its entry in the ledger is gone"))
        if not ok and fault not in undone:
            evidence.record("fault-reverted", fault=fault, by=f"somebody else: {why}")


def record_reverted_in_method() -> None:
    """The same for an undo that the method itself asks for: after it nobody could tell any more."""
    try:
        session = current()
    except NotRunningError:
        return
    if session.phase == "method":
        record_reverted(session)
