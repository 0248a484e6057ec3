"""Deployments: roll ReplicaSets from one template to the next, as Kubernetes' controller does."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import TYPE_CHECKING

from gameday.cluster.controllers.rollout import bounds, pause_or_resume, report, set_progressing
from gameday.cluster.reconcile import Key, Loop, own_key
from gameday.cluster.records import controller_of, is_active, owner_reference, record_event
from gameday.cluster.selectors import matches
from gameday.cluster.store import AlreadyExistsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gameday.cluster.store import Object, Store

RESOURCE, SETS = "deployments.apps", "replicasets.apps"
HASH = "pod-template-hash"
REVISION, HISTORY, DESIRED, MOST = (
    f"deployment.kubernetes.io/{name}" for name in ("revision", "revision-history", "desired-replicas", "max-replicas")
)
_NOT_COPIED = (REVISION, HISTORY, DESIRED, MOST, "kubectl.kubernetes.io/last-applied-configuration")
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
    deployment = pause_or_resume(store, deployment)
    spec = deployment["spec"]
    sets = _claim(store, deployment)
    new = next((s for s in sets if _template(s["spec"]["template"]) == _template(spec["template"])), None)
    old = [s for s in sets if s is not new]
    recreate = spec.get("strategy", {}).get("type") == "Recreate"
    if spec.get("paused") or (_is_scaled(deployment, sets) and not recreate):
        _scale(store, deployment, new, old)
    elif recreate and any(s["spec"]["replicas"] or _pods(store, s) for s in old):
        for replica_set in old:
            _resize(store, deployment, replica_set, 0)
    else:
        new = _ensure_new(store, deployment, new, old)
        if recreate:
            _resize(store, deployment, new, spec.get("replicas", 1))
        else:
            _roll(store, deployment, new, old)
    name = new["metadata"]["name"] if new else ""
    current = store.owned_by(SETS, deployment)
    _forget_history(store, deployment, [s for s in current if s["metadata"]["name"] != name])
    return report(store, deployment, current, name)


def _is_scaled(deployment: Object, sets: list[Object]) -> bool:
    """Whether `replicas` was changed since the sets got their sizes."""
    wanted = str(deployment["spec"].get("replicas", 1))
    return any(
        s["metadata"].get("annotations", {}).get(DESIRED, wanted) != wanted for s in sets if s["spec"]["replicas"]
    )


def _scale(store: Store, deployment: Object, new: Object | None, old: list[Object]) -> None:
    """Bring the sets to a new `replicas`: the only one at once, several each in proportion to its size."""
    wanted = deployment["spec"].get("replicas", 1)
    sets = [*old, *([new] if new else [])]
    active = [s for s in sets if s["spec"]["replicas"]] or sets[-1:]
    if len(active) == 1:
        _resize(store, deployment, active[0], wanted)
    if len(active) <= 1:
        return
    surge = bounds(deployment)[0]
    lacking = (wanted + surge if wanted else 0) - sum(s["spec"]["replicas"] for s in active)
    left, sizes = lacking, []
    # Of sets of one size, the newest grows first and the oldest shrinks first.
    for one in sorted(active[:: -1 if lacking > 0 else 1], key=lambda s: s["spec"]["replicas"], reverse=True):
        size = one["spec"]["replicas"]
        most = _number(one, MOST) or wanted
        share = int(size * (wanted + surge) / most + 0.5) - size if wanted else -size
        share = min(max(share, 0), left) if lacking > 0 else max(min(share, 0), left)
        left -= share
        sizes.append((one, size + share))
    for index, (one, size) in enumerate(sizes):
        _resize(store, deployment, one, max(0, size + (left if index == 0 else 0)))


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
    return _number(replica_set, REVISION)


def _number(replica_set: Object, annotation: str) -> int:
    """What an annotation says; 0 for what is no number, since anybody may write one."""
    text = (replica_set["metadata"].get("annotations") or {}).get(annotation, "")
    return int(text) if text.isdecimal() else 0


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
        new = _create_set(store, deployment, revision)
        why = ("NewReplicaSetCreated", f'Created new replica set "{new["metadata"]["name"]}"')
    else:
        revision = max(revision, _revision(new))
        meta = new["metadata"]
        new = store.mutate(SETS, meta["namespace"], meta["name"], lambda s: _align(s, deployment, revision))
        why = ("FoundNewReplicaSet", f'Found new replica set "{meta["name"]}"')

    def edit(current: Object) -> None:
        current["metadata"].setdefault("annotations", {})[REVISION] = str(revision)
        set_progressing(current, *why, only_first=why[0] == "FoundNewReplicaSet")

    store.mutate(RESOURCE, deployment["metadata"]["namespace"], deployment["metadata"]["name"], edit)
    return new


def _align(replica_set: Object, deployment: Object, revision: int) -> None:
    """Copy the Deployment's annotations (such as the change-cause) and minReadySeconds to its set, and number it."""
    replica_set["spec"].pop("minReadySeconds", None)
    if seconds := deployment["spec"].get("minReadySeconds"):
        replica_set["spec"]["minReadySeconds"] = seconds
    found = replica_set["metadata"].setdefault("annotations", {})
    given = deployment["metadata"].get("annotations") or {}
    found |= {k: v for k, v in given.items() if k not in _NOT_COPIED}
    before = found.get(REVISION)
    if before and _revision(replica_set) < revision:
        found[HISTORY] = ",".join(filter(None, (found.get(HISTORY), before)))
    found[REVISION] = str(revision)


