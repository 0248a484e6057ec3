"""Whether the faults in the ledger are still what the cluster shows, before anyone judges by them."""

from __future__ import annotations

from gameday.kube import ApiException, Kube
from gameday.ledger import marks, nodes, objects
from gameday.ledger.book import Ledger
from gameday.ledger.calls import CONNECTION_ERRORS, find, said
from gameday.ledger.entries import (
    ClearAnnotation,
    ClearFault,
    ClearLabel,
    DeleteFaultSets,
    DeleteMade,
    Entry,
    NoUndo,
    Operation,
    SetContainer,
    Uncordon,
)
from gameday.ledger.exchange import ExchangeError
from gameday.ledger.proxies import FAULT_LABEL, PROXY_LABEL, ProxyControl

Standing = tuple[str, bool, str]
"""A fault's id, whether it is in force, and what was found."""


def still_in_force(kube: Kube, namespace: str) -> list[Standing]:
    """For each fault in the ledger: is what it set still so? False means that it was reverted by somebody else.

    A fault whose entry has vanished is not in the list: compare the ids with those that were planned.
    What cannot be read counts as not in force. Raises LedgerError when the ledger cannot be read.
    """
    entries, broken = Ledger(kube, namespace).read()
    standings = [_standing(kube, namespace, entry) for entry in entries]
    return [*standings, *((key, False, why) for key, why in broken.items())]


def is_there(kube: Kube, namespace: str, entry: Entry) -> bool:
    """Whether anything that an entry would undo is there, or nobody can tell; on record or not."""
    try:
        return any(_is_there(kube, namespace, entry, operation) for operation in entry.undo)
    except (ExchangeError, ApiException, *CONNECTION_ERRORS):
        return True


def _is_there(kube: Kube, namespace: str, entry: Entry, operation: Operation) -> bool:
    match operation:
        case NoUndo() | DeleteFaultSets():  # these come of a template, which is an operation of its own
            return False
        case ClearLabel():
            return bool(marks.marked(kube, namespace, "labels", operation.label))
        case ClearAnnotation():
            return bool(marks.marked(kube, namespace, "annotations", operation.annotation))
        case _:
            return not _lost(kube, namespace, entry, operation)


def _standing(kube: Kube, namespace: str, entry: Entry) -> Standing:
    if entry.state == "planned":
        return entry.id, False, "was planned, and never proven to be in force"
    for operation in entry.undo:
        try:
            lost = _lost(kube, namespace, entry, operation)
        except (ExchangeError, ApiException, *CONNECTION_ERRORS) as problem:
            return entry.id, False, f"cannot tell: {said(problem)}"
        if lost:
            return entry.id, False, lost
    return entry.id, True, "as the fault left it"


def _lost(kube: Kube, namespace: str, entry: Entry, operation: Operation) -> str:  # noqa: PLR0911  # one a kind
    """What is no longer as the fault set it, in words; empty when all of it is."""
    match operation:
        case NoUndo() | ClearAnnotation() | ClearLabel() | DeleteFaultSets():
            return ""
        case DeleteMade():
            found = objects.find_made(kube, namespace, operation)
            ours = found is not None and (found.metadata.labels or {}).get(FAULT_LABEL) == entry.id
            return "" if ours else f"{operation.kind.lower()} {namespace}/{operation.name} is gone or replaced"
        case ClearFault():
            service = find(kube.core.read_namespaced_service, operation.service, namespace)
            if service is None or PROXY_LABEL not in (service.spec.selector or {}):
                return f"service {namespace}/{operation.service} no longer leads to its fault proxy"
            there = entry.id in ProxyControl(kube, namespace, operation.service).faults()
            return "" if there else f"the fault proxy before {operation.service} no longer applies it"
        case Uncordon():
            stands = nodes.is_cordoned(kube, operation, nodes.Mark(namespace, entry.id))
            return "" if stands else f"node {operation.node} takes pods again, is gone, or is another's"
        case _:
            found = objects.read(kube, namespace, operation)
            if found is None or found.metadata.uid != operation.uid:
                return f"{objects.label(namespace, operation)}: the object was deleted or replaced"
            current = objects.value(found, operation)
            name, same = objects.label(namespace, operation), current == operation.fault
            if same and isinstance(operation, SetContainer) and not objects.label_left(found, operation):
                same, name = False, f"{name}: the template has lost the fault's label; the field"
            expected = objects.brief(operation.fault)
            return "" if same else f"{name} is {objects.brief(current)}, the fault set {expected}"
