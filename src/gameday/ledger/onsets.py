"""Setting a value whose undo is on record, only while it is the one that the undo would put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gameday.kube import ApiException
from gameday.ledger import objects
from gameday.ledger.calls import CONNECTION_ERRORS, OvertakenError, change, said

if TYPE_CHECKING:
    from gameday.kube import Kube
    from gameday.ledger.entries import SetReplicas


def scale(kube: Kube, namespace: str, operation: SetReplicas) -> None:
    """Set the fault's count in that very Deployment, if it still has the old one.

    Raises OvertakenError when it has not, ApiException.
    """
    patch = [
        {"op": "test", "path": "/metadata/uid", "value": operation.uid},
        {"op": "test", "path": "/spec/replicas", "value": operation.old},
        {"op": "replace", "path": "/spec/replicas", "value": operation.fault},
    ]
    answer = change(kube.apps.patch_namespaced_deployment, operation.deployment, namespace, patch)
    if answer.how == "made":
        return
    current, seen = _now(kube, namespace, operation)
    if answer.how == "unclear" and current == operation.fault:
        return  # it had come through, and was sent again
    why = f" ({answer.why})" if current == operation.old else ""  # changed back, or refused for something else
    raise OvertakenError(
        f"{objects.label(namespace, operation)}: {seen}, expected {operation.old} as read before, so it was not set to "
        f"{operation.fault}{why}",
        sure=answer.how == "refused",
    )


def _now(kube: Kube, namespace: str, operation: SetReplicas) -> tuple[int | None, str]:
    """The present count, None when it cannot be told, and what was seen in words."""
    try:
        found = objects.read(kube, namespace, operation)
    except (ApiException, *CONNECTION_ERRORS) as problem:
        return None, f"cannot be read ({said(problem)})"
    if found is None or found.metadata.uid != operation.uid:
        return None, "was deleted or replaced by somebody else"
    return found.spec.replicas, f"is {found.spec.replicas}"
