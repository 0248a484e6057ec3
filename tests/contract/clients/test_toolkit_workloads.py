"""chaostoolkit-kubernetes on Deployments and their like, unmodified."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from tests.contract.behaviours import behaviour
from tests.contract.clients.activities import shows
from tests.contract.clusters import PATIENCE_S
from tests.contract.manifests import WAIT, container, deployment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.clients.activities import Toolkit
    from tests.contract.clusters import Cluster

_LONG = {"timeout": int(PATIENCE_S)}
"""For probes that wait for what comes at last: theirs is half a minute."""


def _file(folder: Path, body: dict[str, Any], form: str = "yaml") -> str:
    """A manifest as a file."""
    path = folder / f"{body['metadata']['name']}.{form}"
    path.write_text(json.dumps(body) if form == "json" else yaml.safe_dump(body))
    return str(path)


def _workload(kind: str, name: str, replicas: int | None = 1) -> dict[str, Any]:
    made = deployment(name, container(WAIT), replicas=0)
    made["metadata"]["labels"] = {"app": name}
    made["spec"].pop("replicas")
    if replicas is not None:
        made["spec"]["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": kind, **made}


@behaviour("chaosk8s creates a Deployment, waits for it, tells its availability, and deletes it", area="clients")
@shows(
    "deployment.actions.create_deployment",
    "deployment.probes.deployment_fully_available",
    "deployment.probes.deployment_available_and_healthy",
    "deployment.probes.deployment_partially_available",
    "deployment.probes.deployment_not_fully_available",
    "deployment.actions.delete_deployment",
)
def test_deployment(cluster: Cluster, namespace: str, toolkit: Toolkit, tmp_path: Path) -> None:
    """From a YAML and a JSON file; probes that wait do so by a watch, and give up in time."""
    toolkit("deployment.actions.create_deployment", spec_path=_file(tmp_path, _workload("Deployment", "one", 2)))
    toolkit(
        "deployment.actions.create_deployment", spec_path=_file(tmp_path, _workload("Deployment", "two", 0), "json")
    )
    assert toolkit("deployment.probes.deployment_fully_available", name="one", **_LONG) is True
    cluster.until(
        cluster.path("deployments", namespace, "one"), lambda one: one["status"].get("availableReplicas") == 2
    )
    assert toolkit("deployment.probes.deployment_available_and_healthy", name="one", label_selector="app=one") is True
    assert toolkit("deployment.probes.deployment_partially_available", name="one") is True
    assert "not found" in toolkit.fails("deployment.probes.deployment_available_and_healthy", name="none")
    late = toolkit.fails("deployment.probes.deployment_not_fully_available", name="one", timeout=1)
    assert "failed to stop running within 1s" in late
    toolkit("deployment.actions.delete_deployment", name="one")
    toolkit("deployment.actions.delete_deployment", label_selector="app=two")
    for name in ("one", "two"):
        cluster.until_gone(cluster.path("deployments", namespace, name))


@behaviour("chaosk8s scales a Deployment, and sees it lack pods and have them again", area="clients")
@shows(
    "actions.start_microservice",
    "actions.scale_microservice",
    "deployment.actions.scale_deployment",
    "deployment.probes.deployment_not_fully_available",
    "probes.deployment_is_not_fully_available",
    "probes.deployment_is_fully_available",
)
def test_scale(cluster: Cluster, namespace: str, toolkit: Toolkit, tmp_path: Path) -> None:
    """An image that is nowhere keeps it from being available."""
    path = cluster.path("deployments", namespace, "one")
    body = _workload("Deployment", "one", 1)
    (first,) = body["spec"]["template"]["spec"]["containers"]
    broken = {**body["spec"]["template"]["spec"], "containers": [{**first, "image": "nowhere.example/none:1"}]}
    lacking = {**body, "spec": {**body["spec"], "template": {**body["spec"]["template"], "spec": broken}}}
    toolkit("actions.start_microservice", spec_path=_file(tmp_path, lacking))
    chosen = {"label_selector": "app={name}", **_LONG}
    assert toolkit("deployment.probes.deployment_not_fully_available", name="one", **chosen) is True
    assert toolkit("probes.deployment_is_not_fully_available", name="one", **_LONG) is True
    cluster.patch(path, body)
    assert toolkit("probes.deployment_is_fully_available", name="one", **_LONG) is True
    toolkit("deployment.actions.scale_deployment", name="one", replicas=2)
    assert cluster.read(path)["spec"]["replicas"] == 2
    cluster.until(path, lambda one: one["status"].get("readyReplicas") == 2)
    toolkit("actions.scale_microservice", name="one", replicas=1)
    assert cluster.read(path)["spec"]["replicas"] == 1
    assert "not found" in toolkit.fails("deployment.actions.scale_deployment", name="none", replicas=1)


@behaviour("chaosk8s starts a Deployment's rollout, which makes a new ReplicaSet", area="clients")
@shows("deployment.actions.rollout_deployment")
def test_rollout(cluster: Cluster, namespace: str, toolkit: Toolkit) -> None:
    """By kubectl's own annotation."""
    path = cluster.path("deployments", namespace)
    cluster.create(path, _workload("Deployment", "one", 0))
    cluster.until(f"{path}/one", lambda one: one["status"].get("observedGeneration") == 1)
    toolkit("deployment.actions.rollout_deployment", name="one")
    changed = cluster.until(f"{path}/one", lambda one: one["status"].get("observedGeneration") == 2)
    assert "kubectl.kubernetes.io/restartedAt" in changed["spec"]["template"]["metadata"]["annotations"]
    sets = cluster.read(cluster.path("replicasets", namespace))["items"]
    assert sorted(one["metadata"]["annotations"]["deployment.kubernetes.io/revision"] for one in sets) == ["1", "2"]


