"""Services: their addresses, their endpoints, and where connections go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.contract.behaviours import behaviour
from tests.contract.clusters import JSON_PATCH
from tests.contract.manifests import WAIT, container, pod, serve, service
from tests.contract.workloads import is_ready

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster

    Object = dict[str, Any]

PORT = 8080


def make(cluster: Cluster, namespace: str, name: str = "web", **spec: Any) -> str:
    """A Service; returns its path."""
    cluster.create(cluster.path("services", namespace), service(name, **spec))
    return cluster.path("services", namespace, name)


def run(
    cluster: Cluster, namespace: str, name: str, command: list[str] = WAIT, *, app: str = "web", ready: bool = True,
    grace_s: int = 0, **fields: Any,
) -> str:  # fmt: skip
    """A pod that runs, and is ready or is not; returns its path."""
    made = pod(name, container(command, **fields), labels={"app": app}, terminationGracePeriodSeconds=grace_s)
    cluster.create(cluster.path("pods", namespace), made)
    path = cluster.path("pods", namespace, name)
    cluster.until(path, is_ready if ready else _runs)
    return path


def _runs(one: Object) -> bool:
    return one["status"]["phase"] == "Running" and "podIP" in one["status"]


def addresses(endpoints: Object, field: str = "addresses") -> set[str]:
    """The names of the pods that are (not) ready endpoints."""
    found = [one for subset in endpoints.get("subsets") or [] for one in subset.get(field) or []]
    return {one["targetRef"]["name"] for one in found}


def until_served(cluster: Cluster, namespace: str, *pods: str, name: str = "web") -> Object:
    """Wait until a Service's endpoints are these pods."""
    path = cluster.path("endpoints", namespace, name)
    return cluster.until(path, lambda one: one and addresses(one) == set(pods))


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
    """It does not hear SIGTERM and has a minute."""
    make(cluster, namespace)
    path = run(cluster, namespace, "one", ["sh", "-c", "trap '' TERM; sleep 600"], grace_s=60)
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
    make(cluster, namespace, "other")
    cluster.until(cluster.path("endpoints", namespace, "other"), bool)  # so the controller had its turn
    path = cluster.path("endpoints", namespace, "web")
    assert cluster.call("GET", path).status == 404
    subsets = [{"addresses": [{"ip": "10.11.12.13"}], "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]}]
    cluster.create(cluster.path("endpoints", namespace), {"metadata": {"name": "web"}, "subsets": subsets})
    cluster.patch(cluster.path("services", namespace, "web"), {"metadata": {"labels": {"touched": "yes"}}})
    assert cluster.read(path)["subsets"] == subsets


# --- connections: a client pod asks, and says in its log what it was told

CLIENT = """
import http.client, os, socket, time
def ask(host, port=8080):
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/"); return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException) as problem: return type(problem).__name__
    finally: connection.close()
def until(host, wanted, port=8080):
    end = time.monotonic() + 30
    while (got := ask(host, port)) != wanted and time.monotonic() < end: time.sleep(0.05)
    print(got, flush=True)
"""


def answers(body: str) -> list[str]:
    """A server whose pod is ready when it listens: see `probe`."""
    return serve(f"self.answer(200, {body!r})")


ECHO = """
import os, socket
server = socket.create_server((os.environ["POD_IP"], 8080))
while True:
    held, _ = server.accept()
    if os.fork(): held.close(); continue
    while data := held.recv(100): held.sendall(data.upper())
    os._exit(0)
"""
PROBE = {"tcpSocket": {"port": PORT}, "periodSeconds": 1}


def client(cluster: Cluster, namespace: str, program: str, *, timeout_s: float = 40) -> list[str]:
    """Run a program in a pod, wait for its end, and return its log's lines."""
    made = pod("client", container(["python3", "-c", CLIENT + program]), restartPolicy="Never")
    cluster.create(cluster.path("pods", namespace), made)
    path = cluster.path("pods", namespace, "client")
    cluster.until(path, lambda one: one["status"]["phase"] in ("Succeeded", "Failed"), timeout_s=timeout_s)
    return cluster.call("GET", f"{path}/log").data.decode().splitlines()


def web_ports() -> list[Object]:
    """Port 8080, which needs no privileges, to the same."""
    return [{"name": "http", "port": PORT, "targetPort": PORT}]


@behaviour("A Service leads to its ready pods by its address, all of them, and by {NAME}_SERVICE_HOST",
           area="services")  # fmt: skip
def test_connections_are_spread(cluster: Cluster, namespace: str) -> None:
    """Two pods; both answer before long."""
    ip = cluster.read(make(cluster, namespace, ports=web_ports()))["spec"]["clusterIP"]
    for name in ("one", "two"):
        run(cluster, namespace, name, answers(name), readinessProbe=PROBE)
    until_served(cluster, namespace, "one", "two")
    program = f"""
until("{ip}", "one"); until(os.environ["WEB_SERVICE_HOST"], "two", int(os.environ["WEB_SERVICE_PORT"]))
"""
    assert client(cluster, namespace, program) == ["one", "two"]


SAY = """
import json, os, time
print(json.dumps({k: v for k, v in os.environ.items() if k.startswith("THE_WEB_")}), flush=True)
time.sleep(600)
"""


@behaviour("Pods that start after a Service have its variables, those before have not", area="services")
def test_service_variables(cluster: Cluster, namespace: str) -> None:
    """Host and ports, also by name, and those that Docker's links had."""
    before = run(cluster, namespace, "before", ["python3", "-c", SAY])
    ports = [{"name": "http-api", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    ip = cluster.read(make(cluster, namespace, "the-web", ports=ports, selector={"app": "web"}))["spec"]["clusterIP"]
    until_served(cluster, namespace, "before", name="the-web")
    after = run(cluster, namespace, "after", ["python3", "-c", SAY])
    assert next(cluster.lines(f"{before}/log", {"follow": "true"})) == {}
    tcp, udp = "THE_WEB_PORT_80_TCP", "THE_WEB_PORT_53_UDP"
    assert next(cluster.lines(f"{after}/log", {"follow": "true"})) == {
        "THE_WEB_SERVICE_HOST": ip, "THE_WEB_SERVICE_PORT": "80", "THE_WEB_SERVICE_PORT_HTTP_API": "80",
        "THE_WEB_SERVICE_PORT_DNS": "53", "THE_WEB_PORT": f"tcp://{ip}:80",
        tcp: f"tcp://{ip}:80", f"{tcp}_PROTO": "tcp", f"{tcp}_PORT": "80", f"{tcp}_ADDR": ip,
        udp: f"udp://{ip}:53", f"{udp}_PROTO": "udp", f"{udp}_PORT": "53", f"{udp}_ADDR": ip,
    }  # fmt: skip


@behaviour("A node port leads from the node's address to the Service's pods", area="services")
def test_a_node_port_is_served(cluster: Cluster, namespace: str) -> None:
    """Asked by a pod, at the address of its host."""
    (port,) = cluster.read(make(cluster, namespace, type="NodePort", ports=web_ports()))["spec"]["ports"]
    host = cluster.read(run(cluster, namespace, "one", answers("one"), readinessProbe=PROBE))["status"]["hostIP"]
    until_served(cluster, namespace, "one")
    assert client(cluster, namespace, f'until("{host}", "one", {port["nodePort"]})') == ["one"]


@behaviour("A Service without a ready pod refuses connections", area="services")
def test_no_endpoints_refuse(cluster: Cluster, namespace: str) -> None:
    """At once, and not after a time."""
    ip = cluster.read(make(cluster, namespace, ports=web_ports()))["spec"]["clusterIP"]
    program = f'begun = time.monotonic(); until("{ip}", "ConnectionRefusedError"); print(time.monotonic() - begun < 20)'
    assert client(cluster, namespace, program) == ["ConnectionRefusedError", "True"]


@behaviour("A changed selector re-points a Service within seconds", area="services")
def test_a_selector_patch(cluster: Cluster, namespace: str) -> None:
    """From the shop to the pod that stands in for it; a JSON patch."""
    path = make(cluster, namespace, ports=web_ports())
    ip = cluster.read(path)["spec"]["clusterIP"]
    for name in ("web", "faulty"):
        run(cluster, namespace, name, answers(name), app=name, readinessProbe=PROBE)
    until_served(cluster, namespace, "web")
    cluster.patch(path, [{"op": "replace", "path": "/spec/selector/app", "value": "faulty"}], JSON_PATCH)
    until_served(cluster, namespace, "faulty")
    assert client(cluster, namespace, f'until("{ip}", "faulty")') == ["faulty"]


@behaviour("An established connection outlives the removal of its endpoint, new ones are refused", area="services")
def test_established_connections_go_on(cluster: Cluster, namespace: str) -> None:
    """The client holds one open, the selector is taken away, and both ends go on talking."""
    path = make(cluster, namespace, ports=web_ports())
    ip = cluster.read(path)["spec"]["clusterIP"]
    run(cluster, namespace, "echo", ["python3", "-c", ECHO], readinessProbe=PROBE)
    until_served(cluster, namespace, "echo")
    program = f"""
end = time.monotonic() + 20
while True:
    try: held = socket.create_connection(("{ip}", 8080), 2); break
    except OSError:
        if time.monotonic() > end: raise
        time.sleep(0.05)
held.sendall(b"one"); print(held.recv(3).decode(), flush=True)
said = socket.create_server((os.environ["POD_IP"], 9000))  # makes this pod ready: the test goes on
until("{ip}", "ConnectionRefusedError")
held.sendall(b"two"); print(held.recv(3).decode(), flush=True)
"""
    held = {"tcpSocket": {"port": 9000}, "periodSeconds": 1}
    main = container(["python3", "-c", CLIENT + program], readinessProbe=held)
    cluster.create(cluster.path("pods", namespace), pod("client", main, restartPolicy="Never"))
    at = cluster.path("pods", namespace, "client")
    cluster.until(at, is_ready)
    cluster.patch(path, {"spec": {"selector": {"app": "nobody"}}})
    cluster.until(at, lambda one: one["status"]["phase"] in ("Succeeded", "Failed"))
    said = cluster.call("GET", f"{at}/log").data.decode().splitlines()
    assert said == ["ONE", "ConnectionRefusedError", "TWO"]
