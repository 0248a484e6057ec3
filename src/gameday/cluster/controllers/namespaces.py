"""Namespaces: what each one is born with, and its end: first all that is in it, then itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gameday.cluster.reconcile import Key, Loop
from gameday.cluster.resources import RESOURCES

if TYPE_CHECKING:
    from gameday.cluster.store import Object, Store

_CONTENT = tuple(dict.fromkeys(r.key for r in RESOURCES if r.namespaced))


def make_loop(store: Store, ca_pem: str) -> Loop:
    """The namespace controller."""

    def itself(namespace: Object) -> list[Key]:
        return [namespace["metadata"]["name"]]

    def ending(obj: Object) -> list[Key]:
        """Objects matter here only while their namespace ends, or when they must be made again."""
        namespace = obj["metadata"]["namespace"]
        found = store.find("namespaces", "", namespace)
        if found is None:
            return []
        born = obj["metadata"]["name"] in ("default", "kube-root-ca.crt")
        return [namespace] if born or "deletionTimestamp" in found["metadata"] else []

    watches = {"namespaces": itself, **dict.fromkeys(_CONTENT, ending)}
    return Loop(store, watches, lambda name: _reconcile(store, name, ca_pem), "namespaces")


def _reconcile(store: Store, name: str, ca_pem: str) -> None:
    namespace = store.find("namespaces", "", name)
    if namespace is None:
        return
    if "deletionTimestamp" in namespace["metadata"]:
        _end(store, name)
        return
    if not namespace.get("spec", {}).get("finalizers") or namespace.get("status", {}).get("phase") != "Active":
        store.update("namespaces", {**namespace, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})
    if not store.find("serviceaccounts", name, "default"):
        store.create("serviceaccounts", {
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name},
        })  # fmt: skip
    if not store.find("configmaps", name, "kube-root-ca.crt"):
        store.create("configmaps", {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt", "namespace": name},
            "data": {"ca.crt": ca_pem},
        })  # fmt: skip


def _end(store: Store, name: str) -> None:
    left = 0
    for resource in _CONTENT:
        for obj in store.list(resource, name):
            meta = obj["metadata"]
            if "deletionTimestamp" not in meta:
                store.delete(resource, name, meta["name"])
            left += store.find(resource, name, meta["name"]) is not None
    if left:
        return  # the last of them marks us again

    def release(namespace: Object) -> None:
        namespace["spec"]["finalizers"] = []

    store.mutate("namespaces", "", name, release)
