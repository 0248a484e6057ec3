"""Setting a value whose undo is on record, only while it is the one that the undo would put back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gameday.kube import ApiException
from gameday.ledger import objects
from gameday.ledger.calls import CONNECTION_ERRORS, OvertakenError, change, said
from gameday.ledger.entries import SetReplicas, SetSelector, SetServicePorts

if TYPE_CHECKING:
    from gameday.kube import Kube


def carry_out(kube: Kube, namespace: str, operation: objects.Field, body: Any) -> None:
    """Give that very object the fault's value by a patch that says what must still be so.

    Raises OvertakenError when that is not so any more, ApiException.
    """
    call, name = objects.patching(kube, operation)
    answer = change(call, name, namespace, body)
    if answer.how == "made":
        return
    found, seen, known = _now(kube, namespace, operation)
    current = objects.value(found, operation) if found is not None else None
    there = found is not None and current == operation.fault
    if found is not None and (objects.label_left(found, operation) or (answer.how == "unclear" and there)):
        return  # it had come through, and was sent again
    why = f" ({answer.why})" if found is not None and current == operation.old else ""
    kept = "; that may be this fault's doing, so its undo stays on record" if there else ""
    raise OvertakenError(
        f"{objects.label(namespace, operation)}: {seen}, expected {objects.brief(operation.old)} as read before, so it "
        f"was not set to {objects.brief(operation.fault)}{why}{kept}",
        # Whoever is between here and the server may have sent it twice: then what was refused may be there.
        sure=answer.how == "refused" and known and not there,
    )


def _now(kube: Kube, namespace: str, operation: objects.Field) -> tuple[Any | None, str, bool]:
    """That very object, None when it is not there; what was seen, in words; False when it cannot be read."""
    try:
        found = objects.read(kube, namespace, operation)
    except (ApiException, *CONNECTION_ERRORS) as problem:
        return None, f"cannot be read ({said(problem)})", False
    if found is None or found.metadata.uid != operation.uid:
        return None, "was deleted or replaced by somebody else", True
    return found, f"is {objects.brief(objects.value(found, operation))}", True


def onset(operation: SetReplicas | SetSelector | SetServicePorts, version: str | None = None) -> list[dict[str, Any]]:
    """The JSON patch that makes the fault's value of the old one, if it is the object that was read and has that.

    `version`: the resourceVersion that was read. With it a second copy of a request is refused that lands after the
    undo, when the old value is back; a Deployment has a new one at every change of its status, so it goes without.
    """
    match operation:
        case SetReplicas():
            path = "/spec/replicas"
        case SetSelector():
            path = "/spec/selector"
        case SetServicePorts():
            path = "/spec/ports"
    return [
        {"op": "test", "path": "/metadata/uid", "value": operation.uid},
        *([{"op": "test", "path": "/metadata/resourceVersion", "value": version}] if version else []),
        {"op": "test", "path": path, "value": operation.old},
        {"op": "replace", "path": path, "value": operation.fault},
    ]
