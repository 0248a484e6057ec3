"""Whether a node takes new pods: the one thing of a node that a fault changes, and an undo puts back.

The node itself says which fault cordoned it: a ledger goes with its namespace, and nothing else would tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gameday.ledger.calls import LedgerError, OvertakenError, change, find

if TYPE_CHECKING:
    from gameday.kube import Kube
    from gameday.ledger.calls import Answer
    from gameday.ledger.entries import Uncordon

CORDONED = "gameday.dev/cordoned"
"""The annotation of a node that a fault has cordoned: NAMESPACE/FAULT."""

_TRIES = 6


@dataclass(frozen=True)
class Mark:
    """Which fault of which namespace has cordoned a node."""

    namespace: str
    fault: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.fault}"


def mark_on(node: Any) -> Mark | None:
    """What a node says of who cordoned it; None when it was none of ours."""
    namespace, _, fault = (node.metadata.annotations or {}).get(CORDONED, "").partition("/")
    return Mark(namespace, fault) if namespace and fault else None


def cordon(kube: Kube, operation: Uncordon, mark: Mark) -> None:
    """Let that very node take no new pods, and say on it who did it.

    Raises OvertakenError when somebody else has cordoned or replaced it meanwhile, ApiException.
    """
    sure, why = True, ""
    for _ in range(_TRIES):
        found = _same(kube, operation)
        if found is not None and found.spec.unschedulable and mark_on(found) == mark:
            return  # it had come through, and was sent again
        if found is None or found.spec.unschedulable:
            other = found and mark_on(found)
            why = f"is cordoned by {other or 'somebody else'}" if found else "was deleted or replaced"
            break
        answer = _set(kube, found, unschedulable=True, mark=str(mark))
        if answer.how == "made":
            return
        sure = sure and answer.how == "refused"
        why = f"others kept changing it in {_TRIES} tries ({answer.why})"
    raise OvertakenError(
        f"node {operation.node}: {why}, expected it as it was read before, taking pods; it was not cordoned", sure=sure
    )


def is_cordoned(kube: Kube, operation: Uncordon, mark: Mark) -> bool:
    """Whether the node is there, the same one, and takes no new pods, by this fault as far as one can tell."""
    found = _same(kube, operation)
    return found is not None and bool(found.spec.unschedulable) and mark_on(found) in (None, mark)


def uncordon(kube: Kube, operation: Uncordon, mark: Mark, *, unmarked: bool) -> str:
    """Let it take pods again, unless it was somebody else who cordoned it; says what was found.

    `unmarked`: also when it does not say who: then it was cordoned by this fault for sure, and has lost its mark since.
    Raises LedgerError, and ApiException, for want of the right to it for example.
    """
    name, why = f"node {operation.node}", ""
    for _ in range(_TRIES):
        found = _same(kube, operation)
        if found is None:
            return f"{name} is gone, or was replaced"
        whose, cordoned = mark_on(found), bool(found.spec.unschedulable)
        if whose is None and not cordoned:
            return f"{name} takes pods"
        if whose != mark and (whose is not None or not unmarked):
            return f"{name} is cordoned by {whose or 'somebody else'}: left alone" if cordoned else f"{name} takes pods"
        answer = _set(kube, found, unschedulable=None, mark=None)
        if answer.how == "made":
            left = _same(kube, operation)
            if left is None or not left.spec.unschedulable:
                return f"{name} takes pods again"
            raise LedgerError(
                f"{name}: still takes no pods after it was told to; somebody else may have cordoned it again"
            )
        why = answer.why
    raise LedgerError(f"{name}: others kept changing it in {_TRIES} tries ({why}); run `gameday revert` again")


def _same(kube: Kube, operation: Uncordon) -> Any | None:
    """The node, if it is the same one."""
    found = find(kube.core.read_node, operation.node)
    return found if found is not None and found.metadata.uid == operation.uid else None


def _set(kube: Kube, found: Any, *, unschedulable: bool | None, mark: str | None) -> Answer:
    """Cordon or uncordon, and mark, provided that the node is still as found."""
    meta = {"uid": found.metadata.uid, "resourceVersion": found.metadata.resource_version}
    body = {"metadata": {**meta, "annotations": {CORDONED: mark}}, "spec": {"unschedulable": unschedulable}}
    return change(kube.core.patch_node, found.metadata.name, body)
