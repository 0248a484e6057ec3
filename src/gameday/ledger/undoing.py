"""Undoing what the ledger holds: newest first, idempotent, verified by reading back.

An entry leaves the ledger only when each of its operations has been seen done. A value
that someone else changed meanwhile is left alone and reported, never overwritten.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gameday.kube import ApiException, Kube
from gameday.ledger import marks, nodes, objects, refresh
from gameday.ledger.book import LEDGER_NAME, Ledger
from gameday.ledger.calls import CONFLICT, REFUSED, LedgerError, persist, said, wait_until
from gameday.ledger.decisions import Decision, decide
from gameday.ledger.entries import (
    ClearAnnotation,
    ClearFault,
    ClearLabel,
    DeleteFaultSets,
    DeleteMade,
    Entry,
    NoUndo,
    Operation,
    SetConfig,
    SetContainer,
    SetReplicas,
    SetSelector,
    SetServicePorts,
    Uncordon,
)
from gameday.ledger.faultsets import PATIENCE_S, delete_fault_sets
from gameday.ledger.mending import forget_command, mend_command, revert_command
from gameday.ledger.proxies import FAULT_LABEL, ProxyControl, proxy_exists

if TYPE_CHECKING:
    from collections.abc import Callable

_TRIES = 6
_IN_FLIGHT_S = 1.0
"""How long a request that was sent may still take to land."""

_SETTLE_S = 3.0
"""Bound of a wait for a Service to let go of the proxy, and for an object to be gone."""


class UndoError(Exception):
    """An operation could not be undone; the message says what was found."""


class ChangedByOthersError(UndoError):
    """A value is neither what the fault set nor what it was before."""


@dataclass(frozen=True)
class Outcome:
    """What became of one entry. `mend_command` is empty when `ok`; else a shell line that mends it."""

    fault: str
    ok: bool
    detail: str
    mend_command: str = ""
    conflict: bool = False


def revert(kube: Kube, namespace: str, *, only: Callable[[Entry], bool] = lambda _: True) -> list[Outcome]:
    """Undo the faults in the namespace's ledger (those that `only` picks), newest first.

    Goes on past failures, and tries what failed once more after the rest: a fault inside a proxy
    that does not answer ends with the proxy. Returns one outcome an entry, none for an empty
    ledger; a ledger that cannot be read is an outcome too. Safe to call again, and by several at once.
    """
    ledger = Ledger(kube, namespace)
    try:
        entries, broken = ledger.read()
    except LedgerError as problem:
        return [Outcome(LEDGER_NAME, False, str(problem), revert_command(kube.context, namespace))]
    outcomes: dict[str, Outcome] = {}
    for patience_s in (0.0, PATIENCE_S):  # no fault stays longer because the pods of another one take their time
        for entry in entries:
            if only(entry) and not (entry.id in outcomes and outcomes[entry.id].ok):
                outcomes[entry.id] = _revert_entry(kube, ledger, entry, patience_s)
    refused = [Outcome(k, False, why, forget_command(kube.context, namespace, k)) for k, why in broken.items()]
    return [*outcomes.values(), *refused]


Attempt = tuple[list[str], list[tuple[Operation, Exception]], list[Operation]]
"""What was found, which operations failed and why, and which were not tried for that."""


def _revert_entry(kube: Kube, ledger: Ledger, entry: Entry, patience_s: float) -> Outcome:
    notes, failed, skipped = _undo_all(kube, ledger, entry, patience_s)
    if entry.state == "planned" and not failed:
        # Never confirmed, so a request of its killed maker may still be on its way: look again after it had its time.
        time.sleep(_IN_FLIGHT_S)
        notes, failed, skipped = _undo_all(kube, ledger, entry, patience_s)
    if not failed:
        try:
            ledger.remove(entry.id)
        except LedgerError as problem:
            forget = forget_command(kube.context, ledger.namespace, entry.id)
            return Outcome(entry.id, False, f"undone, but still in the ledger: {problem}", forget)
        return Outcome(entry.id, True, "; ".join(n for n in notes if n))
    mend = " && ".join(mend_command(kube.context, ledger.namespace, o) for o in [*(o for o, _ in failed), *skipped])
    conflict = any(isinstance(p, ChangedByOthersError) for _, p in failed)
    return Outcome(entry.id, False, "; ".join(said(p) for _, p in failed), mend, conflict)


def _undo_all(kube: Kube, ledger: Ledger, entry: Entry, patience_s: float) -> Attempt:
    notes: list[str] = []
    failed: list[tuple[Operation, Exception]] = []
    skipped: list[Operation] = []
    for operation in entry.undo:
        if failed and isinstance(operation, DeleteMade | DeleteFaultSets | ClearLabel):
            skipped.append(operation)
            continue  # what could not be put back may still lead to what would be deleted, or to pods by that label
        try:
            notes.append(_undo(kube, ledger.namespace, entry, operation, patience_s))
        except Exception as problem:  # noqa: BLE001  # one undo that fails must not stop the others
            failed.append((operation, problem))
    return notes, failed, skipped


def _undo(  # noqa: C901, PLR0911  # a case for each operation
    kube: Kube, namespace: str, entry: Entry, operation: Operation, patience_s: float
) -> str:
    """Undo one operation and verify it; returns what was found, in words."""
    match operation:
        case SetReplicas() | SetSelector() | SetConfig() | SetServicePorts() | SetContainer():
            note = _settle(kube, namespace, operation)
            if isinstance(operation, SetSelector):
                _let_go(kube, namespace, operation)
            return note
        case DeleteFaultSets():
            if left := delete_fault_sets(kube, namespace, operation, patience_s):
                raise UndoError(f"deployment {namespace}/{operation.deployment}: {left}; run `gameday revert` again")
            return ""
        case DeleteMade():
            return _delete(kube, namespace, operation, entry.id)
        case ClearFault():
            return _clear(kube, namespace, operation, entry.id)
        case ClearAnnotation():
            refresh.clear(kube, namespace, operation.annotation)
            return ""
        case ClearLabel():
            pods = marks.marked(kube, namespace, "labels", operation.label)
            marks.put(kube, namespace, pods, "labels", operation.label, None)
            return ""
        case Uncordon():
            mark = nodes.Mark(namespace, entry.id)
            return nodes.uncordon(kube, operation, mark, unmarked=entry.state == "in-force")
        case NoUndo():
            return "nothing to put back"


def _settle(kube: Kube, namespace: str, operation: objects.Field) -> str:
    """Compare and put back until reading shows the old value (or that it is none of ours)."""
    name = objects.label(namespace, operation)
    for _ in range(_TRIES):
        found = objects.read(kube, namespace, operation)
        if found is None:
            return f"{name} was deleted by somebody else: nothing of the fault is left"
        current = objects.value(found, operation)
        same = found.metadata.uid == operation.uid
        labelled = objects.label_left(found, operation)
        telling = labelled if isinstance(operation, SetContainer) else not isinstance(operation, SetReplicas)
        decision = decide(current, operation.old, operation.fault, same_object=same, telling=telling)
        if decision is Decision.DONE and not labelled:
            return f"{name} is as before" if same else f"{name} was replaced by somebody else: nothing is left"
        if decision is Decision.CONFLICT:
            raise ChangedByOthersError(
                f"{name}: is {objects.brief(current)}, the fault had set {objects.brief(operation.fault)}, "
                f"before it was {objects.brief(operation.old)}: somebody else changed it, so it was left alone"
            )
        try:
            call, of = objects.patching(kube, operation)
            persist(call, of, namespace, objects.undoing(operation, found))
        except ApiException as problem:
            if problem.status not in (CONFLICT, REFUSED):
                raise
    raise UndoError(f"{name}: others kept changing it in {_TRIES} tries; run `gameday revert` again")


def _let_go(kube: Kube, namespace: str, operation: SetSelector) -> None:
    """Wait, within bounds, until the Service's endpoints are no longer the fault's: what these rest on goes next."""
    service, old, fault = operation.service, operation.old, operation.fault
    if old.items() <= fault.items():  # it left some pods out: the others, which it still leads to, prove nothing
        wait_until(lambda: objects.leads_to_all(kube, namespace, service, old), _SETTLE_S)
    else:
        wait_until(lambda: not objects.leads_to(kube, namespace, service, fault), _SETTLE_S)


def _delete(kube: Kube, namespace: str, operation: DeleteMade, fault_id: str) -> str:
    name = f"{operation.kind.lower()} {namespace}/{operation.name}"

    def gone() -> bool:
        found = objects.find_made(kube, namespace, operation)
        return found is None or (found.metadata.labels or {}).get(FAULT_LABEL) != fault_id

    found = objects.find_made(kube, namespace, operation)
    if found is None:
        return f"{name} is gone"
    if gone():
        return f"{name} was not made by this fault: left alone"
    try:
        objects.delete_made(kube, namespace, operation, found.metadata.uid)
    except ApiException as problem:
        if problem.status not in (404, CONFLICT):
            raise
    if not wait_until(gone, _SETTLE_S):
        raise UndoError(f"{name}: is still there {_SETTLE_S:g} s after its deletion; look at its finalizers")
    return f"{name} deleted"


def _clear(kube: Kube, namespace: str, operation: ClearFault, fault_id: str) -> str:
    where = f"the fault proxy before {namespace}/{operation.service}"
    if not proxy_exists(kube, namespace, operation.service):
        return f"{where} is gone, and its fault with it"
    control = ProxyControl(kube, namespace, operation.service)
    control.clear(fault_id)
    if fault_id in control.faults():
        raise UndoError(f"{where}: still applies {fault_id} after it was told to drop it")
    return f"{where} applies it no more"
