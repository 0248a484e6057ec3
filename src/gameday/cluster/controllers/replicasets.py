"""ReplicaSets: keep as many pods as asked for."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from gameday.cluster.accounts import missing_account, mount_token
from gameday.cluster.defaults import apply_defaults, reset_status
from gameday.cluster.reconcile import Key, Loop, own_key
from gameday.cluster.records import (
    condition,
    controller_of,
    instant,
    is_active,
    is_ready,
    owner_reference,
    record_event,
    seconds_since,
    set_status,
)
from gameday.cluster.selectors import matches
from gameday.cluster.store import now

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gameday.cluster.store import Object, Store

RESOURCE = "replicasets.apps"
RETRY_S = 1.0
"""How soon it is tried again to make pods that were refused."""
MAX_PODS = 500
"""Of one set: twice what the node runs; more would only fill memory."""


def make_loop(store: Store) -> Loop:
    """The ReplicaSet controller."""

    def owners(pod: Object) -> Iterable[Key]:
        namespace = pod["metadata"]["namespace"]
        owner = controller_of(pod)
        if owner:
            return [(namespace, owner["name"])] if owner["kind"] == "ReplicaSet" else []
        sets = store.list(RESOURCE, namespace)  # an orphan may be adopted
        return [(namespace, s["metadata"]["name"]) for s in sets if _selects(s, pod)]

    return Loop(store, {RESOURCE: own_key, "pods": owners}, lambda key: _reconcile(store, *key), "replicasets")


def _selects(replica_set: Object, pod: Object) -> bool:
    return matches(replica_set["spec"]["selector"], pod["metadata"].get("labels"))


def _reconcile(store: Store, namespace: str, name: str) -> float | None:
    replica_set = store.find(RESOURCE, namespace, name)
    if replica_set is None:
        return None
    pods = [p for p in _claim(store, replica_set) if is_active(p)]
    failure = _scale(store, replica_set, pods) if "deletionTimestamp" not in replica_set["metadata"] else ""
    pods = [p for p in store.owned_by("pods", replica_set) if is_active(p)]
    again_s = _report(store, replica_set, pods, failure)
    return RETRY_S if failure else again_s


def _claim(store: Store, replica_set: Object) -> list[Object]:
    """The pods of this set; orphans that match are adopted, pods that no longer match released."""
    meta, uid = replica_set["metadata"], replica_set["metadata"]["uid"]
    claimed = []
    for pod in store.list("pods", meta["namespace"]):
        owner, fits = controller_of(pod), _selects(replica_set, pod)
        if owner and owner["uid"] == uid and fits:
            claimed.append(pod)
        elif owner and owner["uid"] == uid and is_active(pod):
            _own(store, pod, [r for r in pod["metadata"]["ownerReferences"] if r["uid"] != uid])
        elif not owner and fits and is_active(pod) and "deletionTimestamp" not in meta:
            references = [*pod["metadata"].get("ownerReferences", []), owner_reference(RESOURCE, replica_set)]
            claimed.append(_own(store, pod, references))
    return claimed


def _own(store: Store, pod: Object, references: list[dict[str, Any]]) -> Object:
    def edit(current: Object) -> None:
        current["metadata"]["ownerReferences"] = references
        if not references:
            del current["metadata"]["ownerReferences"]

    return store.mutate("pods", pod["metadata"]["namespace"], pod["metadata"]["name"], edit)


def _scale(store: Store, replica_set: Object, pods: list[Object]) -> str:
    """Make or delete pods; returns what stands in the way of making them, if anything does."""
    wanted = replica_set["spec"].get("replicas", 1)
    for there in range(len(pods), wanted):
        made = make_pod(replica_set)
        problem = missing_account(store, made)
        if there >= MAX_PODS:
            problem = f"the embedded cluster makes {MAX_PODS} pods of a set at most"
        if problem:
            problem = f'pods "{made["metadata"]["generateName"]}" is forbidden: {problem}'
            record_event(store, RESOURCE, replica_set, "FailedCreate", f"Error creating: {problem}", warning=True)
            return problem
        pod = store.create("pods", mount_token(store, made))
        record_event(store, RESOURCE, replica_set, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
    for pod in sorted(pods, key=_dispensable)[: max(0, len(pods) - wanted)]:
        meta = pod["metadata"]
        store.delete("pods", meta["namespace"], meta["name"], uid=meta["uid"])
        record_event(store, RESOURCE, replica_set, "SuccessfulDelete", f"Deleted pod: {meta['name']}")
    return ""


def _dispensable(pod: Object) -> tuple[object, ...]:
    """Sort key, first to go first: not bound, not running, not ready, not ready for long, restarted most, newest."""
    status, ready = pod.get("status", {}), condition(pod, "Ready") if is_ready(pod) else None
    return (
        bool(pod["spec"].get("nodeName")),
        status.get("phase") == "Running",
        ready is not None,
        -instant(ready["lastTransitionTime"]) if ready else 0.0,
        -max((c.get("restartCount", 0) for c in status.get("containerStatuses", [])), default=0),
        -instant(pod["metadata"]["creationTimestamp"]),
    )


def make_pod(replica_set: Object) -> Object:
    """A pod of the set's template."""
    template = copy.deepcopy(replica_set["spec"]["template"])
    given, meta = template.get("metadata") or {}, replica_set["metadata"]
    made = {"generateName": f"{meta['name']}-", "namespace": meta["namespace"]}
    made |= {k: given[k] for k in ("labels", "annotations") if given.get(k)}
    pod = {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {**made, "ownerReferences": [owner_reference(RESOURCE, replica_set)]}, "spec": template["spec"],
    }  # fmt: skip
    apply_defaults("pods", pod)
    reset_status("pods", pod)
    return pod


def _report(store: Store, replica_set: Object, pods: list[Object], failure: str) -> float | None:
    """Write the status; returns when a pod next becomes available (minReadySeconds)."""
    labels = replica_set["spec"]["template"].get("metadata", {}).get("labels") or {}
    minimum_s = replica_set["spec"].get("minReadySeconds", 0)
    ready = [p for p in pods if is_ready(p)]
    waits = [minimum_s - seconds_since(c["lastTransitionTime"]) for p in ready if (c := condition(p, "Ready"))]
    counts = {
        "fullyLabeledReplicas": sum(labels.items() <= p["metadata"].get("labels", {}).items() for p in pods),
        "readyReplicas": len(ready),
        "availableReplicas": len(ready) if not minimum_s else sum(w <= 0 for w in waits),
    }
    status = {
        "replicas": len(pods),
        **{k: n for k, n in counts.items() if n},  # a real server leaves zeros out
        "observedGeneration": replica_set["metadata"].get("generation", 1),
    }
    if failure:
        found = [c for c in replica_set.get("status", {}).get("conditions", []) if c.get("message") == failure]
        why = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": failure}
        status["conditions"] = found or [{**why, "lastTransitionTime": now()}]
    set_status(store, RESOURCE, replica_set, status)
    return min((w for w in waits if w > 0), default=None) if minimum_s else None
