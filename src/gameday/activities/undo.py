"""The rollback of every experiment: undo what the ledger holds, and see that it has had its effect."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed

from gameday import evidence
from gameday.activities import proxied
from gameday.activities.fault import EXPECTED, activity
from gameday.activities.kinds import kind_of
from gameday.activities.standing import record_reverted_in_method
from gameday.activities.targets import deployments_available, ready_endpoints
from gameday.kube import connect_from_environment
from gameday.ledger import Entry, Ledger, NoUndo, Outcome, SetContainer, SetReplicas, SetSelector, pending, revert
from gameday.ledger.calls import find, said, wait_until
from gameday.ledger.lease import holder_of_this_run, may_undo, taken_by
from gameday.ledger.objects import leads_to

if TYPE_CHECKING:
    from gameday.kube import Kube

__all__ = ["revert_faults"]


@activity("revert-faults", undoes=True)
def revert_faults(namespace: str, timeout_s: float = 90.0) -> list[dict[str, Any]]:
    """Undo every fault in the namespace's ledger, newest first, and wait until each undo has had its effect.

    It is the undo, and safe to play again: an empty ledger is fine. A fault of this process that somebody undid while
    it was on its way is undone once more; faults of another run, to which this one has lost the namespace, are left
    alone. Two facts are recorded for each fault: `fault-undone` (the objects are as before) and
    `fault-effective-undone` (pods are available again, or report the old config), the latter within `timeout_s`
    seconds for all. Raises ActivityFailed when something could not be undone, with the command that mends it.
    Returns [{fault, ok, effective, detail}].
    """
    kube = connect_from_environment()
    holder = holder_of_this_run()
    other = taken_by(kube, namespace, holder)
    if not other:
        pending.reinstate(kube, namespace)
    record_touch(namespace, kube)
    record_reverted_in_method()
    entries, _ = Ledger(kube, namespace).read()
    outcomes = revert(kube, namespace, only=may_undo(holder, other))
    by_id = {entry.id: entry for entry in entries}
    for outcome in outcomes:
        _record(outcome, by_id.get(outcome.fault))
    deadline = time.monotonic() + timeout_s
    done = [{"fault": o.fault, "ok": o.ok, "detail": o.detail, "effective": False} for o in outcomes]
    for result in done:
        entry = by_id.get(str(result["fault"]))
        if result["ok"] and entry is not None:
            result["effective"] = _await_effect(kube, namespace, entry, deadline)
    dirty = [o for o in outcomes if not o.ok]
    if dirty:
        raise ActivityFailed(
            "; ".join(f"{o.fault} could not be undone: {o.detail}; to mend it: {o.mend_command}" for o in dirty)
        )
    return done


def record_touch(namespace: str, kube: Kube | None = None) -> None:
    """Record as `fault-touched` what each fault in force has touched so far: call it before judging.

    Counts are cumulative and of this fault alone. Pod faults have recorded theirs while acting.
    """
    kube = kube or connect_from_environment()
    entries, _ = Ledger(kube, namespace).read()
    for entry in entries:
        kind_of(entry).touched(kube, namespace, entry)


def _record(outcome: Outcome, entry: Entry | None) -> None:
    if outcome.conflict:
        evidence.record("fault-reverted", fault=outcome.fault, by="somebody else", detail=outcome.detail)
    if not outcome.ok:
        mend = outcome.mend_command
        evidence.record(
            "fault-failed", fault=outcome.fault, reason=f"not undone: {outcome.detail}", undo=True, mend=mend
        )
    elif kind_of(entry).is_fault:
        evidence.record("fault-undone", fault=outcome.fault, detail=outcome.detail)


def _await_effect(kube: Kube, namespace: str, entry: Entry, deadline: float) -> bool:
    """Wait for an undo's effect and record it; a note when it does not show in time."""
    problem = "it does not show in time"
    try:
        effective = wait_until(lambda: _is_effective(kube, namespace, entry), deadline - time.monotonic())
    except EXPECTED as lost:
        effective, problem = False, said(lost)
    if not effective:
        evidence.record("note", fault=entry.id, text=f"{entry.id} is undone, but the effect is not proven: {problem}")
    elif kind_of(entry).is_fault:
        evidence.record("fault-effective-undone", fault=entry.id)
    return effective


def _is_effective(kube: Kube, namespace: str, entry: Entry) -> bool:
    deployments: list[str] = []
    for operation in entry.undo:
        match operation:
            case SetReplicas() | SetContainer():
                deployments.append(operation.deployment)
            case NoUndo():
                deployments.extend(operation.deployments)
            case SetSelector():
                if not _has_its_own(kube, namespace, operation.service):
                    return False
            case _:
                pass
    if deployments and not deployments_available(kube, namespace, deployments):
        return False
    return kind_of(entry).is_effective_undone(kube, namespace, entry)


def _has_its_own(kube: Kube, namespace: str, service: str) -> bool:
    """Whether a Service leads to its own pods again; of one that is gone, as a proxy's origin is, nothing is asked."""
    if find(kube.core.read_namespaced_service, service, namespace) is None:
        return True
    led = bool(ready_endpoints(kube, namespace, service))
    return led and not leads_to(kube, namespace, service, proxied.proxy_selector(service))
