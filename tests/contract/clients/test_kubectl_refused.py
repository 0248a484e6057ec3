"""kubectl where the embedded cluster refuses: what it prints and how it exits; a real cluster does what it is asked.

What is printed is in `prints.py`.
"""

from __future__ import annotations

import json
import re
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.contract.behaviours import behaviour
from tests.contract.clients.prints import PRINTS
from tests.contract.manifests import WAIT, container, deployment, pod, serve
from tests.contract.running import ready, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.clients.kubectls import Kubectl
    from tests.contract.clusters import Cluster, Done

TICKS = "trap 'exit 0' TERM; while :; do echo tick; sleep 0.2; done"


def refused(kubectl: Kubectl, command: str, done: Done) -> None:
    """A command ended as the table has it."""
    printed = PRINTS[command]
    assert done.code == printed.code
    assert done.stderr.splitlines()[-1].endswith(printed.by(kubectl.version)), done.stderr


@behaviour("kubectl apply --server-side applies", area="refused", refused="kubectl says so")
def test_server_side_apply(kubectl: Kubectl) -> None:
    """A ConfigMap."""
    text = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}})
    done = kubectl.run("apply", "--server-side", "-f", "-", text=text)
    if kubectl.cluster.embedded:
        refused(kubectl, "apply --server-side", done)
        return
    assert (done.code, done.stdout) == (0, "configmap/one serverside-applied\n")


@behaviour("kubectl port-forward forwards a port of this machine to a pod", area="refused", refused="kubectl says so")
def test_port_forward(kubectl: Kubectl) -> None:
    """To whichever port is free."""
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    server = serve()
    if not kubectl.cluster.embedded:  # there the pod's own localhost is asked; here it would be the machine's
        server[-1] = server[-1].replace('os.environ["POD_IP"]', '""')
    run(kubectl.cluster, kubectl.namespace, pod("one", container(server, readinessProbe=probe)), ready)
    if kubectl.cluster.embedded:
        refused(kubectl, "port-forward", kubectl.run("port-forward", "pod/one", "0:8080"))
        return
    with kubectl.start("port-forward", "pod/one", "0:8080") as forwarding:
        assert forwarding.stdout
        told = re.match(r"Forwarding from (127\.0\.0\.1:\d+) -> 8080", forwarding.stdout.readline())
        assert told
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        assert direct.open(f"http://{told[1]}/", timeout=10).read() == b"hello"
        forwarding.terminate()


@behaviour("kubectl attach shows what a pod's program writes", area="refused", refused="kubectl says so")
def test_attach(kubectl: Kubectl) -> None:
    """From now on, and goes on."""
    run(kubectl.cluster, kubectl.namespace, pod("one", container(["sh", "-c", TICKS])), ready)
    if kubectl.cluster.embedded:
        refused(kubectl, "attach", kubectl.run("attach", "one"))
        return
    with kubectl.start("attach", "one") as attached:
        assert attached.stdout
        assert attached.stdout.readline() == "tick\n"
        attached.terminate()


@behaviour("kubectl debug adds a container to a pod", area="refused", refused="kubectl says so", since="1.23")
def test_debug(kubectl: Kubectl) -> None:
    """An ephemeral one."""
    run(kubectl.cluster, kubectl.namespace, pod("one", container(WAIT)), ready)
    done = kubectl.run("debug", "one", "--image=nowhere.example/none:1", "-c", "added", "--attach=false")
    if kubectl.cluster.embedded:
        refused(kubectl, "debug", done)
        return
    assert done.code == 0
    found = kubectl.cluster.read(kubectl.cluster.path("pods", kubectl.namespace, "one"))
    assert [one["name"] for one in found["spec"]["ephemeralContainers"]] == ["added"]


@pytest.fixture
def node(cluster: Cluster, namespace: str) -> Iterator[str]:
    """A node made by hand."""
    taint = {"key": "by-hand", "effect": "NoSchedule"}
    cluster.create("/api/v1/nodes", {"metadata": {"name": namespace}, "spec": {"taints": [taint]}})
    yield namespace
    cluster.call("DELETE", f"/api/v1/nodes/{namespace}")


