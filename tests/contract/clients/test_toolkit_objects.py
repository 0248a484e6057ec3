"""chaostoolkit-kubernetes on everything that is not a pod or makes pods, unmodified."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.contract.behaviours import behaviour
from tests.contract.clients.activities import shows
from tests.contract.clusters import PATIENCE_S
from tests.contract.manifests import WAIT, container, deployment, service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.contract.clients.activities import Toolkit
    from tests.contract.clusters import Cluster


def _file(folder: Path, body: dict[str, Any], form: str = "yaml") -> str:
    path = folder / f"{body['metadata']['name']}.{form}"
    path.write_text(json.dumps(body) if form == "json" else yaml.safe_dump(body))
    return str(path)


@behaviour("chaosk8s creates and finds a Service", area="clients")
@shows(
    "service.actions.create_service_endpoint",
    "service.probes.service_is_initialized",
    "probes.service_endpoint_is_initialized",
)
def test_service(cluster: Cluster, namespace: str, toolkit: Toolkit, tmp_path: Path) -> None:
    """By name, by label and by both."""
    body = service("web")
    body["metadata"]["labels"] = {"tier": "web"}
    toolkit("service.actions.create_service_endpoint", spec_path=_file(tmp_path, body))
    assert cluster.read(cluster.path("services", namespace, "web"))["metadata"]["labels"] == {"tier": "web"}
    assert toolkit("service.probes.service_is_initialized", name="web") is True
    assert toolkit("service.probes.service_is_initialized", label_selector="tier=web") is True
    assert toolkit("service.probes.service_is_initialized", name="web", label_selector="tier=web") is True
    assert toolkit("probes.service_endpoint_is_initialized", name="web", label_selector="tier=web") is True
    assert "not initialized" in toolkit.fails("service.probes.service_is_initialized", name="db")


@behaviour("chaosk8s deletes a Service; its client reads the Service that the deletion returns",
           area="clients", since="1.23")  # fmt: skip
@shows("service.actions.delete_service", "actions.remove_service_endpoint")
def test_service_deletion(cluster: Cluster, namespace: str, toolkit: Toolkit) -> None:
    """An older Kubernetes returns a Status, on which version 37 of the client fails."""
    path = cluster.path("services", namespace)
    for name, activity in (("a", "service.actions.delete_service"), ("b", "actions.remove_service_endpoint")):
        cluster.create(path, service(name))
        toolkit(activity, name=name)
        assert cluster.call("GET", f"{path}/{name}").status == 404


@behaviour("chaosk8s creates, finds and deletes a Secret", area="clients")
@shows(
    "secret.actions.create_secret",
    "secret.actions.delete_secret",
    "secret.probes.secret_exists",
    "probes.secret_exists",
)
def test_secret(cluster: Cluster, namespace: str, toolkit: Toolkit, tmp_path: Path) -> None:
    """Plain text is encoded."""
    body = {"metadata": {"name": "word", "labels": {"kept": "yes"}}, "stringData": {"word": "open"}}
    toolkit("secret.actions.create_secret", spec_path=_file(tmp_path, body))
    assert cluster.read(cluster.path("secrets", namespace, "word"))["data"] == {"word": "b3Blbg=="}
    assert toolkit("secret.probes.secret_exists", name="word", label_selector="kept=yes") is True
    toolkit("secret.actions.delete_secret", name="word")
    assert toolkit("secret.probes.secret_exists", name="word") is False
    assert toolkit("probes.secret_exists", label_selector="kept=yes") is False


@behaviour("chaosk8s creates, finds and deletes a namespace", area="clients")
@shows("namespace.actions.create_namespace", "namespace.actions.delete_namespace", "namespace.probes.namespace_exists")
def test_namespace(cluster: Cluster, toolkit: Toolkit) -> None:
    """It is gone only when all in it is."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    toolkit("namespace.actions.create_namespace", name=name, ns=None)
    assert toolkit("namespace.probes.namespace_exists", name=name, ns=None) is True
    toolkit("namespace.actions.delete_namespace", name=name, ns=None)
    cluster.until_gone(cluster.path("namespaces", name=name))
    assert toolkit("namespace.probes.namespace_exists", name=name, ns=None) is False


