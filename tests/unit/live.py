"""The embedded cluster's API, with a namespace that takes part, for what is to be tried on a real one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from gameday.activities.guard import ALLOWED_LABEL
from gameday.cluster import patches
from gameday.cluster.store import ConflictError
from gameday.kube import ApiException, Kube, connect
from tests.unit.cluster.api.conftest import Api, api, certificates

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Nodes", "add_deployment", "api", "certificates", "kube", "nodes"]

MERGE = "application/merge-patch+json"


@pytest.fixture
def kube(api: Api, monkeypatch: pytest.MonkeyPatch) -> Kube:
    """A connection to it, which the environment names too; faults may be set in its namespace `shop`."""
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig))
    monkeypatch.setenv("KUBERNETES_CONTEXT", "test")
    allowed = {"metadata": {"labels": {ALLOWED_LABEL: "true"}}}
    assert api.call("PATCH", "/api/v1/namespaces/shop", allowed, kind=MERGE).code == 200
    return connect(kubeconfig=api.kubeconfig)


def add_deployment(kube: Kube, name: str, replicas: int, node: str | None = None) -> None:
    """A Deployment, and one pod of it on that node, as its controller and kubelet would have made it."""
    labels = {"app": name, "tier": "backend"}
    spec: dict[str, Any] = {"containers": [{"name": "c", "image": "gameday/storefront:dev"}]}
    template = {"metadata": {"labels": labels}, "spec": spec}
    body: dict[str, Any] = {
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }

    def owner(kind: str, made: Any) -> dict[str, Any]:
        one = {"kind": kind, "name": name, "uid": made.metadata.uid, "controller": True}
        return {"name": name, "labels": labels, "ownerReferences": [{"apiVersion": "apps/v1", **one}]}

    made: Any = kube.apps.create_namespaced_deployment("shop", body)
    made = kube.apps.create_namespaced_replica_set("shop", {**body, "metadata": owner("Deployment", made)})
    kube.core.create_namespaced_pod("shop", {"metadata": owner("ReplicaSet", made), "spec": {**spec, "nodeName": node}})


@dataclass
class Nodes:
    """Nodes that can be cordoned, as the embedded cluster's cannot: a patch of one goes past its API into the store."""

    api: Api
    before_patch: list[Callable[[], None]] = field(default_factory=list)
    """What somebody else does just before the next patches arrive, one each."""

    after_patch: list[Callable[[], None]] = field(default_factory=list)
    """What happens once the next patches have been made, before they are answered; may raise instead of the answer."""

    sent: int = 0

    def add(self, name: str, **meta: Any) -> str:
        """A ready node; returns its uid."""
        status = {"conditions": [{"type": "Ready", "status": "True"}]}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, **meta}, "spec": {}, "status": status}
        return str(self.api.on_loop(lambda: self.api.store.create("nodes", node))["metadata"]["uid"])

    def patch(self, name: str, body: dict[str, Any], **_options: Any) -> None:
        """As the API client's `patch_node`, of which nothing but the refusals is wanted."""
        self.sent += 1
        if self.before_patch:
            self.before_patch.pop(0)()
        found = self.get(name)
        if body["metadata"].get("uid", found["metadata"]["uid"]) != found["metadata"]["uid"]:
            raise ApiException(status=409, reason="another uid")
        try:
            self.api.on_loop(lambda: self.api.store.update("nodes", patches.merge(found, body)))
        except ConflictError as problem:
            raise ApiException(status=409, reason=str(problem)) from problem
        if self.after_patch:
            self.after_patch.pop(0)()

    def set(self, name: str, *, cordoned: bool, mark: str | None) -> None:
        """What somebody else does to a node."""
        meta = {"annotations": {"gameday.dev/cordoned": mark}}
        body = {"metadata": meta, "spec": {"unschedulable": cordoned or None}}
        self.api.on_loop(lambda: self.api.store.update("nodes", patches.merge(self.get_now(name), body)))

    def get(self, name: str) -> dict[str, Any]:
        """A node as it is."""
        return self.api.on_loop(lambda: self.get_now(name))

    def get_now(self, name: str) -> dict[str, Any]:
        """The same, on the server's thread."""
        return dict(self.api.store.get("nodes", "", name))

    def state(self, name: str) -> tuple[bool, str | None]:
        """Whether a node is cordoned, and by whom as it says."""
        found = self.get(name)
        annotations = found["metadata"].get("annotations") or {}
        return bool(found["spec"].get("unschedulable")), annotations.get("gameday.dev/cordoned")


@pytest.fixture
def nodes(api: Api, kube: Kube, monkeypatch: pytest.MonkeyPatch) -> Nodes:
    """The nodes of that cluster; none yet."""
    there = Nodes(api)
    monkeypatch.setattr(kube.core, "patch_node", there.patch)
    return there
