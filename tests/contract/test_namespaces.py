"""Namespaces: what each is born with, and how it ends; and what goes when its owner goes."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.behaviours import behaviour
from tests.contract.clusters import MERGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.clusters import Cluster

HELD = {"name": "held", "finalizers": ["example.com/hold"]}
"""A ConfigMap's metadata that stays until its finalizer is taken off."""


@pytest.fixture
def held(cluster: Cluster, namespace: str) -> Iterator[str]:
    """A namespace that is being deleted, and one ConfigMap in it that lingers."""
    cluster.create(cluster.path("configmaps", namespace), {"metadata": HELD})
    cluster.call("DELETE", f"/api/v1/namespaces/{namespace}")
    yield namespace
    release(cluster, cluster.path("configmaps", namespace, "held"))


def release(cluster: Cluster, path: str) -> None:
    """Take an object's finalizers off."""
    cluster.call("PATCH", path, {"metadata": {"finalizers": None}}, kind=MERGE)


def owned(owner: dict[str, Any], name: str, **fields: Any) -> dict[str, Any]:
    """A ConfigMap that belongs to another."""
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"]}
    return {"metadata": {"name": name, "ownerReferences": [{**reference, "uid": owner["metadata"]["uid"], **fields}]}}


@behaviour("A new namespace is Active and has the finalizer 'kubernetes' in its spec", area="namespaces")
def test_a_new_namespace_is_active(cluster: Cluster, namespace: str) -> None:
    """Both are there in the answer to the POST."""
    found = cluster.read(f"/api/v1/namespaces/{namespace}")
    assert (found["status"]["phase"], found["spec"]["finalizers"]) == ("Active", ["kubernetes"])


@behaviour("A namespace carries its name as a label", area="namespaces", since="1.21")
def test_a_namespace_is_labelled(cluster: Cluster, namespace: str) -> None:
    """NetworkPolicies select namespaces by it."""
    labels = cluster.read(f"/api/v1/namespaces/{namespace}")["metadata"]["labels"]
    assert labels["kubernetes.io/metadata.name"] == namespace


@behaviour("A new namespace gets a ServiceAccount 'default', again when it is deleted", area="namespaces")
def test_the_default_service_account(cluster: Cluster, namespace: str) -> None:
    """Pods need it; the second one has another UID."""
    path = cluster.path("serviceaccounts", namespace, "default")
    first = cluster.until(path, bool)["metadata"]["uid"]
    assert cluster.call("DELETE", path).status == 200
    cluster.until(path, lambda one: one and one["metadata"]["uid"] != first)


@behaviour("A new namespace gets the cluster's certificate in the ConfigMap kube-root-ca.crt", area="namespaces")
def test_the_root_certificate(cluster: Cluster, namespace: str) -> None:
    """Pods trust the API server by it."""
    found = cluster.until(cluster.path("configmaps", namespace, "kube-root-ca.crt"), bool)
    assert "BEGIN CERTIFICATE" in found["data"]["ca.crt"]


@behaviour("DELETE of a namespace answers with it, Terminating", area="namespaces")
def test_a_deleted_namespace_is_terminating(cluster: Cluster, namespace: str) -> None:
    """It has a deletionTimestamp from then on."""
    answer = cluster.call("DELETE", f"/api/v1/namespaces/{namespace}")
    assert (answer.status, answer.json["kind"], answer.json["status"]["phase"]) == (200, "Namespace", "Terminating")
    assert answer.json["metadata"]["deletionTimestamp"]


