"""Nodes that are cordoned by a fault which no ledger holds any more: its namespace was deleted under a drain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gameday.kube import ApiException
from gameday.ledger import nodes
from gameday.ledger.book import Ledger
from gameday.ledger.calls import CONNECTION_ERRORS, TRANSIENT, LedgerError, persist, said
from gameday.ledger.entries import Uncordon
from gameday.ledger.mending import mend_command, revert_command
from gameday.ledger.undoing import Outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from gameday.kube import Kube


@dataclass(frozen=True)
class Stray:
    """A node, and the fault that has marked it. `cordoned`: False when somebody has let it take pods since."""

    node: Uncordon
    mark: nodes.Mark
    cordoned: bool
    mend_command: str

    def __str__(self) -> str:
        return (
            f"node {self.node.node} is cordoned by the fault {self.mark.fault} of namespace {self.mark.namespace}, "
            f"whose ledger does not hold it any more: {self.mend_command}"
        )


def stray_nodes(kube: Kube, namespace: str | None = None) -> list[Stray]:
    """The nodes that say so of themselves, of one namespace's faults or of all. None where they may not be listed.

    Raises ApiException of a server in trouble, and what a lost connection raises.
    """
    try:
        listed = persist(kube.core.list_node).items
    except ApiException as problem:
        if problem.status in TRANSIENT:
            raise
        return []  # nobody needs a right to nodes who drains none
    return strays_among(kube, listed, namespace)


def strays_among(kube: Kube, listed: Iterable[Any], namespace: str | None = None) -> list[Stray]:
    """The same of nodes that have been listed just now; a ledger that cannot be read may hold the fault."""
    marked = [(node, mark) for node in listed if (mark := nodes.mark_on(node))]
    wanted = [(node, mark) for node, mark in marked if namespace in (None, mark.namespace)]
    # Read after the nodes: a drain is on record before its node is marked, and the mark goes before the record.
    held = {name: _on_record(kube, name) for name in sorted({mark.namespace for _, mark in wanted})}
    return [
        Stray(
            Uncordon(node.metadata.name, node.metadata.uid),
            mark,
            bool(node.spec.unschedulable),
            revert_command(kube.context, mark.namespace),
        )
        for node, mark in wanted
        if (on_record := held[mark.namespace]) is not None and mark.fault not in on_record
    ]


def free_nodes(
    kube: Kube, namespace: str | None = None, faults: Collection[str] | None = None
) -> list[tuple[str, Outcome]]:
    """Let strays take pods again, of one namespace's faults or of all, or of these, and take their marks off.

    Returns what became of each, with the namespace of its fault; that nodes cannot be listed just now is one too.
    """
    try:
        found = stray_nodes(kube, namespace)
    except (ApiException, *CONNECTION_ERRORS) as problem:
        why = f"cannot be listed, so whether a lost fault has cordoned one cannot be told: {said(problem)}"
        again = revert_command(kube.context, namespace) if namespace else "kubectl get nodes  # and then this again"
        return [(namespace or "-", Outcome("nodes", False, why, again))]
    return [(one.mark.namespace, _free(kube, one)) for one in found if faults is None or one.mark.fault in faults]


def _free(kube: Kube, stray: Stray) -> Outcome:
    fault = stray.mark.fault
    try:
        detail = nodes.uncordon(kube, stray.node, stray.mark, unmarked=False)
    except (LedgerError, ApiException, *CONNECTION_ERRORS) as problem:
        state = "is still cordoned" if stray.cordoned else "takes pods, and is still marked as cordoned"
        mend = mend_command(kube.context, stray.mark.namespace, stray.node)
        return Outcome(fault, not stray.cordoned, f"node {stray.node.node} {state} by it: {said(problem)}", mend)
    return Outcome(fault, True, f"{detail}; its entry in the ledger was gone")


def _on_record(kube: Kube, namespace: str) -> set[str] | None:
    try:
        entries, broken = Ledger(kube, namespace).read()
    except LedgerError:
        return None
    return {entry.id for entry in entries} | broken.keys()