@behaviour("chaosk8s reads the events of all namespaces, chosen by field", area="clients")
@shows("event.probes.get_events")
def test_events(cluster: Cluster, namespace: str, toolkit: Toolkit) -> None:
    """In events.k8s.io/v1."""
    cluster.create(cluster.path("deployments", namespace), deployment("one", container(WAIT), replicas=0))
    deployments = cluster.path("deployments", namespace, "one")
    cluster.until(deployments, lambda one: one["status"].get("observedGeneration") == 1)
    about = {"kind": "Deployment", "namespace": namespace, "name": "one"}
    event = {"metadata": {"name": "told"}, "involvedObject": about, "reason": "Told", "message": "by hand"}
    cluster.create(f"/api/v1/namespaces/{namespace}/events", event)
    found = toolkit("event.probes.get_events", field_selector="reason=Told", limit=500, ns=None)
    assert namespace in [one["metadata"]["namespace"] for one in found["items"]]
    assert found["kind"] == "EventList"


@behaviour("chaosk8s creates and removes NetworkPolicies, which not every cluster enforces", area="clients")
@shows(
    "networking.actions.create_network_policy",
    "networking.actions.remove_network_policy",
    "networking.actions.deny_all_ingress",
    "networking.actions.remove_deny_all_ingress",
    "networking.actions.deny_all_egress",
    "networking.actions.remove_deny_all_egress",
    "networking.actions.allow_dns_access",
    "networking.actions.remove_allow_dns_access",
)
def test_network_policies(cluster: Cluster, namespace: str, toolkit: Toolkit, tmp_path: Path) -> None:
    """Each is kept as it was sent."""
    path = cluster.path("networkpolicies", namespace)
    for policy in ("deny_all_ingress", "deny_all_egress", "allow_dns_access"):
        toolkit(f"networking.actions.{policy}", label_selectors={"app": "web"})
    kept = {one["metadata"]["name"]: one["spec"] for one in cluster.read(path)["items"]}
    assert kept["chaostoolkit-deny-all-ingress"]["policyTypes"] == ["Ingress"]
    assert kept["chaostoolkit-deny-all-egress"]["podSelector"] == {"matchLabels": {"app": "web"}}
    assert [port["port"] for port in kept["chaostoolkit-allow-dns"]["egress"][0]["ports"]] == [53, 53]
    for policy in ("deny_all_ingress", "deny_all_egress", "allow_dns_access"):
        toolkit(f"networking.actions.remove_{policy}")
    body = {"metadata": {"name": "own"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}
    toolkit("networking.actions.create_network_policy", spec_path=_file(tmp_path, body))
    toolkit("networking.actions.remove_network_policy", name="own")
    assert cluster.read(path)["items"] == []


@behaviour("chaosk8s creates, changes, finds and deletes an Ingress", area="clients", refused="Ingresses")
@shows(
    "networking.actions.create_ingress",
    "networking.actions.update_ingress",
    "networking.actions.delete_ingress",
    "networking.probes.ingress_exists",
)
def test_ingress(cluster: Cluster, namespace: str, toolkit: Toolkit, tmp_path: Path) -> None:
    """No manifest of the project uses one."""
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    body = {"metadata": {"name": "web"}, "spec": {"defaultBackend": backend}}
    made, name = {"spec_path": _file(tmp_path, body)}, {"name": "web"}
    change = {"name": "web", "spec": {"metadata": {"labels": {"a": "b"}}}}
    if cluster.embedded:
        for activity, given in (("create_ingress", made), ("update_ingress", change), ("delete_ingress", name)):
            assert "ingresses" in toolkit.fails(f"networking.actions.{activity}", **given)
        assert "ingresses" in toolkit.fails("networking.probes.ingress_exists", **name)
        return
    toolkit("networking.actions.create_ingress", **made)
    toolkit("networking.actions.update_ingress", **change)
    assert cluster.read(cluster.path("ingresses", namespace, "web"))["metadata"]["labels"] == {"a": "b"}
    assert toolkit("networking.probes.ingress_exists", **name) is True
    toolkit("networking.actions.delete_ingress", **name)
    assert toolkit("networking.probes.ingress_exists", **name) is False


@behaviour("chaosk8s tells the nodes and their conditions", area="clients")
@shows(
    "node.probes.get_nodes",
    "node.probes.get_all_node_status_conditions",
    "node.probes.all_nodes_must_be_ready_to_schedule",
    "node.probes.verify_nodes_condition",
    "node.probes.nodes_must_be_healthy",
)
def test_nodes(cluster: Cluster, toolkit: Toolkit) -> None:
    """All nodes with an operating system, which one made by hand lacks."""
    real = {"label_selector": "kubernetes.io/os", "ns": None}
    nodes = toolkit("node.probes.get_nodes", **real)
    names = sorted(one["metadata"]["name"] for one in nodes["items"])
    conditions = toolkit("node.probes.get_all_node_status_conditions", **real)
    assert sorted(one["name"] for one in conditions) == names
    assert {one["Ready"] for one in conditions} == {"True"}
    assert toolkit("node.probes.all_nodes_must_be_ready_to_schedule", **real) is True
    assert toolkit("node.probes.verify_nodes_condition", condition_type="DiskPressure", **real) is True
    assert toolkit("node.probes.verify_nodes_condition", condition_type="Ready", **real) is False
    assert toolkit("node.probes.nodes_must_be_healthy", **real) is True


@pytest.fixture
def node(cluster: Cluster) -> Iterator[str]:
    """The name of a node to be made by hand: no kubelet stands behind it, and nothing is scheduled to it."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    yield name
    cluster.call("DELETE", f"/api/v1/nodes/{name}")


_TAINT = {"key": "by-hand", "value": "yes", "effect": "NoSchedule"}


@behaviour("chaosk8s creates a node", area="clients")
@shows("node.actions.create_node")
def test_node(cluster: Cluster, toolkit: Toolkit, node: str) -> None:
    """The object of one; no machine comes with it."""
    made = toolkit("node.actions.create_node", meta={"name": node}, spec={"taints": [_TAINT]}, ns=None)
    assert made["metadata"]["name"] == node
    assert _TAINT in cluster.read(f"/api/v1/nodes/{node}")["spec"]["taints"]
    assert "AlreadyExists" in toolkit.fails("node.actions.create_node", meta={"name": node}, ns=None)


@behaviour("chaosk8s cordons, drains and uncordons a node", area="clients", refused="cordon and drain")
@shows("node.actions.cordon_node", "node.actions.drain_nodes", "node.actions.uncordon_node")
def test_cordon(cluster: Cluster, namespace: str, toolkit: Toolkit, node: str) -> None:
    """On a node made by hand; the pods on it are evicted, their ReplicaSet makes others."""
    chosen = {"name": node, "ns": None}
    cluster.create("/api/v1/nodes", {"metadata": {"name": node}, "spec": {"taints": [_TAINT]}})
    if cluster.embedded:
        for activity in ("cordon_node", "drain_nodes", "uncordon_node"):
            assert "cordon and drain" in toolkit.fails(f"node.actions.{activity}", **chosen)
        return
    bound = deployment("one", container(WAIT), pod_nodeName=node, pod_terminationGracePeriodSeconds=0)
    cluster.create(cluster.path("deployments", namespace), bound)
    path = cluster.path("deployments", namespace, "one")
    cluster.until(path, lambda one: one["status"].get("replicas") == 1)
    (first,) = cluster.read(cluster.path("pods", namespace))["items"]
    assert toolkit("node.actions.cordon_node", **chosen) == [node]
    assert cluster.read(f"/api/v1/nodes/{node}")["spec"]["unschedulable"] is True
    assert toolkit("node.actions.drain_nodes", timeout=int(PATIENCE_S), **chosen) == [node]
    cluster.until_gone(cluster.path("pods", namespace, first["metadata"]["name"]))
    assert toolkit("node.actions.uncordon_node", **chosen) == [node]
    assert not cluster.read(f"/api/v1/nodes/{node}")["spec"].get("unschedulable")
    assert cluster.call("DELETE", path).status == 200


@behaviour("chaosk8s's custom object activities reach any namespaced resource of a group", area="clients")
@shows(
    "crd.actions.create_custom_object",
    "crd.actions.patch_custom_object",
    "crd.actions.delete_custom_object",
    "crd.probes.get_custom_object",
    "crd.probes.list_custom_objects",
)
def test_custom_objects(cluster: Cluster, namespace: str, toolkit: Toolkit) -> None:
    """Leases here; the patch is a JSON patch."""
    place = {"group": "coordination.k8s.io", "version": "v1", "plural": "leases"}
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "one"},
            "spec": {"holderIdentity": "me"}}  # fmt: skip
    assert toolkit("crd.actions.create_custom_object", resource=body, **place)["spec"] == {"holderIdentity": "me"}
    assert toolkit("crd.actions.create_custom_object", resource=body, **place)["reason"] == "AlreadyExists"
    operations = [{"op": "replace", "path": "/spec/holderIdentity", "value": "you"}]
    patched = toolkit("crd.actions.patch_custom_object", name="one", resource=operations, **place)
    assert patched["spec"] == {"holderIdentity": "you"}
    assert toolkit("crd.probes.get_custom_object", name="one", **place)["spec"] == {"holderIdentity": "you"}
    listed = toolkit("crd.probes.list_custom_objects", **place)
    assert [one["metadata"]["name"] for one in listed["items"]] == ["one"]
    assert toolkit("crd.actions.delete_custom_object", name="one", **place)["status"] == "Success"
    assert "Not Found" in toolkit.fails("crd.probes.get_custom_object", name="one", **place)


@behaviour("chaosk8s handles a cluster-wide object of any group", area="clients", refused="PriorityClasses")
@shows(
    "crd.actions.create_cluster_custom_object",
    "crd.actions.patch_cluster_custom_object",
    "crd.actions.delete_cluster_custom_object",
    "crd.probes.get_cluster_custom_object",
    "crd.probes.list_cluster_custom_objects",
)
def test_cluster_custom_objects(cluster: Cluster, toolkit: Toolkit) -> None:
    """PriorityClasses here: every Kubernetes has them, and one that no pod names does nothing."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    place: dict[str, Any] = {"group": "scheduling.k8s.io", "version": "v1", "plural": "priorityclasses", "ns": None}
    kind = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass"}
    body = {**kind, "metadata": {"name": name}, "value": 1, "description": "one"}
    operations = [{"op": "replace", "path": "/description", "value": "two"}]
    calls: list[dict[str, Any]] = [
        {"activity": "crd.actions.create_cluster_custom_object", "resource": body},
        {"activity": "crd.actions.patch_cluster_custom_object", "name": name, "resource": operations},
        {"activity": "crd.probes.get_cluster_custom_object", "name": name},
        {"activity": "crd.actions.delete_cluster_custom_object", "name": name},
        {"activity": "crd.probes.list_cluster_custom_objects"},
    ]
    if cluster.embedded:
        for call in calls:
            said = toolkit.fails(**call, **place)
            # The first one's message is a template that is never filled in.
            made = call["activity"] == "crd.actions.create_cluster_custom_object"
            assert ("'{x.reason}' {x.body}" if made else "priorityclasses") in said
        return
    made, patched, read, deleted, listed = [toolkit(**call, **place) for call in calls]
    assert (made["description"], patched["description"], read["description"]) == ("one", "two", "two")
    assert deleted["status"] == "Success"
    assert name not in [one["metadata"]["name"] for one in listed["items"]]


_CHAOS_MESH: dict[str, dict[str, Any]] = {
    "network.actions.add_latency": {"latency": "1s"},
    "network.actions.set_loss": {"loss": "1"},
    "network.actions.duplicate_packets": {"duplicate": "1"},
    "network.actions.corrupt_packets": {"corrupt": "1"},
    "network.actions.reorder_packets": {"reorder": "1"},
    "network.actions.set_bandwidth": {"rate": "1mbps", "limit": 1, "buffer": 1},
    "network.actions.delete_network_fault": {},
    "network.probes.get_network_fault": {},
    "network.probes.get_network_faults": {"name": None},
    "stress.actions.stress_cpu": {"workers": 1, "load": 1},
    "stress.actions.stress_memory": {"workers": 1, "size": "1MB"},
    "stress.actions.delete_stressor": {},
    "stress.probes.get_stressor": {},
    "stress.probes.get_stressors": {"name": None},
}
"""Each of Chaos Mesh's activities, and what to call it with besides a name."""


@behaviour("chaosk8s's Chaos Mesh activities fail with 404 where Chaos Mesh is not installed", area="clients")
@shows(*(f"chaosmesh.{name}" for name in _CHAOS_MESH), needs="Chaos Mesh")
def test_chaos_mesh(toolkit: Toolkit) -> None:
    """It needs CustomResourceDefinitions, and controllers on the nodes."""
    for name, given in _CHAOS_MESH.items():
        assert "'Not Found'" in toolkit.fails(f"chaosmesh.{name}", **{"name": "one", **given})
