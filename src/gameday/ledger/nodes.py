"""Whether a node takes new pods: the one thing of a node that a fault changes, and an undo puts back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gameday.ledger.calls import LedgerError, find, persist

if TYPE_CHECKING:
    from gameday.kube import Kube
    from gameday.ledger.entries import Uncordon


def cordon(kube: Kube, node: str, uid: str) -> None:
    """Let that very node take no new pods. Raises ApiException, a conflict when it was replaced meanwhile."""
    persist(kube.core.patch_node, node, {"metadata": {"uid": uid}, "spec": {"unschedulable": True}})


def is_cordoned(kube: Kube, operation: Uncordon) -> bool:
    """Whether the node is there, the same one, and takes no new pods."""
    found = find(kube.core.read_node, operation.node)
    return found is not None and found.metadata.uid == operation.uid and bool(found.spec.unschedulable)


def uncordon(kube: Kube, operation: Uncordon) -> str:
    """Let it take pods again; says what was found. Raises ApiException, for want of the right to it for example."""
    name = f"node {operation.node}"
    if not is_cordoned(kube, operation):
        return f"{name} takes pods, or is gone"
    persist(kube.core.patch_node, operation.node, {"metadata": {"uid": operation.uid}, "spec": {"unschedulable": None}})
    if not is_cordoned(kube, operation):
        return f"{name} takes pods again"
    raise LedgerError(f"{name}: still takes no pods after it was told to; somebody else may have cordoned it again")