@behaviour("A namespace goes after all that was in it, and its name can be used again", area="namespaces")
def test_a_namespace_takes_its_content_along(cluster: Cluster) -> None:
    """ConfigMaps, Services, Deployments and the namespace itself; the next of the name is empty and new."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    path = f"/api/v1/namespaces/{name}"
    first = cluster.create("/api/v1/namespaces", {"metadata": {"name": name}})
    cluster.create(cluster.path("configmaps", name), {"metadata": {"name": "one"}})
    cluster.create(cluster.path("services", name), {"metadata": {"name": "one"}, "spec": {"ports": [{"port": 80}]}})
    cluster.call("DELETE", path)
    cluster.until_gone(path)
    assert cluster.call("GET", cluster.path("configmaps", name, "one")).status == 404
    assert cluster.call("GET", cluster.path("services", name, "one")).status == 404
    second = cluster.create("/api/v1/namespaces", {"metadata": {"name": name}})
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    assert cluster.call("DELETE", path).status == 200


@behaviour("In a namespace that ends nothing is created: 403 with the cause NamespaceTerminating", area="namespaces")
def test_a_terminating_namespace_takes_nothing_new(cluster: Cluster, held: str) -> None:
    """The namespace lingers because something in it does."""
    answer = cluster.call("POST", cluster.path("configmaps", held), {"metadata": {"name": "late"}})
    assert (answer.status, answer.reason) == (403, "Forbidden")
    assert [cause["reason"] for cause in answer.json["details"]["causes"]] == ["NamespaceTerminating"]
    assert "because it is being terminated" in answer.json["message"]


@behaviour("A finalizer on what is in a namespace holds the namespace too", area="namespaces")
def test_a_finalizer_holds_the_namespace(cluster: Cluster, held: str) -> None:
    """What lingers can be read and changed meanwhile."""
    path = cluster.path("configmaps", held, "held")
    cluster.until(path, lambda one: one and one["metadata"].get("deletionTimestamp"))
    assert cluster.read(f"/api/v1/namespaces/{held}")["status"]["phase"] == "Terminating"
    release(cluster, path)
    cluster.until_gone(path)


@pytest.mark.parametrize("name", ["default", "kube-system"])
@behaviour("The cluster's own namespaces cannot be deleted: 403", area="namespaces")
def test_own_namespaces_stay(cluster: Cluster, name: str) -> None:
    """Asked as a dry run, so that a cluster that would do it loses nothing."""
    answer = cluster.call("DELETE", f"/api/v1/namespaces/{name}", query={"dryRun": "All"})
    assert (answer.status, answer.reason) == (403, "Forbidden")
    assert "this namespace may not be deleted" in answer.json["message"]


@behaviour("Background: the owner goes at once, then what it owned", area="namespaces")
def test_background_deletion(cluster: Cluster, namespace: str) -> None:
    """This is the default for most clients."""
    path = cluster.path("configmaps", namespace)
    owner = cluster.create(path, {"metadata": {"name": "owner"}})
    cluster.create(path, owned(owner, "owned"))
    cluster.call("DELETE", f"{path}/owner", {"propagationPolicy": "Background"})
    assert cluster.call("GET", f"{path}/owner").status == 404
    cluster.until_gone(f"{path}/owned")


@behaviour("Foreground: the owner lingers until what it owned and blocks it has gone", area="namespaces")
def test_foreground_deletion(cluster: Cluster, namespace: str) -> None:
    """The owner has a deletionTimestamp and the finalizer foregroundDeletion meanwhile."""
    path = cluster.path("configmaps", namespace)
    owner = cluster.create(path, {"metadata": {"name": "owner"}})
    slow = owned(owner, "owned", blockOwnerDeletion=True)
    slow["metadata"]["finalizers"] = ["example.com/hold"]
    cluster.create(path, slow)
    left = cluster.call("DELETE", f"{path}/owner", {"propagationPolicy": "Foreground"}).json
    assert left["metadata"]["finalizers"] == ["foregroundDeletion"]
    cluster.until(f"{path}/owned", lambda one: one and one["metadata"].get("deletionTimestamp"))
    assert cluster.read(f"{path}/owner")["metadata"]["deletionTimestamp"]
    release(cluster, f"{path}/owned")
    cluster.until_gone(f"{path}/owner")
    assert cluster.call("GET", f"{path}/owned").status == 404


@behaviour("Orphan: the owner goes, what it owned stays and forgets it", area="namespaces")
def test_orphaning_deletion(cluster: Cluster, namespace: str) -> None:
    """`kubectl delete --cascade=orphan`."""
    path = cluster.path("configmaps", namespace)
    owner = cluster.create(path, {"metadata": {"name": "owner"}})
    cluster.create(path, owned(owner, "owned"))
    cluster.call("DELETE", f"{path}/owner", {"propagationPolicy": "Orphan"})
    cluster.until_gone(f"{path}/owner")
    assert "ownerReferences" not in cluster.read(f"{path}/owned")["metadata"]


@behaviour("What has another owner left stays when one of its owners goes", area="namespaces")
def test_two_owners(cluster: Cluster, namespace: str) -> None:
    """Only the reference to the one that went is taken off."""
    path = cluster.path("configmaps", namespace)
    first, second = (cluster.create(path, {"metadata": {"name": name}}) for name in ("first", "second"))
    both = owned(first, "owned")
    both["metadata"]["ownerReferences"] += owned(second, "x")["metadata"]["ownerReferences"]
    cluster.create(path, both)
    cluster.call("DELETE", f"{path}/first", {"propagationPolicy": "Background"})
    left = cluster.until(f"{path}/owned", lambda one: one and len(one["metadata"]["ownerReferences"]) == 1)
    assert left["metadata"]["ownerReferences"][0]["name"] == "second"
    assert "deletionTimestamp" not in left["metadata"]


@behaviour("What names an owner that does not exist is collected", area="namespaces")
def test_an_absent_owner(cluster: Cluster, namespace: str) -> None:
    """Its UID decides, not its name."""
    path = cluster.path("configmaps", namespace)
    owner = cluster.create(path, {"metadata": {"name": "owner"}})
    stranger = {"metadata": {"name": "owner", "uid": str(uuid.uuid4())}}
    assert owner["metadata"]["uid"] != stranger["metadata"]["uid"]
    cluster.create(path, owned(stranger, "owned"))
    cluster.until_gone(f"{path}/owned")
