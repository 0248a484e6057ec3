"""Deployments: roll ReplicaSets from one template to the next, as Kubernetes' controller does.

Left out: proportional scaling of old and new sets when `replicas` changes in mid-rollout
(the new set takes the whole change).
"""

from __future__ import annotations

import copy
import hashlib
import json
from typing import TYPE_CHECKING

from gameday.cluster.controllers.rollout import bounds, report
from gameday.cluster.reconcile import Key, Loop, own_key
from gameday.cluster.records import controller_of, is_active, owner_reference, record_event
from gameday.cluster.selectors import matches

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gameday.cluster.store import Object, Store

RESOURCE, SETS = "deployments.apps", "replicasets.apps"
HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def make_loop(store: Store) -> Loop:
    """The Deployment controller."""

    def of_set(replica_set: Object) -> Iterable[Key]:
        owner = controller_of(replica_set)
        namespace = replica_set["metadata"]["namespace"]
        if owner:
            return [(namespace, owner["name"])]
        return [(namespace, d["metadata"]["name"]) for d in store.list(RESOURCE, namespace) if _selects(d, replica_set)]

    def of_pod(pod: Object) -> Iterable[Key]:
        """Recreate waits for the last old pod to be gone."""
        owner = controller_of(pod)
        replica_set = owner and store.find(SETS, pod["metadata"]["namespace"], owner["name"])
        return of_set(replica_set) if replica_set else []

    watches = {RESOURCE: own_key, SETS: of_set, "pods": of_pod}
    return Loop(store, watches, lambda key: _reconcile(store, *key), "deployments")


def _selects(deployment: Object, replica_set: Object) -> bool:
    return matches(deployment["spec"]["selector"], replica_set["metadata"].get("labels"))


def _reconcile(store: Store, namespace: str, name: str) -> float | None:
    deployment = store.find(RESOURCE, namespace, name)
    if deployment is None or "deletionTimestamp" in deployment["metadata"]:
        return None
    sets = _claim(store, deployment)
    new = next((s for s in sets if _template(s["spec"]["template"]) == _template(deployment["spec"]["template"])), None)
    old = [s for s in sets if s is not new]
    paused = bool(deployment["spec"].get("paused"))
    recreate = deployment["spec"].get("strategy", {}).get("type") == "Recreate"
    if not paused:
        if recreate and any(s["spec"]["replicas"] or _pods(store, s) for s in old):
            for replica_set in old:
                _resize(store, deployment, replica_set, 0)
        else:
            new = _ensure_new(store, deployment, new, old)
    if new is not None and not recreate:
        _roll(store, deployment, new["metadata"]["name"], old)
    elif new is not None and not any(_pods(store, s) for s in old):
        _resize(store, deployment, new, deployment["spec"].get("replicas", 1))
    current = store.owned_by(SETS, deployment)
    _forget_history(
        store, deployment, [s for s in current if not new or s["metadata"]["name"] != new["metadata"]["name"]]
    )
    return report(store, deployment, current, new["metadata"]["name"] if new else None)


def _claim(store: Store, deployment: Object) -> list[Object]:
    """The Deployment's ReplicaSets, oldest first; matching orphans are adopted."""
    for replica_set in store.list(SETS, deployment["metadata"]["namespace"]):
        if controller_of(replica_set) is None and _selects(deployment, replica_set):

            def adopt(current: Object) -> None:
                references = current["metadata"].setdefault("ownerReferences", [])
                references.append(owner_reference(RESOURCE, deployment))

            store.mutate(SETS, replica_set["metadata"]["namespace"], replica_set["metadata"]["name"], adopt)
    return sorted(store.owned_by(SETS, deployment), key=_revision)


def _revision(replica_set: Object) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(REVISION, 0))


def _template(template: Object) -> str:
    """A template as comparable text, without the label that we add."""
    plain = copy.deepcopy(template)
    labels = plain.get("metadata", {}).get("labels") or {}
    labels.pop(HASH, None)
    return json.dumps(plain, sort_keys=True)