def _create_set(store: Store, deployment: Object, revision: int) -> Object:
    """A new set; where its name is taken by a set of another template, the next hash is tried."""
    try:
        return store.create(SETS, _make_set(deployment, revision))
    except AlreadyExistsError:

        def count(current: Object) -> None:
            status = current.setdefault("status", {})
            status["collisionCount"] = status.get("collisionCount", 0) + 1

        meta = deployment["metadata"]
        return _create_set(store, store.mutate(RESOURCE, meta["namespace"], meta["name"], count), revision)


def _make_set(deployment: Object, revision: int) -> Object:
    spec, meta = deployment["spec"], deployment["metadata"]
    template = copy.deepcopy(spec["template"])
    label = {HASH: _hash(_template(template) + str(deployment.get("status", {}).get("collisionCount", "")))}
    labels = {**(template.setdefault("metadata", {}).get("labels") or {}), **label}
    template["metadata"]["labels"] = labels
    selector = copy.deepcopy(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), **label}
    made = {
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": f"{meta['name']}-{label[HASH]}", "namespace": meta["namespace"], "labels": labels,
                     "ownerReferences": [owner_reference(RESOURCE, deployment)]},
        "spec": {"replicas": 0, "selector": selector, "template": template},
        "status": {"replicas": 0},
    }  # fmt: skip
    _align(made, deployment, revision)
    return made


def _roll(store: Store, deployment: Object, new: Object, old: list[Object]) -> None:
    wanted = deployment["spec"].get("replicas", 1)
    surge, lacking = bounds(deployment)
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
        if size:
            _resize(store, deployment, replica_set, size - sick - healthy)


def _resize(store: Store, deployment: Object, replica_set: Object, replicas: int) -> Object:
    meta, size, wanted = replica_set["metadata"], replica_set["spec"]["replicas"], deployment["spec"].get("replicas", 1)
    most = wanted + bounds(deployment)[0] if wanted else 0

    def edit(current: Object) -> None:
        current["spec"]["replicas"] = replicas
        current["metadata"].setdefault("annotations", {}).update({DESIRED: str(wanted), MOST: str(most)})

    changed = store.mutate(SETS, meta["namespace"], meta["name"], edit)
    if size != replicas:
        verb = "up" if replicas > size else "down"
        message = f"Scaled {verb} replica set {meta['name']} from {size} to {replicas}"
        record_event(store, RESOURCE, deployment, "ScalingReplicaSet", message)
    return changed


def _forget_history(store: Store, deployment: Object, old: list[Object]) -> None:
    limit = deployment["spec"].get("revisionHistoryLimit", 10)
    idle = [s for s in sorted(old, key=_revision) if not s["spec"]["replicas"] and not s["status"].get("replicas")]
    for replica_set in idle[: max(0, len(idle) - limit)]:
        store.delete(SETS, replica_set["metadata"]["namespace"], replica_set["metadata"]["name"])
