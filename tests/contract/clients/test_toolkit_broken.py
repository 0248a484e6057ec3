"""What chaostoolkit-kubernetes 0.39 breaks by its own code: it does so on every cluster."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

from tests.contract.behaviours import behaviour
from tests.contract.clients.activities import shows
from tests.contract.manifests import WAIT, container, deployment, service

if TYPE_CHECKING:
    from tests.contract.clients.activities import Toolkit
    from tests.contract.clusters import Cluster

_LEASE = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "one"}, "spec": {}}


def _deploy(cluster: Cluster, namespace: str) -> None:
    cluster.create(cluster.path("deployments", namespace), deployment("one", container(WAIT), replicas=0))
    path = cluster.path("deployments", namespace, "one")
    cluster.until(path, lambda one: one["status"].get("observedGeneration") == 1)


@behaviour("chaosk8s 0.39 breaks replace_custom_object and replace_cluster_custom_object: "
           "they pass `force`, which a replace does not take", area="clients")  # fmt: skip
@shows(
    "crd.actions.replace_custom_object",
    "crd.actions.replace_cluster_custom_object",
    broken="they pass `force`, which a replace does not take",
)
def test_replace(toolkit: Toolkit) -> None:
    """Nothing is sent."""
    place = {"group": "coordination.k8s.io", "version": "v1", "plural": "leases", "name": "one", "resource": _LEASE}
    assert "force" in toolkit.fails("crd.actions.replace_custom_object", **place)
    assert "force" in toolkit.fails("crd.actions.replace_cluster_custom_object", **place, ns=None)


@behaviour("chaosk8s 0.39 breaks apply_from_json and apply_from_yaml: they pass on text, not an object",
           area="clients")  # fmt: skip
@shows(
    "crd.actions.apply_from_json",
    "crd.actions.apply_from_yaml",
    broken="they pass on text, not an object",
)
def test_apply(cluster: Cluster, namespace: str, toolkit: Toolkit) -> None:
    """Nothing is sent."""
    meta = {"name": "one", "namespace": namespace}
    text = json.dumps({**_LEASE, "metadata": meta})
    for activity in ("crd.actions.apply_from_json", "crd.actions.apply_from_yaml"):
        assert "Input should be a valid dictionary" in toolkit.fails(activity, resource=text, ns=None)
    assert cluster.read(cluster.path("leases", namespace))["items"] == []


@behaviour("chaosk8s 0.39 breaks delete_nodes: with `all` it unpacks None, else it reads an attribute of a dict",
           area="clients")  # fmt: skip
@shows(
    "node.actions.delete_nodes",
    broken="with `all` it unpacks None, else it reads an attribute of a dict: the node is gone all the same",
)
def test_delete_nodes(cluster: Cluster, toolkit: Toolkit) -> None:
    """Versions 36 and older of the client answer a deletion with an object; the node is gone all the same."""
    assert "NoneType" in toolkit.fails("node.actions.delete_nodes", all=True, label_selector="none=none", ns=None)
    name = f"contract-{uuid.uuid4().hex[:8]}"
    spec = {"taints": [{"key": "by-hand", "effect": "NoSchedule"}]}
    cluster.create("/api/v1/nodes", {"metadata": {"name": name, "labels": {"by-hand": name}}, "spec": spec})
    chosen = {"label_selector": f"by-hand={name}", "ns": None}
    assert "no attribute 'status'" in toolkit.fails("node.actions.delete_nodes", **chosen)
    assert cluster.call("GET", f"/api/v1/nodes/{name}").status == 404


@behaviour("chaosk8s 0.39 breaks kill_microservice without a selector: it sends the template `name in ({name})`",
           area="clients")  # fmt: skip
@shows(
    "actions.kill_microservice",
    broken="without a selector it sends the template `name in ({name})`, when the Deployment is gone already",
)
def test_kill(cluster: Cluster, namespace: str, toolkit: Toolkit) -> None:
    """The Deployment is gone by then."""
    _deploy(cluster, namespace)
    assert "400" in toolkit.fails("actions.kill_microservice", name="one")
    cluster.until_gone(cluster.path("deployments", namespace, "one"))


@behaviour("chaosk8s's kill_microservice with a selector deletes a Deployment", area="clients")
@shows("actions.kill_microservice")
def test_kill_by_selector(cluster: Cluster, namespace: str, toolkit: Toolkit) -> None:
    """By both name and label."""
    _deploy(cluster, namespace)
    toolkit("actions.kill_microservice", name="one", label_selector="app=one")
    cluster.until_gone(cluster.path("deployments", namespace, "one"))


@behaviour("chaosk8s 0.39 breaks service_endpoint_is_initialized without a selector: it sends `name in ({name})`",
           area="clients")  # fmt: skip
@shows("probes.service_endpoint_is_initialized", broken="without a selector it sends the template `name in ({name})`")
def test_endpoint(cluster: Cluster, namespace: str, toolkit: Toolkit) -> None:
    """Though the Service is there."""
    cluster.create(cluster.path("services", namespace), service("web"))
    assert "400" in toolkit.fails("probes.service_endpoint_is_initialized", name="web")


@behaviour("chaosk8s 0.39 breaks microservice_available_and_healthy: it returns nothing", area="clients")
@shows("probes.microservice_available_and_healthy", broken="it returns nothing")
def test_healthy(cluster: Cluster, namespace: str, toolkit: Toolkit) -> None:
    """It still fails for what is not there."""
    made = deployment("one", container(WAIT), replicas=1)
    cluster.create(cluster.path("deployments", namespace), made)
    path = cluster.path("deployments", namespace, "one")
    cluster.until(path, lambda one: one["status"].get("availableReplicas") == 1)
    assert toolkit("probes.microservice_available_and_healthy", name="one") is None
    assert "not found" in toolkit.fails("probes.microservice_available_and_healthy", name="none")


@behaviour("chaosk8s 0.39 breaks deployment_partially_available when nothing is available: it compares None",
           area="clients")  # fmt: skip
@shows("deployment.probes.deployment_partially_available", broken="it compares None when nothing is available")
def test_partially(cluster: Cluster, namespace: str, toolkit: Toolkit) -> None:
    """A counter of zero is left out of the status."""
    _deploy(cluster, namespace)
    assert "NoneType" in toolkit.fails("deployment.probes.deployment_partially_available", name="one")
