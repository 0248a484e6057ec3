"""Objects: fields that have defaults, that never change, or that are more than they seem."""

from __future__ import annotations

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
