"""Services: their addresses, their endpoints, and where connections go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.contract.behaviours import behaviour
from tests.contract.endpoints import addresses, make, run, until_served
from tests.contract.manifests import service

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster

    Object = dict[str, Any]


# --- the Service itself


@behaviour("A cluster address that a Service has cannot be asked for by another", area="services")
def test_an_address_is_given_once(cluster: Cluster, namespace: str) -> None:
    """422, and the message says why."""
    ip = cluster.read(make(cluster, namespace))["spec"]["clusterIP"]
    answer = cluster.call("POST", cluster.path("services", namespace), service("two", clusterIP=ip))
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert "provided IP is already allocated" in answer.json["message"]


@behaviour("A Service of type NodePort is given a port between 30000 and 32767", area="services")
def test_node_ports(cluster: Cluster, namespace: str) -> None:
    """It keeps it; a port outside of the range is refused, and one that is taken."""
    path = make(cluster, namespace, type="NodePort")
    (port,) = cluster.read(path)["spec"]["ports"]
    assert 30000 <= port["nodePort"] <= 32767
    patched = cluster.patch(path, {"spec": {"selector": {"app": "other"}}})
    assert patched["spec"]["ports"] == [port]
    for taken, why in ((port["nodePort"], "provided port is already allocated"), (80, "The range of valid ports is")):
        ports = [{"name": "http", "port": 80, "nodePort": taken}]
        answer = cluster.call("POST", cluster.path("services", namespace), service("two", type="NodePort", ports=ports))
        assert (answer.status, answer.reason) == (422, "Invalid")
        assert why in answer.json["message"]


@behaviour("A Service of type ExternalName has neither a cluster address nor endpoints", area="services")
def test_external_names(cluster: Cluster, namespace: str) -> None:
    """Its name is kept; without one it is refused."""
    body = {"metadata": {"name": "web"}, "spec": {"type": "ExternalName", "externalName": "shop.example.com"}}
    spec = cluster.create(cluster.path("services", namespace), body)["spec"]
    assert "clusterIP" not in spec
    assert spec["externalName"] == "shop.example.com"
    assert cluster.call("GET", cluster.path("endpoints", namespace, "web")).status == 404
    body = {"metadata": {"name": "two"}, "spec": {"type": "ExternalName"}}
    answer = cluster.call("POST", cluster.path("services", namespace), body)
    assert (answer.status, answer.reason) == (422, "Invalid")


@behaviour("Two ports of a Service cannot have one number, unless their protocols differ", area="services")
def test_one_port_twice(cluster: Cluster, namespace: str) -> None:
    """422 Duplicate value; TCP and UDP are two."""
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 80, "targetPort": 81}]
    answer = cluster.call("POST", cluster.path("services", namespace), service("web", ports=ports))
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert [(c["field"], c["reason"]) for c in answer.json["details"]["causes"]] == [
        ("spec.ports[1]", "FieldValueDuplicate")
    ]
    ports[1]["protocol"] = "UDP"
    make(cluster, namespace, ports=ports)


# --- endpoints


@behaviour("Endpoints carry the Service's name and labels, and go with it", area="services")
def test_endpoints_of_a_service(cluster: Cluster, namespace: str) -> None:
    """Even without a pod; no owner is named."""
    body = service("web")
    body["metadata"]["labels"] = {"tier": "front"}
    cluster.create(cluster.path("services", namespace), body)
    path = cluster.path("endpoints", namespace, "web")
    found = cluster.until(path, bool)
    assert not found.get("subsets")
    assert found["metadata"]["labels"] == {"tier": "front"}
    assert "ownerReferences" not in found["metadata"]
    assert cluster.call("DELETE", cluster.path("services", namespace, "web")).status == 200
    cluster.until_gone(path)


@behaviour("A pod's readiness moves it between addresses and notReadyAddresses", area="services")
def test_readiness_gates_endpoints(cluster: Cluster, namespace: str) -> None:
    """One ready pod, one that never is; publishNotReadyAddresses makes no difference between them."""
    make(cluster, namespace)
    make(cluster, namespace, "all", publishNotReadyAddresses=True, selector={"app": "web"})
    never = {"exec": {"command": ["false"]}}
    run(cluster, namespace, "unready", ready=False, readinessProbe=never)
    ready = cluster.read(run(cluster, namespace, "ready"))
    found = until_served(cluster, namespace, "ready")
    found = cluster.until(cluster.path("endpoints", namespace, "web"),
                          lambda one: addresses(one, "notReadyAddresses") == {"unready"})  # fmt: skip
    (subset,) = found["subsets"]
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    (address,) = subset["addresses"]
    assert (address["ip"], address["nodeName"]) == (ready["status"]["podIP"], ready["spec"]["nodeName"])
    target = {"kind": "Pod", "namespace": namespace, "name": "ready", "uid": ready["metadata"]["uid"]}
    assert target.items() <= address["targetRef"].items()
    until_served(cluster, namespace, "ready", "unready", name="all")


@behaviour("A pod that is ending is no endpoint any more, though it still runs", area="services")
def test_ending_pods_leave(cluster: Cluster, namespace: str) -> None:
    """It does not hear SIGTERM and has ten minutes."""
    make(cluster, namespace)
    path = run(cluster, namespace, "one", ["sh", "-c", "trap '' TERM; sleep 600"], grace_s=600)
    until_served(cluster, namespace, "one")
    cluster.call("DELETE", path)
    found = until_served(cluster, namespace)
    assert not addresses(found, "notReadyAddresses")
    assert "deletionTimestamp" in cluster.read(path)["metadata"]


@behaviour("A target port by name is looked up in each pod", area="services")
def test_named_target_ports(cluster: Cluster, namespace: str) -> None:
    """Two pods give one name to two numbers; a pod without it is left out of that port."""
    ports = [{"name": "web", "port": 80, "targetPort": "http"}, {"name": "admin", "port": 81, "targetPort": 9000}]
    make(cluster, namespace, ports=ports)
    for name, number in (("one", 8081), ("two", 8082)):
        run(cluster, namespace, name, ports=[{"name": "http", "containerPort": number}])
    run(cluster, namespace, "none")
    found = until_served(cluster, namespace, "one", "two", "none")
    seen = {
        (port["name"], port["port"], address["targetRef"]["name"])
        for subset in found["subsets"]
        for port in subset["ports"]
        for address in subset["addresses"]
    }
    assert seen == {
        ("web", 8081, "one"), ("web", 8082, "two"), ("admin", 9000, "one"), ("admin", 9000, "two"),
        ("admin", 9000, "none"),
    }  # fmt: skip


@behaviour("A headless Service has endpoints and no address", area="services")
def test_headless_services(cluster: Cluster, namespace: str) -> None:
    """The clusterIP None stays; it needs no ports."""
    spec = cluster.read(make(cluster, namespace, clusterIP="None"))["spec"]
    assert (spec["clusterIP"], spec["clusterIPs"]) == ("None", ["None"])
    make(cluster, namespace, "portless", clusterIP="None", ports=[], selector={"app": "web"})
    run(cluster, namespace, "one")
    found = until_served(cluster, namespace, "one")
    assert found["metadata"]["labels"] == {"service.kubernetes.io/headless": ""}
    until_served(cluster, namespace, "one", name="portless")


@behaviour("EndpointSlices hold what the Endpoints hold, labelled with their Service, which owns them", area="services")
def test_endpoint_slices(cluster: Cluster, namespace: str) -> None:
    """Address, port, target and readiness of a pod."""
    made = make(cluster, namespace)
    path = run(cluster, namespace, "one")
    until_served(cluster, namespace, "one")
    slices = cluster.path("endpointslices", namespace)
    chosen = {"labelSelector": "kubernetes.io/service-name=web"}
    (found,) = cluster.call("GET", slices, query=chosen).json["items"]
    name = found["metadata"]["name"]
    assert name.startswith("web-")
    found = cluster.until(f"{slices}/{name}", lambda one: any(e["conditions"]["ready"] for e in one["endpoints"]))
    service_uid, target = cluster.read(made)["metadata"]["uid"], cluster.read(path)
    (owner,) = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("Service", service_uid, True)
    assert found["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    assert found["addressType"] == "IPv4"
    assert found["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    (endpoint,) = found["endpoints"]
    assert endpoint["addresses"] == [target["status"]["podIP"]]
    assert endpoint["conditions"]["ready"] is True
    assert endpoint["targetRef"]["uid"] == target["metadata"]["uid"]


@behaviour("A Service without a selector leaves its Endpoints to whoever writes them", area="services")
def test_services_without_a_selector(cluster: Cluster, namespace: str) -> None:
    """None are made, and those that are written stay as they are."""
    body = service("web")
    del body["spec"]["selector"]
    cluster.create(cluster.path("services", namespace), body)
    path = cluster.path("endpoints", namespace, "web")
    _until_its_turn(cluster, namespace, "first")
    assert cluster.call("GET", path).status == 404
    subsets = [{"addresses": [{"ip": "10.11.12.13"}], "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]}]
    cluster.create(cluster.path("endpoints", namespace), {"metadata": {"name": "web"}, "subsets": subsets})
    cluster.patch(cluster.path("services", namespace, "web"), {"metadata": {"labels": {"touched": "yes"}}})
    _until_its_turn(cluster, namespace, "second")
    assert cluster.read(path)["subsets"] == subsets


def _until_its_turn(cluster: Cluster, namespace: str, name: str) -> None:
    """Wait until the controller of endpoints has dealt with a Service that was made just now."""
    make(cluster, namespace, name)
    cluster.until(cluster.path("endpoints", namespace, name), bool)
