"""kubectl, unmodified: what it shows of what is there."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import yaml

from tests.contract.behaviours import behaviour
from tests.contract.clients.typed import PATIENTLY, await_event, lines, settings, text, web
from tests.contract.manifests import IMAGE, service

if TYPE_CHECKING:
    from tests.contract.clients.kubectls import Kubectl


@behaviour("kubectl get prints tables, wide ones, names, JSON, JSONPath and columns, chosen and sorted", area="kubectl")
def test_get(kubectl: Kubectl) -> None:
    """Short names and several resources at a time."""
    kubectl("create", "-f", "-", text=text(settings("b", x="1"), settings("a"), web(),
                                            {"apiVersion": "v1", "kind": "Service", **service("web")}))  # fmt: skip
    head, first, second = lines(kubectl("get", "cm", "-l", "kept=here"))
    assert head == ["NAME", "DATA", "AGE"]
    assert (first[:2], second[:2]) == (["a", "0"], ["b", "1"])
    assert lines(kubectl("get", "deploy", "web", "--no-headers"))[0][:4] == ["web", "0/0", "0", "0"]
    wide = lines(kubectl("get", "deploy", "web", "-o", "wide"))
    assert wide[0][-3:] == ["CONTAINERS", "IMAGES", "SELECTOR"]
    assert wide[1][-3:] == ["main", IMAGE, "app=web"]
    assert kubectl("get", "cm", "--field-selector", "metadata.name=a", "-o", "name") == "configmap/a\n"
    assert kubectl("get", "cm", "-l", "kept in (here)", "-o", "jsonpath={.items[*].metadata.name}") == "a b"
    columns = "custom-columns=N:.metadata.name,X:.data.x"
    by_age = ("--sort-by=.metadata.name", "-l", "kept")
    assert lines(kubectl("get", "cm", *by_age, "-o", columns)) == [["N", "X"], ["a", "<none>"], ["b", "1"]]
    assert yaml.safe_load(kubectl("get", "service/web", "-o", "yaml"))["spec"]["ports"][0]["targetPort"] == 8080
    everything = kubectl("get", "all")
    assert re.search(r"^service/web +ClusterIP ", everything, re.MULTILINE)
    assert re.search(r"^deployment.apps/web ", everything, re.MULTILINE)
    assert lines(kubectl("get", "cm", "a", "--show-labels"))[1][-1] == "kept=here"
    assert kubectl.run("get", "cm", "none").stderr == 'Error from server (NotFound): configmaps "none" not found\n'
    assert kubectl("get", "cm", "none", "--ignore-not-found") == ""
    assert kubectl.run("get", "pods").stderr.startswith("No resources found in ")
    assert "kept=here" in kubectl("get", "cm", "--show-labels")
    assert kubectl("get", "rs,cm", "--field-selector=metadata.name=a", "-o", "name") == "configmap/a\n"
    assert "the server doesn't have a resource type" in kubectl.run("get", "unheard").stderr


@behaviour("kubectl get --watch prints a row for each change", area="kubectl")
def test_get_watch(kubectl: Kubectl) -> None:
    """What is there, a change, a new one, a deletion: each is made when the row before it was read."""
    kubectl("create", "-f", "-", text=text(settings("a")))
    path = kubectl.cluster.path("configmaps", kubectl.namespace)
    watch = ("get", "cm", "-l", "kept", "--watch", "--output-watch-events", "--no-headers")
    with kubectl.start(*watch) as watching:
        assert watching.stdout

        def row() -> list[str]:
            assert watching.stdout
            return watching.stdout.readline().split()[:3]

        assert row() == ["ADDED", "a", "0"]
        kubectl.cluster.patch(f"{path}/a", {"data": {"k": "v"}})
        assert row() == ["MODIFIED", "a", "1"]
        kubectl.cluster.create(path, settings("b"))
        assert row() == ["ADDED", "b", "0"]
        kubectl.cluster.call("DELETE", f"{path}/a")
        assert row() == ["DELETED", "a", "1"]
        watching.terminate()


@behaviour("kubectl describes pods, Deployments, ReplicaSets, Services, nodes, namespaces and settings", area="kubectl")
def test_describe(kubectl: Kubectl) -> None:
    """With what belongs to each: events, endpoints, pods."""
    kubectl("create", "-f", "-", text=text(web(replicas=1), settings(a="1"),
                                            {"apiVersion": "v1", "kind": "Service", **service("web")}))  # fmt: skip
    kubectl("rollout", "status", "deployment/web", PATIENTLY)
    await_event(kubectl, "ScalingReplicaSet")
    endpoints = kubectl.cluster.path("endpoints", kubectl.namespace, "web")
    kubectl.cluster.until(endpoints, lambda one: any(subset.get("addresses") for subset in one.get("subsets", [])))
    shown = kubectl("describe", "deployment", "web")
    assert re.search(r"Replicas: +1 desired \| 1 updated \| 1 total \| 1 available \| 0 unavailable", shown)
    assert re.search(r"NewReplicaSet: +web-\S+ \(1/1 replicas created\)", shown)
    assert re.search(r"Progressing +True +NewReplicaSetAvailable", shown)
    assert "ScalingReplicaSet" in shown
    of_pod = kubectl("describe", "pods", "-l", "app=web")
    assert re.search(r"Status: +Running", of_pod)
    assert re.search(r"Controlled By: +ReplicaSet/web-", of_pod)
    assert re.search(rf"Image: +{IMAGE}", of_pod)
    assert re.search(r"Pods Status: +1 Running / 0 Waiting", kubectl("describe", "rs"))
    of_service = kubectl("describe", "service", "web")
    assert re.search(r"TargetPort: +8080/TCP", of_service)
    # Newer ones read discovery.k8s.io/v1, which an older cluster has not.
    old = kubectl.version > (1, 31) and kubectl.cluster.version < (1, 21)
    assert re.search(r"Endpoints: +" + (r"<none>$" if old else r"[0-9.]+:8080$"), of_service, re.MULTILINE)
    assert re.search(r"Status: +Active", kubectl("describe", "namespace", kubectl.namespace))
    assert re.search(r"^a:\n----\n1$", kubectl("describe", "cm", "one"), re.MULTILINE)
    node = kubectl("get", "pods", "-o", "jsonpath={.items[0].spec.nodeName}")
    of_node = kubectl("describe", "node", node)
    assert re.search(r"Ready +True ", of_node)
    assert re.search(rf"{kubectl.namespace} +web-", of_node)


@behaviour("kubectl api-resources, api-versions and events tell what is served and what happened", area="kubectl")
def test_discovery(kubectl: Kubectl) -> None:
    """Short names, groups, verbs."""
    rows = {row[0]: row for row in lines(kubectl("api-resources", "-o", "wide", "--no-headers"))}
    assert rows["deployments"][1:5] == ["deploy", "apps/v1", "true", "Deployment"]
    assert rows["nodes"][1:5] == ["no", "v1", "false", "Node"]
    assert "watch" in rows["pods"][5]
    namespaced = kubectl("api-resources", "--namespaced=false", "-o", "name").split()
    assert {"namespaces", "nodes"} <= set(namespaced)
    assert {"apps/v1", "v1", "coordination.k8s.io/v1"} <= set(kubectl("api-versions").split())
    kubectl("create", "-f", "-", text=text(web(replicas=1)))
    kubectl("rollout", "status", "deployment/web", PATIENTLY)
    await_event(kubectl, "ScalingReplicaSet")
    assert "ScalingReplicaSet" in kubectl("events", "--for=deployment/web")
    of_it = ("--field-selector=involvedObject.kind=Deployment", "--sort-by=.lastTimestamp")
    head, first, *_ = lines(kubectl("get", "events", *of_it))
    assert head == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert first[1:8] == ["Normal", "ScalingReplicaSet", "deployment/web", "Scaled", "up", "replica", "set"]


@behaviour("kubectl version tells the server's version, and warns when it is too far from its own", area="kubectl")
def test_version(kubectl: Kubectl) -> None:
    """More than one minor version either way."""
    told = json.loads(kubectl("version", "-o", "json"))
    own, server = (int(told[side]["minor"].rstrip("+")) for side in ("clientVersion", "serverVersion"))
    assert (1, server) == kubectl.cluster.version
    warned = "exceeds the supported minor version skew" in kubectl.run("version").stderr
    assert warned == (abs(own - server) > 1)


@behaviour("kubectl top is refused where no metrics are served", area="kubectl")
def test_top(kubectl: Kubectl) -> None:
    """Neither for nodes nor for pods."""
    for what in ("nodes", "pods"):
        done = kubectl.run("top", what)
        assert (done.code, done.stderr) == (1, "error: Metrics API not available\n")


@behaviour("kubectl explain tells a field's meaning", area="kubectl",
           differs="the schemas that are served are those that apply needs: no descriptions")  # fmt: skip
def test_explain(kubectl: Kubectl) -> None:
    """Of a Deployment's replicas."""
    done = kubectl.run("explain", "deployment.spec.replicas")
    if kubectl.cluster.embedded:
        said = "error: GVK map[group:apps kind:Deployment version:v1] not found in OpenAPI schema\n"
        assert (done.code, done.stderr) == (1, said)
        return
    assert done.code == 0
    assert "Number of desired pods" in done.stdout


@behaviour("kubectl auth can-i answers", area="kubectl",
           differs="there is no RBAC to ask: whoever has the token may do everything")  # fmt: skip
def test_can_i(kubectl: Kubectl) -> None:
    """The administrator may."""
    done = kubectl.run("auth", "can-i", "create", "deployments")
    if kubectl.cluster.embedded:
        assert done.code == 1
        assert done.stderr.startswith("Error from server (NotFound): selfsubjectaccessreviews of authorization.k8s.io")
        return
    assert (done.code, done.stdout) == (0, "yes\n")
