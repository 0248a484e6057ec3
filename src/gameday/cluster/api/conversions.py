"""Objects between the form that is stored and the form a place of the API shows.

Events are stored as core/v1; `events.k8s.io/v1` shows the same objects with other names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gameday.cluster.resources import Resource

Object = dict[str, Any]

_EVENT_NAMES = {
    "message": "note",
    "involvedObject": "regarding",
    "reportingComponent": "reportingController",
    "count": "deprecatedCount",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "source": "deprecatedSource",
}
_STORED_NAMES = {new: old for old, new in _EVENT_NAMES.items()}


def shown(resource: Resource, obj: Object) -> Object:
    """A stored object as a resource shows it; the same object where nothing differs."""
    if not resource.stored_as:
        return obj
    return {**{_EVENT_NAMES.get(k, k): v for k, v in obj.items()}, "apiVersion": resource.api_version}


def stored(resource: Resource, obj: Object) -> Object:
    """An object of a request as it is stored; the same object where nothing differs."""
    if not resource.stored_as:
        return obj
    return {**{_STORED_NAMES.get(k, k): v for k, v in obj.items()}, "apiVersion": "v1"}


def scale_of(obj: Object, selector: str) -> Object:
    """The autoscaling/v1 Scale of a Deployment or ReplicaSet."""
    meta = {k: v for k, v in obj["metadata"].items()
            if k in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")}  # fmt: skip
    spec, replicas = obj.get("spec", {}).get("replicas", 0), obj.get("status", {}).get("replicas", 0)
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta,
            "spec": {"replicas": spec} if spec else {},
            "status": {"replicas": replicas, "selector": selector}}  # fmt: skip
