"""Small parts of objects that controllers and the kubelet both write: events, owners, conditions. Pure on the store."""

from __future__ import annotations

import contextlib
import copy
import hashlib
from datetime import UTC, datetime
from typing import Any

from gameday.cluster.resources import RESOURCES
from gameday.cluster.selectors import matches
from gameday.cluster.store import NotFoundError, Object, Store, now

_KINDS = {resource.key: (resource.api_version, resource.kind) for resource in RESOURCES}
MAX_EVENTS = 1000
"""Events kept in a namespace, more or less; the oldest go first."""
TRIM_EVERY = 50
"""Changes of the store between two looks at how many there are."""


def record_event(store: Store, resource: str, obj: Object, reason: str, message: str, *, warning: bool = False) -> None:
    """Write an Event about an object; the same one again counts up instead."""
    api_version, kind = _KINDS[resource]
    meta = obj["metadata"]
    namespace = meta.get("namespace") or "default"
    # Named by what it says, so that the same one is found again without a search.
    number = hashlib.sha256("\0".join((meta["uid"], reason, message)).encode()).hexdigest()[:16]
    name = f"{meta['name']}.{number}"
    if found := store.find("events", namespace, name):
        event = copy.deepcopy(found)
        event["count"] = event.get("count", 1) + 1
        event["lastTimestamp"] = now()
        store.update("events", event)
        return
    involved = {"apiVersion": api_version, "kind": kind, "name": meta["name"], "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"]}  # fmt: skip
    if "namespace" in meta:
        involved["namespace"] = namespace
    if store.revision % TRIM_EVERY == 0:
        kept = sorted(store.list("events", namespace), key=lambda e: int(e["metadata"]["resourceVersion"]))
        for oldest in kept[:-MAX_EVENTS]:
            store.delete("events", namespace, oldest["metadata"]["name"])
    component = "kubelet" if resource in ("pods", "nodes") else f"{kind.lower()}-controller"
    store.create("events", {
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": involved, "reason": reason, "message": message,
        "type": "Warning" if warning else "Normal", "count": 1,
        "firstTimestamp": now(), "lastTimestamp": now(), "eventTime": None,
        "source": {"component": component}, "reportingComponent": component, "reportingInstance": "",
    })  # fmt: skip


def owner_reference(resource: str, owner: Object) -> dict[str, Any]:
    """A controller's reference to itself, for what it creates."""
    api_version, kind = _KINDS[resource]
    return {
        "apiVersion": api_version, "kind": kind, "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "controller": True, "blockOwnerDeletion": True,
    }  # fmt: skip


def controller_of(obj: Object) -> dict[str, Any] | None:
    """The reference to the controller that an object belongs to."""
    return next((r for r in obj["metadata"].get("ownerReferences", []) if r.get("controller")), None)


_LONG_AGO = "0001-01-01T00:00:00Z"
_BARE = {"status": "", "reason": "", "message": "", "lastTransitionTime": _LONG_AGO, "lastUpdateTime": _LONG_AGO}
"""What Go reads where a condition says nothing: clients write conditions too, and not always whole ones."""


def set_condition(conditions: list[dict[str, Any]], kind: str, status: str, **fields: Any) -> None:
    """Set a condition in place; its transition time changes only with its status."""
    found = next((c for c in conditions if c.get("type") == kind), None)
    if found is None:
        conditions.append({"type": kind, "status": status, "lastTransitionTime": now(), **fields})
        return
    if found.get("status") != status:
        found["lastTransitionTime"] = now()
    for stale in {"reason", "message"} - fields.keys():
        found.pop(stale, None)
    found.update(status=status, **fields)


def condition(obj: Object, kind: str) -> dict[str, Any] | None:
    """One condition of an object's status, with every field that conditions have."""
    conditions = obj.get("status", {}).get("conditions", [])
    return next(({**_BARE, **c} for c in conditions if c.get("type") == kind), None)


def is_ready(pod: Object) -> bool:
    """Whether a pod may get traffic."""
    found = condition(pod, "Ready")
    return bool(found and found["status"] == "True")


def is_over(pod: Object) -> bool:
    """Whether a pod's containers have ended for good."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Whether a pod counts for its controller: not ended, not ending."""
    return not is_over(pod) and "deletionTimestamp" not in pod["metadata"]


def instant(timestamp: str) -> float:
    """What `store.now` wrote, in seconds since 1970."""
    return datetime.fromisoformat(timestamp).timestamp()


def seconds_since(timestamp: str) -> float:
    """Seconds since an instant that `store.now` wrote."""
    return datetime.now(UTC).timestamp() - instant(timestamp)


def budgets_of(store: Store, pod: Object) -> list[Object]:
    """The disruption budgets that select a pod."""
    meta = pod["metadata"]
    budgets = store.list("poddisruptionbudgets.policy", meta["namespace"])
    return [b for b in budgets if matches(b["spec"].get("selector"), meta.get("labels"))]


def set_status(store: Store, resource: str, obj: Object, status: dict[str, Any]) -> None:
    """Store a new status for an object that may be gone meanwhile."""

    def edit(current: Object) -> None:
        current["status"] = status

    with contextlib.suppress(NotFoundError):
        store.mutate(resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"], edit)