def _hash(text: str) -> str:
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return "".join(_ALPHABET[number // len(_ALPHABET) ** i % len(_ALPHABET)] for i in range(10))


def _pods(store: Store, replica_set: Object) -> list[Object]:
    """Its pods that still have processes, the ending ones included."""
    pods = store.owned_by("pods", replica_set)
    return [p for p in pods if is_active(p) or "deletionTimestamp" in p["metadata"]]


def _ensure_new(store: Store, deployment: Object, new: Object | None, old: list[Object]) -> Object:
    """The set of the current template, with the highest revision (a rollback raises it again)."""
    revision = max((_revision(s) for s in old), default=0) + 1
    if new is None:
        new = store.create(SETS, _make_set(deployment, revision))
    elif _revision(new) < revision:
        new = _annotate(store, SETS, new, str(revision))
    _annotate(store, RESOURCE, deployment, str(_revision(new)))
    return new


def _annotate(store: Store, resource: str, obj: Object, revision: str) -> Object:
    def edit(current: Object) -> None:
        current["metadata"].setdefault("annotations", {})[REVISION] = revision

    return store.mutate(resource, obj["metadata"]["namespace"], obj["metadata"]["name"], edit)


def _make_set(deployment: Object, revision: int) -> Object:
    spec, meta = deployment["spec"], deployment["metadata"]
    template = copy.deepcopy(spec["template"])
    label = {HASH: _hash(_template(template))}
    labels = {**(template.setdefault("metadata", {}).get("labels") or {}), **label}
    template["metadata"]["labels"] = labels
    selector = copy.deepcopy(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), **label}
    kept = {k: v for k, v in (meta.get("annotations") or {}).items()
            if k not in (REVISION, "kubectl.kubernetes.io/last-applied-configuration")}  # fmt: skip
    return {
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": f"{meta['name']}-{label[HASH]}", "namespace": meta["namespace"], "labels": labels,
                     "annotations": {**kept, REVISION: str(revision)},
                     "ownerReferences": [owner_reference(RESOURCE, deployment)]},
        "spec": {"replicas": 0, "selector": selector, "template": template,
                 **({"minReadySeconds": spec["minReadySeconds"]} if spec.get("minReadySeconds") else {})},
        "status": {"replicas": 0},
    }  # fmt: skip


def _roll(store: Store, deployment: Object, new_name: str, old: list[Object]) -> None:
    wanted, namespace = deployment["spec"].get("replicas", 1), deployment["metadata"]["namespace"]
    surge, lacking = bounds(deployment)
    new = store.get(SETS, namespace, new_name)
    size = new["spec"]["replicas"]
    total = size + sum(s["spec"]["replicas"] for s in old)
    grown = size + max(0, min(wanted + surge - total, wanted - size)) if size < wanted else wanted
    new = _resize(store, deployment, new, grown)
    _shrink_old(store, deployment, new, old, wanted - lacking)


def _available(replica_set: Object) -> int:
    return int(replica_set.get("status", {}).get("availableReplicas", 0))


def _shrink_old(store: Store, deployment: Object, new: Object, old: list[Object], minimum: int) -> None:
    """Take pods from the old sets, unhealthy ones first, while `minimum` stay available."""
    total = new["spec"]["replicas"] + sum(s["spec"]["replicas"] for s in old)
    budget = total - minimum - max(0, new["spec"]["replicas"] - _available(new))
    available = _available(new) + sum(min(_available(s), s["spec"]["replicas"]) for s in old)
    spare = available - minimum
    for replica_set in old:
        size = replica_set["spec"]["replicas"]
        sick = max(0, min(size - _available(replica_set), budget))
        healthy = max(0, min(size - sick, spare, budget - sick))
        budget, spare = budget - sick - healthy, spare - healthy
        _resize(store, deployment, replica_set, size - sick - healthy)


def _resize(store: Store, deployment: Object, replica_set: Object, replicas: int) -> Object:
    meta, size = replica_set["metadata"], replica_set["spec"]["replicas"]
    if size == replicas:
        return replica_set

    def edit(current: Object) -> None:
        current["spec"]["replicas"] = replicas

    changed = store.mutate(SETS, meta["namespace"], meta["name"], edit)
    verb = "up" if replicas > size else "down"
    message = f"Scaled {verb} replica set {meta['name']} from {size} to {replicas}"
    record_event(store, RESOURCE, deployment, "ScalingReplicaSet", message)
    return changed


def _forget_history(store: Store, deployment: Object, old: list[Object]) -> None:
    limit = deployment["spec"].get("revisionHistoryLimit", 10)
    idle = [s for s in sorted(old, key=_revision) if not s["spec"]["replicas"] and not s["status"].get("replicas")]
    for replica_set in idle[: max(0, len(idle) - limit)]:
        store.delete(SETS, replica_set["metadata"]["namespace"], replica_set["metadata"]["name"])