@behaviour("chaosk8s deletes a ReplicaSet, and its Deployment makes another", area="clients")
@shows("replicaset.actions.delete_replica_set")
def test_replica_set(cluster: Cluster, namespace: str, toolkit: Toolkit) -> None:
    """By label; the new one has another uid."""
    sets = cluster.path("replicasets", namespace)
    cluster.create(cluster.path("deployments", namespace), _workload("Deployment", "one", 0))
    deployments = cluster.path("deployments", namespace, "one")
    cluster.until(deployments, lambda one: one["status"].get("observedGeneration") == 1)
    (first,) = cluster.read(sets)["items"]
    toolkit("replicaset.actions.delete_replica_set", label_selector="app=one")
    name, uid = first["metadata"]["name"], first["metadata"]["uid"]
    cluster.until(f"{sets}/{name}", lambda one: one.get("metadata", {}).get("uid", uid) != uid)


@behaviour("chaosk8s creates, scales, watches and removes a StatefulSet", area="clients", refused="StatefulSets")
@shows(
    "statefulset.actions.create_statefulset",
    "statefulset.actions.scale_statefulset",
    "statefulset.actions.remove_statefulset",
    "statefulset.probes.statefulset_fully_available",
    "statefulset.probes.statefulset_not_fully_available",
)
def test_stateful_set(cluster: Cluster, namespace: str, toolkit: Toolkit, tmp_path: Path) -> None:
    """No manifest of the project uses one."""
    body = _workload("StatefulSet", "one")
    body["spec"]["serviceName"] = "one"
    make = {"activity": "statefulset.actions.create_statefulset", "spec_path": _file(tmp_path, body)}
    calls: list[dict[str, Any]] = [
        {"activity": "statefulset.probes.statefulset_fully_available", "name": "one", **_LONG},
        {"activity": "statefulset.actions.scale_statefulset", "name": "one", "replicas": 2},
        {"activity": "statefulset.probes.statefulset_not_fully_available", "name": "one",
         "label_selector": "app=one", **_LONG},
        {"activity": "statefulset.actions.remove_statefulset", "name": "one"},
    ]  # fmt: skip
    if cluster.embedded:
        for call in (make, *calls):
            assert "statefulsets" in toolkit.fails(**call)
        return
    toolkit(**make)
    assert [toolkit(**call) for call in calls] == [True, None, True, None]
    cluster.until_gone(cluster.path("statefulsets", namespace, "one"))


@behaviour("chaosk8s creates, changes, watches and deletes a DaemonSet", area="clients", refused="DaemonSets")
@shows(
    "daemonset.actions.create_daemon_set",
    "daemonset.actions.update_daemon_set",
    "daemonset.actions.delete_daemon_set",
    "daemonset.probes.daemon_set_fully_available",
    "daemonset.probes.daemon_set_not_fully_available",
    "daemonset.probes.daemon_set_available_and_healthy",
    "daemonset.probes.daemon_set_partially_available",
)
def test_daemon_set(cluster: Cluster, namespace: str, toolkit: Toolkit, tmp_path: Path) -> None:
    """No manifest of the project uses one."""
    body = _workload("DaemonSet", "one", None)
    make = {"activity": "daemonset.actions.create_daemon_set", "spec_path": _file(tmp_path, body)}
    broken = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "nowhere.example/none:1"}]}}}}
    calls: list[dict[str, Any]] = [
        {"activity": "daemonset.probes.daemon_set_fully_available", "name": "one", **_LONG},
        {"activity": "daemonset.probes.daemon_set_available_and_healthy", "name": "one"},
        {"activity": "daemonset.probes.daemon_set_partially_available", "name": "one"},
        {"activity": "daemonset.actions.update_daemon_set", "name": "one", "spec": broken},
        {"activity": "daemonset.probes.daemon_set_not_fully_available", "name": "one", **_LONG},
        {"activity": "daemonset.actions.delete_daemon_set", "name": "one"},
    ]
    if cluster.embedded:
        for call in (make, *calls):
            assert "daemonsets" in toolkit.fails(**call)
        return
    toolkit(**make)
    path = cluster.path("daemonsets", namespace, "one")
    cluster.until(path, lambda one: one["status"].get("numberReady"))
    assert [toolkit(**call) for call in calls] == [True, True, True, None, True, None]
    cluster.until_gone(path)
