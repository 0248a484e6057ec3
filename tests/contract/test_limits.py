"""How much is taken, and what else keeps one request from doing harm."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.behaviours import behaviour
from tests.contract.clusters import JSON, JSON_PATCH, MERGE, PATIENCE_S
from tests.contract.manifests import WAIT, container, deployment, pod, service
from tests.contract.refusing import causes, refused
from tests.contract.running import ended, kept, log, ready, run, shell, until_said

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.clusters import Cluster

    Object = dict[str, Any]

DEAF = ["sh", "-c", "trap '' TERM; sleep 600"]
"""Runs until its pod's grace is over."""


# --- names


@behaviour("A generateName that cannot begin a name answers 422, naming metadata.generateName", area="refusals")
def test_generate_name_is_checked(cluster: Cluster, namespace: str) -> None:
    """Also one that is a path; one that ends with a dash is good."""
    for given in ("/tmp/one-", "../one-", "One-", "one_"):  # of "-" alone a 1.20 server dies on the spot
        made = {**pod("one", container(WAIT)), "metadata": {"generateName": given}}
        answer = cluster.call("POST", cluster.path("pods", namespace), made)
        assert causes(answer)["metadata.generateName"] == "FieldValueInvalid"


@behaviour("A generateName is checked beside a name too", area="refusals")
def test_generate_name_beside_a_name(cluster: Cluster, namespace: str) -> None:
    """Although nothing is made of it."""
    made = {"metadata": {"name": "one", "generateName": "/tmp/one-"}}
    answer = cluster.call("POST", cluster.path("configmaps", namespace), made)
    assert causes(answer) == {"metadata.generateName": "FieldValueInvalid"}


@behaviour("A long generateName is cut, so that the name has 63 characters", area="objects")
def test_a_long_generate_name(cluster: Cluster, namespace: str) -> None:
    """58 of them are the client's."""
    made = cluster.create(cluster.path("configmaps", namespace), {"metadata": {"generateName": "a" * 70}})
    assert len(made["metadata"]["name"]) == 63
    assert made["metadata"]["name"].startswith("a" * 58)
    assert made["metadata"]["generateName"] == "a" * 70


# --- patches


@behaviour("A JSON patch whose copies add more than 3 MiB answers 422", area="patches")
def test_copies_are_limited(cluster: Cluster, namespace: str) -> None:
    """Each of these doubles the data."""
    config = cluster.path("configmaps", namespace, "one")
    cluster.create(config.rpartition("/")[0], {"metadata": {"name": "one"}, "data": {"a": "x" * 100_000}})
    copies = [{"op": "copy", "from": "/data", "path": f"/data/{n}"} for n in range(7)]
    answer = cluster.call("PATCH", config, copies, kind=JSON_PATCH)
    assert (answer.status, answer.json["kind"]) == (422, "Status")
    assert answer.json["message"].startswith("the server rejected our request due to an error in our request")


@behaviour("A JSON patch of more than 10,000 operations answers 413", area="patches")
def test_operations_are_limited(cluster: Cluster, namespace: str) -> None:
    """10,000 of them are good."""
    config = cluster.path("configmaps", namespace, "one")
    cluster.create(config.rpartition("/")[0], {"metadata": {"name": "one"}, "data": {"a": "x"}})
    test = [{"op": "test", "path": "/data/a", "value": "x"}]
    cluster.patch(config, test * 10_000, JSON_PATCH)
    refused(cluster.call("PATCH", config, test * 10_001, kind=JSON_PATCH), 413, "RequestEntityTooLarge")


# --- sizes


@behaviour("Annotations of more than 256 KiB in all answer 422, naming metadata.annotations", area="refusals")
def test_annotations_are_limited(cluster: Cluster, namespace: str) -> None:
    """`kubectl apply` keeps the whole object in one: this is what its users meet."""
    path = cluster.path("configmaps", namespace)
    long = {"a": "x" * 131_070, "b": "x" * 131_072}
    cluster.create(path, {"metadata": {"name": "one", "annotations": long}})
    answer = cluster.call("PATCH", f"{path}/one", {"metadata": {"annotations": {"c": ""}}}, kind=MERGE)
    assert causes(answer) == {"metadata.annotations": "FieldValueTooLong"}


@behaviour(
    "An object of more than 1.5 MiB is not stored, and neither is one that a patch makes so long", area="refusals"
)
def test_objects_are_limited(cluster: Cluster, namespace: str) -> None:
    """Two requests of a megabyte each."""
    path = cluster.path("deployments", namespace)
    cluster.create(path, deployment("web", container(WAIT, args=["x" * 10**6]), replicas=0))
    more = [{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "x" * 10**6}]
    answer = cluster.call("PATCH", f"{path}/web", more, kind=JSON_PATCH)
    assert answer.status in (413, 500)
    assert (answer.json["kind"], "too large" in answer.json["message"]) == ("Status", True)
    assert len(cluster.read(f"{path}/web")["spec"]["template"]["spec"]["containers"][0]["args"]) == 1


