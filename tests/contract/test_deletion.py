"""Objects: what deletes them, and what puts it off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.behaviours import behaviour
from tests.contract.clusters import MERGE, STRATEGIC
from tests.contract.manifests import WAIT, container, pod, service

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster


HOLD = "example.com/hold"
"""A finalizer that nothing but a test takes off."""


@behaviour("An object with a finalizer is marked by DELETE and goes when the finalizer is taken off", area="objects")
def test_a_finalizer_holds_an_object(cluster: Cluster, namespace: str) -> None:
    """Meanwhile it can be read, and deleting it again changes nothing."""
    path = cluster.path("configmaps", namespace, "one")
    cluster.create(cluster.path("configmaps", namespace), {"metadata": {"name": "one", "finalizers": [HOLD]}})
    marked = cluster.call("DELETE", path)
    assert (marked.status, marked.json["kind"], marked.json["metadata"]["finalizers"]) == (200, "ConfigMap", [HOLD])
    assert marked.json["metadata"]["deletionGracePeriodSeconds"] == 0
    when = cluster.read(path)["metadata"]["deletionTimestamp"]
    assert cluster.call("DELETE", path).json["metadata"]["deletionTimestamp"] == when
    assert cluster.call("PATCH", path, {"metadata": {"finalizers": None}}, kind=MERGE).status == 200
    assert cluster.call("GET", path).status == 404


@behaviour("An object that is being deleted takes no new finalizer: 422", area="objects")
def test_no_late_finalizer(cluster: Cluster, namespace: str) -> None:
    """Its end cannot be put off any more."""
    path = cluster.path("configmaps", namespace, "one")
    cluster.create(cluster.path("configmaps", namespace), {"metadata": {"name": "one", "finalizers": [HOLD]}})
    cluster.call("DELETE", path)
    late = cluster.call("PATCH", path, {"metadata": {"finalizers": [HOLD, "example.com/late"]}}, kind=MERGE)
    assert (late.status, late.reason) == (422, "Invalid")
    assert late.json["details"]["causes"][0]["field"] == "metadata.finalizers"
    cluster.patch(path, {"metadata": {"finalizers": None}}, MERGE)


@behaviour("A deletionTimestamp cannot be set or taken off by an update", area="objects")
def test_the_deletion_time_is_the_servers(cluster: Cluster, namespace: str) -> None:
    """Only DELETE begins a deletion, and nothing ends one."""
    path = cluster.path("configmaps", namespace, "one")
    cluster.create(cluster.path("configmaps", namespace), {"metadata": {"name": "one", "finalizers": [HOLD]}})
    cluster.call("PATCH", path, {"metadata": {"deletionTimestamp": "2030-01-01T00:00:00Z"}}, kind=MERGE)
    assert "deletionTimestamp" not in cluster.read(path)["metadata"]
    cluster.call("DELETE", path)
    cluster.call("PATCH", path, {"metadata": {"deletionTimestamp": None}}, kind=MERGE)
    assert cluster.read(path)["metadata"]["deletionTimestamp"]
    cluster.patch(path, {"metadata": {"finalizers": None}}, MERGE)


@behaviour("DELETE of a ConfigMap answers with a Status that names its UID", area="objects")
def test_a_deletion_is_a_success(cluster: Cluster, namespace: str) -> None:
    """Kubectl waits for that UID to go; a second DELETE answers 404."""
    path = cluster.path("configmaps", namespace, "one")
    made = cluster.create(cluster.path("configmaps", namespace), {"metadata": {"name": "one"}})
    answer = cluster.call("DELETE", path)
    assert (answer.status, answer.json["kind"], answer.json["status"]) == (200, "Status", "Success")
    assert answer.json["details"] == {"name": "one", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    again = cluster.call("DELETE", path)
    assert (again.status, again.reason) == (404, "NotFound")
    assert again.json["message"] == 'configmaps "one" not found'


@behaviour("DELETE of a Service answers with the Service", area="objects", since="1.23")
def test_a_deleted_service_is_returned(cluster: Cluster, namespace: str) -> None:
    """Older versions answer with a Status."""
    cluster.create(cluster.path("services", namespace), service("one"))
    answer = cluster.call("DELETE", cluster.path("services", namespace, "one"))
    assert (answer.status, answer.json["kind"]) == (200, "Service")


@behaviour("DELETE of a pod answers with the pod, its spec cannot be changed but for the image", area="objects")
def test_a_pod_is_fixed(cluster: Cluster, namespace: str) -> None:
    """The Python client 37 takes nothing but a Pod for an answer."""
    cluster.until(cluster.path("serviceaccounts", namespace, "default"), bool)
    cluster.create(cluster.path("pods", namespace), pod("one", container(WAIT), automountServiceAccountToken=False))
    path = cluster.path("pods", namespace, "one")
    changed = cluster.call("PATCH", path, {"spec": {"restartPolicy": "Never"}}, kind=STRATEGIC)
    assert (changed.status, changed.reason) == (422, "Invalid")
    assert changed.json["details"]["causes"][0]["reason"] == "FieldValueForbidden"
    assert "pod updates may not change fields other than" in changed.json["message"]
    image = {"spec": {"containers": [{"name": "main", "image": "docker.io/gameday/storefront:dev"}]}}
    assert cluster.patch(path, image)["spec"]["containers"][0]["image"] == "docker.io/gameday/storefront:dev"
    deleted = cluster.call("DELETE", path, {"gracePeriodSeconds": 0})
    assert (deleted.status, deleted.json["kind"], deleted.json["metadata"]["name"]) == (200, "Pod", "one")


@pytest.mark.parametrize("precondition", [{"uid": "other"}, {"resourceVersion": "1"}])
@behaviour("DELETE with a precondition that does not hold answers 409", area="objects")
def test_preconditions(cluster: Cluster, namespace: str, precondition: dict[str, str]) -> None:
    """The object stays."""
    cluster.create(cluster.path("configmaps", namespace), {"metadata": {"name": "one"}})
    path = cluster.path("configmaps", namespace, "one")
    answer = cluster.call("DELETE", path, {"preconditions": precondition})
    assert (answer.status, answer.reason) == (409, "Conflict")
    assert "precondition" in answer.json["message"]
    assert cluster.call("GET", path).status == 200


@behaviour("DELETE with a propagation policy that does not exist answers 422", area="objects")
def test_a_wrong_propagation(cluster: Cluster, namespace: str) -> None:
    """The object stays."""
    cluster.create(cluster.path("configmaps", namespace), {"metadata": {"name": "one"}})
    path = cluster.path("configmaps", namespace, "one")
    answer = cluster.call("DELETE", path, {"propagationPolicy": "Sideways"})
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert answer.json["details"]["causes"][0]["field"] == "propagationPolicy"
    assert cluster.call("GET", path).status == 200


@behaviour("DELETE of a collection takes what its selector chooses", area="objects")
def test_a_collection_is_deleted(cluster: Cluster, namespace: str) -> None:
    """The rest stays."""
    path = cluster.path("configmaps", namespace)
    for name in ("one", "two", "three"):
        cluster.create(path, {"metadata": {"name": name, "labels": {"first": str(name == "one").lower()}}})
    assert cluster.call("DELETE", path, query={"labelSelector": "first=false"}).status == 200
    left = {one["metadata"]["name"] for one in cluster.read(path)["items"]}
    assert left & {"one", "two", "three"} == {"one"}