@behaviour("kubectl cordon and drain take a node out of use", area="refused",
           refused="kubectl says so and exits 0; drain still evicts the node's pods")  # fmt: skip
def test_drain(kubectl: Kubectl, node: str) -> None:
    """One made by hand, with no pods."""
    for command in ("cordon", "drain"):
        done = kubectl.run(command, node)
        if kubectl.cluster.embedded:
            refused(kubectl, command, done)
            assert done.stdout == ("" if command == "cordon" else f"node/{node} drained\n")
        else:
            assert done.code == 0
            said = f"node/{node} cordoned\n" if command == "cordon" else f"node/{node} already cordoned\n"
            assert done.stdout == said + ("" if command == "cordon" else f"node/{node} drained\n")
    spec = kubectl.cluster.read(f"/api/v1/nodes/{node}")["spec"]
    assert spec.get("unschedulable", False) is not kubectl.cluster.embedded


@behaviour("kubectl autoscale makes an autoscaler", area="refused",
           refused="kubectl says so; newer than 1.33 it prints what it prints of any before 1.23")  # fmt: skip
def test_autoscale(kubectl: Kubectl) -> None:
    """Of a Deployment without pods."""
    kubectl.cluster.create(kubectl.cluster.path("deployments", kubectl.namespace),
                           deployment("web", container(WAIT), replicas=0))  # fmt: skip
    done = kubectl.run("autoscale", "deployment/web", "--max=2")
    if kubectl.cluster.embedded or (kubectl.version > (1, 33) and kubectl.cluster.version < (1, 23)):
        refused(kubectl, "autoscale", done)
        return
    assert (done.code, done.stdout) == (0, "horizontalpodautoscaler.autoscaling/web autoscaled\n")


@pytest.mark.parametrize(
    ("command", "more", "made"),
    [
        ("create token", ["default"], r"[\w-]+\.[\w-]+\.[\w-]+"),
        ("create ingress", ["one", "--rule=shop.example/*=web:80"], "ingress.networking.k8s.io/one created\n"),
        ("create job", ["one", "--image=nowhere.example/none:1"], "job.batch/one created\n"),
        ("create role", ["one", "--verb=get", "--resource=pods"], "role.rbac.authorization.k8s.io/one created\n"),
    ],
)
@behaviour("kubectl create makes tokens, Ingresses, Jobs and Roles", area="refused", refused="kubectl says so")
def test_create(kubectl: Kubectl, command: str, more: list[str], made: str) -> None:
    """Each from its arguments; a token is printed."""
    done = kubectl.run(*command.split(), *more)
    if kubectl.cluster.embedded:
        refused(kubectl, command, done)
        return
    assert (done.code, done.stderr) == (0, "")
    assert re.fullmatch(made, done.stdout)


@behaviour("kubectl get lists StatefulSets", area="refused", refused="kubectl knows no such resource")
def test_get(kubectl: Kubectl) -> None:
    """None are there."""
    done = kubectl.run("get", "statefulsets")
    if kubectl.cluster.embedded:
        refused(kubectl, "get statefulsets", done)
        return
    assert (done.code, done.stderr) == (0, f"No resources found in {kubectl.namespace} namespace.\n")


@behaviour("kubectl exec works over SPDY, as kubectl before 1.31 speaks it", area="refused",
           refused="exec speaks WebSocket alone: 400, which kubectl prints")  # fmt: skip
def test_exec_by_spdy(kubectl: Kubectl) -> None:
    """An environment variable makes newer ones speak it."""
    run(kubectl.cluster, kubectl.namespace, pod("one", container(WAIT)), ready)
    old = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"}
    done = kubectl.run("exec", "one", "--", "echo", "here", environment=old)
    if kubectl.cluster.embedded:
        assert (done.code, done.stdout) == (1, "")
        assert "exec is served over WebSocket only" in done.stderr
        assert "use kubectl 1.31 or later" in done.stderr
        return
    assert (done.code, done.stdout) == (0, "here\n")
