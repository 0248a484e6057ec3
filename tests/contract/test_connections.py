"""Connections to Services: a client pod asks, and says in its log what it was told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.contract.behaviours import behaviour
from tests.contract.clusters import JSON_PATCH, PATIENCE_S
from tests.contract.endpoints import make, run, until_served
from tests.contract.manifests import container, pod, serve
from tests.contract.workloads import is_ready

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster

    Object = dict[str, Any]

PORT = 8080

CLIENT = """
import http.client, os, socket, time
def ask(host, port=8080):
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/"); return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException) as problem: return type(problem).__name__
    finally: connection.close()
def until(host, wanted, port=8080):
    end = time.monotonic() + 120  # kube-proxy tries again after 30 s what iptables-restore refused
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


def client(cluster: Cluster, namespace: str, program: str, *, timeout_s: float = PATIENCE_S) -> list[str]:
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
    """At once: an attempt that takes two seconds is a TimeoutError. When that begins is kube-proxy's affair."""
    ip = cluster.read(make(cluster, namespace, ports=web_ports()))["spec"]["clusterIP"]
    assert client(cluster, namespace, f'until("{ip}", "ConnectionRefusedError")') == ["ConnectionRefusedError"]


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
end = time.monotonic() + 120
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


RESOLVE = """
import socket
def resolve(name):
    try: return socket.gethostbyname(name)
    except socket.gaierror: return "unknown"
"""


@behaviour("A pod finds a Service by its name: NAME, NAME.NAMESPACE and NAME.NAMESPACE.svc", area="services",
           differs="there is no cluster DNS: use {NAME}_SERVICE_HOST and {NAME}_SERVICE_PORT")  # fmt: skip
def test_names(cluster: Cluster, namespace: str) -> None:
    """As the resolver of the pod's machine does."""
    ip = cluster.read(make(cluster, namespace, "by-name"))["spec"]["clusterIP"]
    names = ["by-name", f"by-name.{namespace}", f"by-name.{namespace}.svc"]
    program = f"{RESOLVE}\nfor name in {names}: print(resolve(name))\nprint(os.environ['BY_NAME_SERVICE_HOST'])"
    assert client(cluster, namespace, program) == [*(["unknown"] * 3 if cluster.embedded else [ip] * 3), ip]


UDP = """
import os, socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((os.environ["POD_IP"], 8080))
ready = socket.create_server((os.environ["POD_IP"], 9000))
while True:
    data, sender = server.recvfrom(100)
    server.sendto(data.upper(), sender)
"""
ASK_BY_UDP = """
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); asking.settimeout(0.5)
for _ in range({times}):
    try: asking.sendto(b"one", ("{ip}", 8080)); print(asking.recv(100).decode()); break
    except OSError: continue
else: print("no answer")
"""


@behaviour("A UDP port of a Service leads to its pods", area="services",
           differs="UDP is not served, which a Warning says of each such port: ask the pod's own address")  # fmt: skip
def test_udp(cluster: Cluster, namespace: str) -> None:
    """A pod that sends back what it gets."""
    ports = [{"name": "talk", "port": PORT, "targetPort": PORT, "protocol": "UDP"}]
    body = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": ports}}
    answer = cluster.call("POST", cluster.path("services", namespace), body)
    assert answer.status == 201
    ready = {"tcpSocket": {"port": 9000}, "periodSeconds": 1}
    run(cluster, namespace, "one", ["python3", "-c", UDP], readinessProbe=ready)
    until_served(cluster, namespace, "one")
    ip = answer.json["spec"]["clusterIP"]
    said = client(cluster, namespace, ASK_BY_UDP.format(ip=ip, times=4 if cluster.embedded else 40))
    if cluster.embedded:
        assert "UDP is not served by the embedded cluster" in answer.headers["warning"]
        assert said == ["no answer"]
        return
    assert said == ["ONE"]


@behaviour("A Service of type LoadBalancer has a cluster address and a node port too", area="services")
def test_load_balancers(cluster: Cluster, namespace: str) -> None:
    """Who provides the balancer is no part of Kubernetes; the embedded cluster has none, and warns."""
    body = {"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer", "ports": web_ports()}}
    answer = cluster.call("POST", cluster.path("services", namespace), body)
    assert answer.status == 201
    (port,) = answer.json["spec"]["ports"]
    assert 30000 <= port["nodePort"] <= 32767
    assert answer.json["spec"]["clusterIP"]
    assert answer.json["status"] == {"loadBalancer": {}}
    assert ("warning" in answer.headers) is cluster.embedded
