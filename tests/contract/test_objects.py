"""Objects: create, read, replace, delete, and what stands in the way."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.behaviours import behaviour
from tests.contract.clusters import MERGE, STRATEGIC
from tests.contract.manifests import WAIT, container, deployment, pod, service

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster

HOLD = "example.com/hold"
"""A finalizer that nothing but a test takes off."""


def idle(name: str = "web", **spec: Any) -> dict[str, Any]:
    """A Deployment without pods."""
    return deployment(name, container(WAIT), replicas=0, **spec)


@behaviour("A created object has a UID, a creation time and a version, and is read back the same", area="objects")
def test_what_is_created_is_read_back(cluster: Cluster, namespace: str) -> None:
    """The answer to the POST is what a GET answers, kind and apiVersion included."""
    path = cluster.path("configmaps", namespace)
    made = cluster.create(path, {"metadata": {"name": "one", "labels": {"a": "b"}}, "data": {"k": "v"}})
    assert (made["kind"], made["apiVersion"], made["data"]) == ("ConfigMap", "v1", {"k": "v"})
    assert made["metadata"]["namespace"] == namespace
    assert re.fullmatch(r"[-0-9a-f]{36}", made["metadata"]["uid"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["metadata"]["creationTimestamp"])
    assert made["metadata"]["resourceVersion"].isdecimal()
    assert cluster.read(f"{path}/one") == made


@behaviour("A second create of the same name answers 409 AlreadyExists", area="objects")
def test_a_second_create_conflicts(cluster: Cluster, namespace: str) -> None:
    """The same ConfigMap is posted twice."""
    path = cluster.path("configmaps", namespace)
    cluster.create(path, {"metadata": {"name": "one"}})
    answer = cluster.call("POST", path, {"metadata": {"name": "one"}})
    assert (answer.status, answer.reason) == (409, "AlreadyExists")
    assert answer.json["message"] == 'configmaps "one" already exists'
    assert answer.json["details"] == {"name": "one", "kind": "configmaps"}


@behaviour("generateName is completed with five characters, different ones each time", area="objects")
def test_a_name_is_generated(cluster: Cluster, namespace: str) -> None:
    """Events and the pods of tests are named so."""
    path = cluster.path("configmaps", namespace)
    names = [cluster.create(path, {"metadata": {"generateName": "one-"}})["metadata"]["name"] for _ in range(2)]
    assert all(re.fullmatch(r"one-[a-z0-9]{5}", name) for name in names)
    assert len(set(names)) == 2


@behaviour("A UID and a creation time that a client sends are not taken", area="objects")
def test_the_server_keeps_its_own_fields(cluster: Cluster, namespace: str) -> None:
    """So a saved object can be created anew."""
    old = {"uid": "00000000-0000-0000-0000-000000000000", "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 7}
    made = cluster.create(cluster.path("deployments", namespace), {**idle(), "metadata": {"name": "web", **old}})
    assert {key: made["metadata"][key] for key in old if made["metadata"][key] == old[key]} == {}


@behaviour("A create that carries a resourceVersion answers 500", area="objects",
           differs="400: the mistake is the client's")  # fmt: skip
def test_a_create_with_a_version(cluster: Cluster, namespace: str) -> None:
    """Nothing is made."""
    body = {"metadata": {"name": "one", "resourceVersion": "1"}}
    answer = cluster.call("POST", cluster.path("configmaps", namespace), body)
    assert (answer.status, answer.reason) == ((400, "BadRequest") if cluster.embedded else (500, ""))
    assert answer.json["message"] == "resourceVersion should not be set on objects to be created"
    assert cluster.call("GET", cluster.path("configmaps", namespace, "one")).status == 404


@behaviour("PUT with a resourceVersion that is no longer the object's answers 409 Conflict", area="objects")
def test_a_stale_replace_conflicts(cluster: Cluster, namespace: str) -> None:
    """Optimistic concurrency: who read too early must read again."""
    path = cluster.path("configmaps", namespace, "one")
    first = cluster.create(cluster.path("configmaps", namespace), {"metadata": {"name": "one"}})
    cluster.patch(path, {"data": {"k": "v"}}, MERGE)
    answer = cluster.call("PUT", path, {**first, "data": {"k": "mine"}})
    assert (answer.status, answer.reason) == (409, "Conflict")
    assert "the object has been modified; please apply your changes to the latest version" in answer.json["message"]
    assert answer.json["details"] == {"name": "one", "kind": "configmaps"}
    assert cluster.read(path)["data"] == {"k": "v"}


@behaviour("PUT without a resourceVersion overwrites, and what it leaves out is gone", area="objects")
def test_a_replace_overwrites(cluster: Cluster, namespace: str) -> None:
    """A ConfigMap's data and labels."""
    path = cluster.path("configmaps", namespace, "one")
    first = {"metadata": {"name": "one", "labels": {"a": "b"}}, "data": {"k": "v", "l": "w"}}
    made = cluster.create(cluster.path("configmaps", namespace), first)
    answer = cluster.call("PUT", path, {"metadata": {"name": "one"}, "data": {"k": "x"}})
    assert (answer.status, answer.json["data"]) == (200, {"k": "x"})
    assert "labels" not in answer.json["metadata"]
    assert answer.json["metadata"]["uid"] == made["metadata"]["uid"]
    assert answer.json["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]


@behaviour("PUT of an object that is not there answers 404", area="objects")
def test_a_replace_needs_the_object(cluster: Cluster, namespace: str) -> None:
    """A ConfigMap is not created by it."""
    answer = cluster.call("PUT", cluster.path("configmaps", namespace, "none"), {"metadata": {"name": "none"}})
    assert (answer.status, answer.reason) == (404, "NotFound")


@behaviour("PUT of an object with another UID answers 409", area="objects")
def test_a_replace_of_a_predecessor(cluster: Cluster, namespace: str) -> None:
    """The object was deleted and made again since it was read."""
    path = cluster.path("configmaps", namespace)
    first = cluster.create(path, {"metadata": {"name": "one"}})
    cluster.call("DELETE", f"{path}/one")
    cluster.create(path, {"metadata": {"name": "one"}})
    answer = cluster.call("PUT", f"{path}/one", {"metadata": {"name": "one", "uid": first["metadata"]["uid"]}})
    assert (answer.status, answer.reason) == (409, "Conflict")


@behaviour("An update that changes nothing leaves the resourceVersion as it is", area="objects")
def test_nothing_changed(cluster: Cluster, namespace: str) -> None:
    """By PUT and by every kind of patch: no watcher is woken."""
    made = cluster.create(cluster.path("services", namespace), service("one"))
    path = cluster.path("services", namespace, "one")
    replaced = cluster.call("PUT", path, made).json
    patched = cluster.patch(path, {"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}, STRATEGIC)
    merged = cluster.patch(path, {"metadata": {"labels": {"none": None}}}, MERGE)
    versions = {one["metadata"]["resourceVersion"] for one in (replaced, patched, merged)}
    assert versions == {made["metadata"]["resourceVersion"]}


@behaviour("The generation counts changes of the spec, not of labels or of the status", area="objects")
def test_generations(cluster: Cluster, namespace: str) -> None:
    """Who set replicas knows from observedGeneration that the controller has seen it."""
    made = cluster.create(cluster.path("deployments", namespace), idle(paused=True))
    path = cluster.path("deployments", namespace, "web")
    labelled = cluster.patch(path, {"metadata": {"labels": {"a": "b"}}})
    stated = cluster.patch(f"{path}/status", {"status": {"collisionCount": 1}})
    changed = cluster.patch(path, {"spec": {"minReadySeconds": 1}})
    assert [one["metadata"]["generation"] for one in (made, labelled, stated, changed)] == [1, 1, 1, 2]


@behaviour("The status is changed at /status alone, the spec anywhere but there", area="objects")
def test_status_and_spec_are_apart(cluster: Cluster, namespace: str) -> None:
    """Each place leaves the other part as it was, without an error."""
    cluster.create(cluster.path("services", namespace), service("one"))
    path = cluster.path("services", namespace, "one")
    told = {
        "type": "Told",
        "status": "True",
        "reason": "Test",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    both = {"spec": {"publishNotReadyAddresses": True}, "status": {"conditions": [told]}}
    at_status = cluster.patch(f"{path}/status", both)
    assert at_status["status"]["conditions"] == [told]
    assert "publishNotReadyAddresses" not in at_status["spec"]
    at_spec = cluster.patch(path, {**both, "status": {"conditions": []}}, MERGE)
    assert (at_spec["spec"]["publishNotReadyAddresses"], at_spec["status"]["conditions"]) == (True, [told])


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


@behaviour("dryRun=All answers as if, and stores nothing", area="objects")
def test_a_dry_run(cluster: Cluster, namespace: str) -> None:
    """Create, patch, replace and delete; an object that breaks a rule is refused all the same."""
    path, dry = cluster.path("deployments", namespace), {"dryRun": "All"}
    made = cluster.call("POST", path, idle(), query=dry)
    assert (made.status, made.json["spec"]["revisionHistoryLimit"]) == (201, 10)
    assert cluster.call("GET", f"{path}/web").status == 404
    assert cluster.call("POST", path, {**idle(), "spec": {}}, query=dry).status == 422
    cluster.create(path, idle())
    change = {"spec": {"minReadySeconds": 7}}
    patched = cluster.call("PATCH", f"{path}/web", change, kind=MERGE, query=dry)
    assert (patched.status, patched.json["spec"]["minReadySeconds"]) == (200, 7)
    assert cluster.call("DELETE", f"{path}/web", query=dry).status == 200
    left = cluster.read(f"{path}/web")
    assert left["spec"].get("minReadySeconds", 0) == 0
    assert "deletionTimestamp" not in left["metadata"]


@behaviour("Another dryRun than All is refused", area="objects")
def test_a_wrong_dry_run(cluster: Cluster, namespace: str) -> None:
    """Nothing is stored."""
    path = cluster.path("configmaps", namespace)
    answer = cluster.call("POST", path, {"metadata": {"name": "one"}}, query={"dryRun": "Some"})
    assert (answer.status, answer.json["details"]["causes"][0]["field"]) == (422, "dryRun")
    assert cluster.call("GET", f"{path}/one").status == 404


@behaviour("Fields that the kind does not have are not stored", area="objects")
def test_unknown_fields_are_dropped(cluster: Cluster, namespace: str) -> None:
    """A typing error in a field's name loses what it says."""
    made = cluster.create(cluster.path("configmaps", namespace), {"metadata": {"name": "one"}, "dota": {"k": "v"}})
    assert "dota" not in made


@behaviour("fieldValidation: Strict refuses unknown fields, Warn warns, Ignore is silent", area="objects", since="1.25")
def test_field_validation(cluster: Cluster, namespace: str) -> None:
    """Kubectl apply asks for Strict; who asks for nothing gets Warn."""
    path, body = cluster.path("configmaps", namespace), {"metadata": {"name": "one"}, "dota": {"k": "v"}}
    strict = cluster.call("POST", path, body, query={"fieldValidation": "Strict"})
    assert (strict.status, strict.reason) == (400, "BadRequest")
    assert 'strict decoding error: unknown field "dota"' in strict.json["message"]
    warned = cluster.call("POST", path, body, query={"dryRun": "All"})
    assert (warned.status, warned.headers["warning"]) == (201, '299 - "unknown field \\"dota\\""')
    ignored = cluster.call("POST", path, body, query={"fieldValidation": "Ignore"})
    assert (ignored.status, ignored.headers.get("warning")) == (201, None)


@pytest.mark.parametrize("kind", [None, "application/json", "application/json; charset=utf-8"])
@behaviour("A body without a Content-Type is read as JSON", area="objects")
def test_no_content_type(cluster: Cluster, namespace: str, kind: str | None) -> None:
    """The Python client 37 sends POST and DELETE so."""
    path = cluster.path("configmaps", namespace)
    assert cluster.call("POST", path, {"metadata": {"name": "one"}}, kind=kind).status == 201
    assert cluster.call("DELETE", f"{path}/one", {"propagationPolicy": "Background"}, kind=kind).status == 200


@behaviour("A body may be YAML when its Content-Type says so", area="objects")
def test_a_yaml_body(cluster: Cluster, namespace: str) -> None:
    """The answer is JSON."""
    path, body = cluster.path("configmaps", namespace), b"metadata:\n  name: one\ndata:\n  k: v\n"
    answer = cluster.call("POST", path, body, kind="application/yaml")
    assert (answer.status, answer.json["data"]) == (201, {"k": "v"})


@behaviour("A Deployment's selector never changes: 422 on spec.selector", area="objects")
def test_a_selector_is_immutable(cluster: Cluster, namespace: str) -> None:
    """Not even with a template that fits the new one."""
    cluster.create(cluster.path("deployments", namespace), idle())
    labels = {"app": "other"}
    change = {"spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}}
    answer = cluster.call("PATCH", cluster.path("deployments", namespace, "web"), change, kind=STRATEGIC)
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert answer.json["details"]["causes"][0]["field"] == "spec.selector"
    assert answer.json["details"]["causes"][0]["message"].endswith("field is immutable")


@pytest.mark.parametrize("resource", ["configmaps", "secrets"])
@behaviour("An immutable ConfigMap or Secret keeps its data, and stays immutable", area="objects")
def test_immutable_data(cluster: Cluster, namespace: str, resource: str) -> None:
    """Its labels can be changed."""
    path = cluster.path(resource, namespace)
    cluster.create(path, {"metadata": {"name": "one"}, "immutable": True, "data": {"k": "dg=="}})
    for change in ({"data": {"k": "dw=="}}, {"immutable": False}):
        answer = cluster.call("PATCH", f"{path}/one", change, kind=MERGE)
        assert (answer.status, answer.json["details"]["causes"][0]["reason"]) == (422, "FieldValueForbidden")
    assert cluster.patch(f"{path}/one", {"metadata": {"labels": {"a": "b"}}}, MERGE)["metadata"]["labels"] == {"a": "b"}


@behaviour("A Secret's type never changes", area="objects")
def test_a_secrets_type_is_immutable(cluster: Cluster, namespace: str) -> None:
    """It is Opaque unless the client says another."""
    made = cluster.create(cluster.path("secrets", namespace), {"metadata": {"name": "one"}})
    assert made["type"] == "Opaque"
    path = cluster.path("secrets", namespace, "one")
    answer = cluster.call("PATCH", path, {"type": "example.com/other"}, kind=MERGE)
    assert (answer.status, answer.json["details"]["causes"][0]["field"]) == (422, "type")


@behaviour("A Secret's stringData is stored as base64 in data, over what data says", area="objects")
def test_string_data(cluster: Cluster, namespace: str) -> None:
    """It is never shown."""
    body = {"metadata": {"name": "one"}, "data": {"a": "eA==", "b": "eQ=="}, "stringData": {"a": "z"}}
    made = cluster.create(cluster.path("secrets", namespace), body)
    assert made["data"] == {"a": "eg==", "b": "eQ=="}
    path = cluster.path("secrets", namespace, "one")
    patched = cluster.patch(path, {"stringData": {"b": "new"}}, MERGE)
    assert patched["data"] == {"a": "eg==", "b": "bmV3"}
    assert "stringData" not in {**made, **patched}


@behaviour("A Service keeps its cluster IP: another one is refused with 422", area="objects")
def test_a_service_keeps_its_address(cluster: Cluster, namespace: str) -> None:
    """The selector can change, which is how a fault proxy takes a Service over."""
    made = cluster.create(cluster.path("services", namespace), service("one"))
    path, address = cluster.path("services", namespace, "one"), made["spec"]["clusterIP"]
    other = cluster.call("PATCH", path, {"spec": {"clusterIP": address.rpartition(".")[0] + ".251"}}, kind=MERGE)
    assert (other.status, other.reason) == (422, "Invalid")
    assert other.json["details"]["causes"][0]["field"] == "spec.clusterIPs[0]"
    patched = cluster.patch(path, {"spec": {"selector": {"app": None, "proxy": "one"}}})
    assert (patched["spec"]["selector"], patched["spec"]["clusterIP"]) == ({"proxy": "one"}, address)
    patched["spec"]["ports"][0]["port"] = 81
    assert cluster.call("PUT", path, patched).json["spec"]["clusterIP"] == address


@behaviour("PUT of a Service without a cluster IP keeps the one it has", area="objects", since="1.23")
def test_a_service_is_replaced_without_its_address(cluster: Cluster, namespace: str) -> None:
    """1.20 asks for the resourceVersion and the address."""
    made = cluster.create(cluster.path("services", namespace), service("one"))
    answer = cluster.call("PUT", cluster.path("services", namespace, "one"), service("one"))
    assert (answer.status, answer.json["spec"]["clusterIP"]) == (200, made["spec"]["clusterIP"])


@behaviour("A Lease's renewTime has microseconds, and who read too early cannot take it", area="objects")
def test_a_lease_is_taken_once(cluster: Cluster, namespace: str) -> None:
    """Two holders want it; the second one's PUT is answered 409."""
    path = cluster.path("leases", namespace)
    spec = {"holderIdentity": "a", "leaseDurationSeconds": 5, "renewTime": "2026-01-01T00:00:00.000000Z"}
    free = cluster.create(path, {"metadata": {"name": "one"}, "spec": spec})
    assert free["spec"]["renewTime"] == "2026-01-01T00:00:00.000000Z"
    for holder, status in (("b", 200), ("c", 409)):
        taken = {**spec, "holderIdentity": holder, "renewTime": "2026-01-01T00:00:01.123456Z"}
        assert cluster.call("PUT", f"{path}/one", {**free, "spec": taken}).status == status
    assert cluster.read(f"{path}/one")["spec"]["holderIdentity"] == "b"
    assert cluster.read(f"{path}/one")["spec"]["renewTime"] == "2026-01-01T00:00:01.123456Z"


@behaviour("A new Deployment is given the defaults that clients read", area="objects")
def test_the_defaults_of_a_deployment(cluster: Cluster, namespace: str) -> None:
    """Replicas, strategy, deadlines, and those of its pods; the status is there and empty."""
    body = idle()
    del body["spec"]["replicas"], body["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    body["spec"]["paused"] = True
    probe = {"httpGet": {"port": 8080}}
    body["spec"]["template"]["spec"]["containers"][0] |= {"readinessProbe": probe, "ports": [{"containerPort": 8080}]}
    answer = cluster.call("POST", cluster.path("deployments", namespace), body, query={"dryRun": "All"})
    made, pods = answer.json["spec"], answer.json["spec"]["template"]["spec"]
    assert (made["replicas"], made["revisionHistoryLimit"], made["progressDeadlineSeconds"]) == (1, 10, 600)
    assert made["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    assert (pods["restartPolicy"], pods["terminationGracePeriodSeconds"]) == ("Always", 30)
    assert (pods["dnsPolicy"], pods["schedulerName"], pods["securityContext"]) == (
        "ClusterFirst",
        "default-scheduler",
        {},
    )
    one = pods["containers"][0]
    assert (one["resources"], one["terminationMessagePath"]) == ({}, "/dev/termination-log")
    assert one["ports"] == [{"containerPort": 8080, "protocol": "TCP"}]
    assert one["readinessProbe"] == {
        "httpGet": {"path": "/", "port": 8080, "scheme": "HTTP"},
        "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
    }  # fmt: skip
    assert answer.json["status"] == {}


@behaviour("A new Service is given an address, a protocol, a target port and no session affinity", area="objects")
def test_the_defaults_of_a_service(cluster: Cluster, namespace: str) -> None:
    """The target port is the port, unless the manifest says another."""
    body = service("one", ports=[{"port": 80}])
    made = cluster.create(cluster.path("services", namespace), body)["spec"]
    assert re.fullmatch(r"\d+\.\d+\.\d+\.\d+", made["clusterIP"])
    assert made["clusterIPs"] == [made["clusterIP"]]
    assert (made["type"], made["sessionAffinity"]) == ("ClusterIP", "None")
    assert made["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]


@behaviour("A Scale shows and sets the replicas; its selector is text", area="objects")
def test_a_scale(cluster: Cluster, namespace: str) -> None:
    """By GET, PUT and PATCH of deployments/scale."""
    cluster.create(cluster.path("deployments", namespace), idle(paused=True))
    path = cluster.path("deployments", namespace, "web")
    scale = cluster.read(f"{path}/scale")
    assert (scale["kind"], scale["apiVersion"], scale["spec"]) == ("Scale", "autoscaling/v1", {})
    assert scale["status"] == {"replicas": 0, "selector": "app=web"}
    scale["spec"]["replicas"] = 1
    del scale["metadata"]["resourceVersion"]  # the controller may have written the status since
    assert cluster.call("PUT", f"{path}/scale", scale).json["spec"] == {"replicas": 1}
    assert cluster.patch(f"{path}/scale", {"spec": {"replicas": 0}}, MERGE)["spec"] == {}
    assert cluster.read(path)["spec"]["replicas"] == 0
    wrong = cluster.call("PATCH", f"{path}/scale", {"spec": {"replicas": -1}}, kind=MERGE)
    assert (wrong.status, wrong.json["details"]["causes"][0]["field"]) == (422, "spec.replicas")
    assert cluster.call("PATCH", f"{path}/scale", {"spec": {"replicas": "x"}}, kind=MERGE).status == 422


@behaviour("A quantity may be written as a number; it is stored as text", area="objects")
def test_a_quantity_as_a_number(cluster: Cluster, namespace: str) -> None:
    """`cpu: 1` in YAML."""
    body = idle()
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {"cpu": 1}}
    made = cluster.create(cluster.path("deployments", namespace), body)
    assert made["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "1"}


@behaviour("An event of core/v1 is one of events.k8s.io/v1 too, with the names of that group", area="objects")
def test_events_have_two_faces(cluster: Cluster, namespace: str) -> None:
    """What a controller writes in one, clients read in either."""
    about = {"kind": "Pod", "name": "p", "namespace": namespace}
    event = {"metadata": {"name": "e"}, "involvedObject": about, "message": "hello", "count": 2, "reason": "Told"}
    cluster.create(f"/api/v1/namespaces/{namespace}/events", event)
    other = cluster.read(f"/apis/events.k8s.io/v1/namespaces/{namespace}/events/e")
    assert (other["apiVersion"], other["note"], other["regarding"]["name"]) == ("events.k8s.io/v1", "hello", "p")
    assert (other["deprecatedCount"], other["reason"]) == (2, "Told")


@behaviour("An object that is too large is refused", area="objects")
def test_too_large(cluster: Cluster, namespace: str) -> None:
    """A ConfigMap's data may have 1 MiB; a request 3 MiB."""
    path = cluster.path("configmaps", namespace)
    big = cluster.call("POST", path, {"metadata": {"name": "one"}, "data": {"k": "x" * (1024 * 1024 + 1)}})
    assert (big.status, big.json["details"]["causes"][0]["reason"]) == (422, "FieldValueTooLong")
    bigger = cluster.call("POST", path, json.dumps({"metadata": {"name": "x" * 3 * 1024 * 1024}}).encode())
    assert (bigger.status, bigger.reason) == (413, "RequestEntityTooLarge")