# --- fields


@behaviour("An activeDeadlineSeconds below 1 answers 422", area="refusals")
def test_deadlines_are_checked(cluster: Cluster, namespace: str) -> None:
    """A pod cannot be over before it begins."""
    for number in (0, -1):
        made = pod("one", container(WAIT), activeDeadlineSeconds=number)
        answer = cluster.call("POST", cluster.path("pods", namespace), made)
        assert causes(answer) == {"spec.activeDeadlineSeconds": "FieldValueInvalid"}


@behaviour("A finalizer that is no qualified name answers 422", area="refusals")
def test_finalizers_are_checked(cluster: Cluster, namespace: str) -> None:
    """Nobody could ever be asked to take it off."""
    for name in ("hold", "a b/c", "example.com/", "/tmp/one"):
        made = {"metadata": {"name": "one", "finalizers": [name]}}
        answer = cluster.call("POST", cluster.path("configmaps", namespace), made)
        assert {field.partition("[")[0] for field in causes(answer)} == {"metadata.finalizers"}


@behaviour("A ReplicaSet is scaled down although a pod's Ready condition does not say since when", area="replicasets")
def test_conditions_without_a_time(cluster: Cluster, namespace: str) -> None:
    """A client wrote it; the pods are on no node."""
    path = cluster.path("replicasets", namespace)
    cluster.create(path, deployment("web", container(WAIT), replicas=2, pod_nodeSelector={"no": "where"}))
    cluster.until(f"{path}/web", lambda one: one["status"]["replicas"] == 2)
    first, *_ = cluster.read(cluster.path("pods", namespace))["items"]
    status = f"{cluster.path('pods', namespace, first['metadata']['name'])}/status"
    cluster.patch(status, {"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    cluster.until(f"{path}/web", lambda one: one["status"].get("readyReplicas") == 1)
    cluster.patch(f"{path}/web", {"spec": {"replicas": 1}}, MERGE)
    cluster.until(f"{path}/web", lambda one: one["status"]["replicas"] == 1)


# --- bytes and forms


@pytest.mark.parametrize("text", ["a: !!bool foo", "a: !!int ''", "a: !!timestamp foo"])
@behaviour("YAML with a tag that its value does not fit answers 400", area="refusals")
def test_tags_of_yaml(cluster: Cluster, namespace: str, text: str) -> None:
    """It does not parse."""
    answer = cluster.call("POST", cluster.path("configmaps", namespace), text.encode(), kind="application/yaml")
    refused(answer, 400, "BadRequest")


@behaviour("A Content-Type with bytes that are no text answers 415", area="refusals")
def test_a_content_type_of_bytes(cluster: Cluster, namespace: str) -> None:
    """With a Status, as all refusals."""
    made = {"metadata": {"name": "one"}}
    answer = cluster.call("POST", cluster.path("configmaps", namespace), made, kind="application/\xff")
    refused(answer, 415, "UnsupportedMediaType")


@behaviour("Who accepts nothing but objects in an unknown form gets 406, and nothing is done", area="refusals")
def test_unknown_forms(cluster: Cluster, namespace: str) -> None:
    """With another form that is known, that is the answer's."""
    path, unknown = cluster.path("configmaps", namespace), f"{JSON};as=Foo;g=meta.k8s.io;v=v1"
    for method, body in (("GET", None), ("POST", {"metadata": {"name": "one"}})):
        answer = cluster.call(method, path, body, headers={"Accept": unknown})
        refused(answer, 406, "NotAcceptable")
    assert cluster.call("GET", f"{path}/one").status == 404
    assert cluster.call("GET", path, headers={"Accept": f"{unknown},{JSON}"}).json["kind"] == "ConfigMapList"


@behaviour("A log that is followed ends when it has as many bytes as it may have", area="logs")
def test_followed_logs_end_at_their_limit(cluster: Cluster, namespace: str) -> None:
    """The container goes on."""
    cluster.create(cluster.path("pods", namespace), pod("one", shell("echo twelve bytes; sleep 600")))
    until_said(cluster, cluster.path("pods", namespace, "one"), "bytes")
    assert log(cluster, namespace, "one", follow="true", limitBytes=6) == "twelve"


# --- the end of pods


def end_of(one: Object) -> datetime:
    """When a pod is to be gone."""
    return datetime.fromisoformat(one["metadata"]["deletionTimestamp"])


@behaviour(
    "The deletionTimestamp of a pod is when its grace is over; a second deletion can only be sooner", area="pods"
)
def test_when_a_pod_is_to_be_gone(cluster: Cluster, namespace: str) -> None:
    """Counted from the first one on."""
    made = pod("one", container(DEAF, readinessProbe={"exec": {"command": ["true"]}}), terminationGracePeriodSeconds=60)
    run(cluster, namespace, made, ready)
    path = cluster.path("pods", namespace, "one")
    answer = cluster.call("DELETE", path)
    first, said = answer.json, parsedate_to_datetime(answer.headers["date"])
    assert abs(end_of(first) - said - timedelta(seconds=60)) <= timedelta(seconds=2)
    for query in ({}, {"gracePeriodSeconds": "90"}):
        assert end_of(cluster.call("DELETE", path, query=query).json) == end_of(first)
    sooner = cluster.call("DELETE", path, query={"gracePeriodSeconds": "20"}).json
    assert end_of(first) - end_of(sooner) == timedelta(seconds=40)
    assert sooner["metadata"]["deletionGracePeriodSeconds"] == 20


@behaviour("A pod that succeeded or failed has no grace when it is deleted", area="pods")
def test_a_finished_pod_has_no_grace(cluster: Cluster, namespace: str) -> None:
    """Although it was given ten minutes; a finalizer keeps it, to be looked at."""
    made = pod("one", shell("exit 1"), terminationGracePeriodSeconds=600, restartPolicy="Never")
    with kept(cluster, namespace, made) as path:
        cluster.until(path, ended)
        for query in ({}, {"gracePeriodSeconds": "30"}):
            assert cluster.call("DELETE", path, query=query).json["metadata"]["deletionGracePeriodSeconds"] == 0
    cluster.until_gone(path)


# --- slices


def until_slices(cluster: Cluster, namespace: str, holds: Callable[[list[Object]], Any]) -> None:
    """Watch the slices of the Service `web` until the predicate holds of them."""
    path, chosen = cluster.path("endpointslices", namespace), {"labelSelector": "kubernetes.io/service-name=web"}
    slices: dict[str, Object] = {}
    for event in cluster.lines(path, {**chosen, "watch": "true", "timeoutSeconds": int(PATIENCE_S)}):
        one = event["object"]
        slices[one["metadata"]["name"]] = {} if event["type"] == "DELETED" else one
        if holds(found := [one for one in slices.values() if one]):
            return
    raise AssertionError(f"slices: {found}")


@behaviour(
    "An EndpointSlice keeps a pod that is ending: serving, terminating, not ready", area="services", since="1.22"
)
def test_slices_keep_ending_pods(cluster: Cluster, namespace: str) -> None:
    """Until it is gone; the Endpoints drop it at once."""
    cluster.create(cluster.path("services", namespace), service("web"))
    made = pod("one", container(DEAF), labels={"app": "web"}, terminationGracePeriodSeconds=600)
    run(cluster, namespace, made, ready)
    path = cluster.path("pods", namespace, "one")

    def conditions(slices: list[Object]) -> list[Object]:
        return [endpoint["conditions"] for one in slices for endpoint in one["endpoints"] or []]

    serving = {"ready": True, "serving": True, "terminating": False}
    until_slices(cluster, namespace, lambda slices: conditions(slices) == [serving])
    cluster.call("DELETE", path)
    ending = {"ready": False, "serving": True, "terminating": True}
    until_slices(cluster, namespace, lambda slices: conditions(slices) == [ending])
    cluster.call("DELETE", path, query={"gracePeriodSeconds": "0"})
    until_slices(cluster, namespace, lambda slices: not conditions(slices))


@behaviour("EndpointSlices have the port of each pod where a name means several", area="services")
def test_slices_of_several_ports(cluster: Cluster, namespace: str) -> None:
    """And the slice of a port goes with its last pod."""
    ports = [{"name": "web", "port": 80, "targetPort": "http"}]
    cluster.create(cluster.path("services", namespace), service("web", ports=ports))
    for name, number in (("one", 8081), ("two", 8082)):
        main = container(WAIT, ports=[{"name": "http", "containerPort": number}])
        run(cluster, namespace, pod(name, main, labels={"app": "web"}), ready)

    def seen(slices: list[Object]) -> set[tuple[int, str]]:
        return {(port["port"], endpoint["targetRef"]["name"]) for one in slices for port in one["ports"] or []
                for endpoint in one["endpoints"] or []}  # fmt: skip

    until_slices(cluster, namespace, lambda slices: seen(slices) == {(8081, "one"), (8082, "two")})
    cluster.call("DELETE", cluster.path("pods", namespace, "one"), query={"gracePeriodSeconds": "0"})
    until_slices(cluster, namespace, lambda slices: seen(slices) == {(8082, "two")})
