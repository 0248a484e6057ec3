"""Garbage collection: what an object owned goes with it, or before it, or is set free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gameday.cluster.reconcile import Loop
from gameday.cluster.resources import RESOURCES

if TYPE_CHECKING:
    from gameday.cluster.store import Object, Store

_KEYS = tuple(dict.fromkeys(r.key for r in RESOURCES))
_OURS = ("foregroundDeletion", "orphan")


def make_loop(store: Store) -> Loop:
    """The garbage collector: a change of what has an owner, is one or is being deleted leads to one sweep."""
    owners: set[str] = set()

    def concerns(obj: Object) -> list[str]:
        meta, references = obj["metadata"], obj["metadata"].get("ownerReferences", ())
        owners.update(reference["uid"] for reference in references)
        return ["sweep"] if references or "deletionTimestamp" in meta or meta["uid"] in owners else []

    return Loop(store, {key: concerns for key in _KEYS if key != "events"}, lambda _: _sweep(store), "garbage")


def _sweep(store: Store) -> None:
    objects = [(resource, obj) for resource in _KEYS if resource != "events" for obj in store.list(resource)]
    alive = {obj["metadata"]["uid"] for _, obj in objects}
    dependents: dict[str, list[tuple[str, Object]]] = {}
    for resource, obj in objects:
        for reference in obj["metadata"].get("ownerReferences", ()):
            dependents.setdefault(reference["uid"], []).append((resource, obj))
    for uid in dependents.keys() - alive:
        for resource, obj in dependents[uid]:
            _lose_owner(store, resource, obj, uid, alive)
    for resource, obj in objects:
        finalizers = set(obj["metadata"].get("finalizers", ())) & set(_OURS)
        if finalizers and "deletionTimestamp" in obj["metadata"]:
            _finalize(store, resource, obj, finalizers, dependents)


def _finalize(
    store: Store, resource: str, obj: Object, finalizers: set[str], dependents: dict[str, list[tuple[str, Object]]]
) -> None:
    uid = obj["metadata"]["uid"]
    owned = dependents.get(uid, [])
    if "orphan" in finalizers or not owned:
        for kind, dependent in owned:
            _drop_reference(store, kind, dependent, uid)
        _finish(store, resource, obj)
        return
    for kind, dependent in owned:
        if "deletionTimestamp" not in dependent["metadata"]:
            _delete(store, kind, dependent, foreground=dependent["metadata"]["uid"] in dependents)


def _lose_owner(store: Store, resource: str, obj: Object, uid: str, alive: set[str]) -> None:
    others = [r for r in obj["metadata"]["ownerReferences"] if r["uid"] != uid]
    if any(r["uid"] in alive for r in others):
        _drop_reference(store, resource, obj, uid)
    elif "deletionTimestamp" not in obj["metadata"]:
        _delete(store, resource, obj, foreground=False)


def _delete(store: Store, resource: str, obj: Object, *, foreground: bool) -> None:
    meta = obj["metadata"]
    policy: Any = "Foreground" if foreground else "Background"
    store.delete(resource, meta.get("namespace", ""), meta["name"], propagation=policy, uid=meta["uid"])


def _drop_reference(store: Store, resource: str, obj: Object, uid: str) -> None:
    def edit(current: Object) -> None:
        left = [r for r in current["metadata"]["ownerReferences"] if r["uid"] != uid]
        current["metadata"]["ownerReferences"] = left
        if not left:
            del current["metadata"]["ownerReferences"]

    store.mutate(resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"], edit)


def _finish(store: Store, resource: str, obj: Object) -> None:
    """Take our finalizers off: the object goes, a pod when its kubelet is done with it."""

    def edit(current: Object) -> None:
        left = [f for f in current["metadata"].get("finalizers", []) if f not in _OURS]
        current["metadata"]["finalizers"] = left
        if not left:
            del current["metadata"]["finalizers"]

    meta = obj["metadata"]
    changed = store.mutate(resource, meta.get("namespace", ""), meta["name"], edit)
    ended = not obj.get("spec", {}).get("nodeName") or meta.get("deletionGracePeriodSeconds") == 0
    if resource == "pods" and ended and not changed["metadata"].get("finalizers"):
        store.delete(resource, meta["namespace"], meta["name"], grace_s=0)
