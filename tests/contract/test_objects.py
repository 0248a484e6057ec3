"""Objects: create, read and replace, and what stands in the way."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.behaviours import behaviour
from tests.contract.clusters import MERGE, STRATEGIC
from tests.contract.manifests import WAIT, container, deployment, service

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster


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


@behaviour("An object that is too large is refused", area="objects")
def test_too_large(cluster: Cluster, namespace: str) -> None:
    """A ConfigMap's data may have 1 MiB; a request 3 MiB."""
    path = cluster.path("configmaps", namespace)
    big = cluster.call("POST", path, {"metadata": {"name": "one"}, "data": {"k": "x" * (1024 * 1024 + 1)}})
    assert (big.status, big.json["details"]["causes"][0]["reason"]) == (422, "FieldValueTooLong")
    bigger = cluster.call("POST", path, json.dumps({"metadata": {"name": "x" * 3 * 1024 * 1024}}).encode())
    assert (bigger.status, bigger.reason) == (413, "RequestEntityTooLarge")
