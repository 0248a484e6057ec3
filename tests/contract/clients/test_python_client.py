"""The `kubernetes` Python client, unmodified, in each version that must work."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import yaml

from tests.contract.behaviours import behaviour
from tests.contract.manifests import WAIT, container, deployment, pod, service

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.clients.workers import Worker
    from tests.contract.clusters import Cluster


def _idle(name: str = "one") -> dict[str, Any]:
    return pod(name, container(WAIT))


@behaviour("The Python client's discovery finds groups, versions, short names and subresources", area="clients")
def test_discovery(walk: Worker) -> None:
    """VersionApi, ApisApi and get_api_resources."""
    walk.call("asks_what_is_served")


@behaviour("The Python client creates, reads and replaces, and is told of conflicts", area="clients")
def test_objects(walk: Worker, namespace: str) -> None:
    """ApiException has 409, 404 and 422; a dry run leaves nothing."""
    walk.call("creates_reads_and_replaces", namespace=namespace)


@behaviour("The Python client lists by label and field selectors, and page by page", area="clients")
def test_lists(walk: Worker, namespace: str) -> None:
    """Equality and set-based selectors; a loop over `_continue`."""
    walk.call("lists_by_selectors_and_pages", namespace=namespace)


@behaviour("The Python client's dict patch is a strategic merge, its list a JSON patch", area="clients")
def test_patches(walk: Worker, namespace: str) -> None:
    """A container's environment grows; the rest of the container stays."""
    made = deployment("one", container(WAIT), replicas=0)
    walk.call("patches_with_a_dict_or_a_list", namespace=namespace, deployment=made)


@behaviour("The Python client tries a template by dryRun, and deletes the ReplicaSet that it leaves", area="clients")
def test_tried_template(walk: Worker, namespace: str) -> None:
    """A dry run changes nothing; a precondition that does not hold keeps the set."""
    made = deployment("one", container(WAIT), replicas=0)
    walk.call("tries_a_template_and_drops_its_set", namespace=namespace, deployment=made)


@behaviour("The Python client reads and writes scale and status", area="clients")
def test_subresources(walk: Worker, namespace: str) -> None:
    """A patch of the status leaves the spec alone."""
    made = deployment("one", container(WAIT), replicas=0)
    walk.call("scales_and_writes_the_status", namespace=namespace, deployment=made)


@behaviour("The Python client deletes with V1DeleteOptions; a pod's deletion returns the pod", area="clients")
def test_deletion(walk: Worker, namespace: str) -> None:
    """Preconditions by uid, propagation policy, grace."""
    walk.call("deletes_with_options", namespace=namespace, pod=_idle())


@behaviour("The Python client deletes a collection by its labels", area="clients")
def test_collection_deletion(walk: Worker, namespace: str) -> None:
    """Two of three go."""
    walk.call("deletes_a_collection", namespace=namespace)


@behaviour("The Python client's watch resumes at the version where another stopped", area="clients")
def test_watch(walk: Worker, namespace: str) -> None:
    """Nothing is missed and nothing is shown twice."""
    walk.call("watches_and_resumes", namespace=namespace)


@behaviour("The Python client follows a Deployment until it is available, and deletes all of it", area="clients")
def test_deployment(walk: Worker, namespace: str) -> None:
    """Conditions, pods, ReplicaSets, events, nodes; foreground deletion."""
    made = deployment("one", container(WAIT), replicas=2)
    walk.call("sees_a_deployment_become_available", namespace=namespace, deployment=made)


@behaviour("The Python client takes a pod out of its Service by a label, and back by the selector", area="clients")
def test_service(walk: Worker, namespace: str) -> None:
    """The Endpoints show it."""
    walk.call("takes_a_pod_out_of_its_service", namespace=namespace, pod=_idle(), service=service("one"))


@behaviour("The Python client reads a pod's log, its tail, and follows it", area="clients")
def test_logs(walk: Worker, namespace: str) -> None:
    """Three lines; an unknown container answers 400."""
    talkative = pod("one", container(["sh", "-c", "echo one; echo two; echo three; exec sleep 600"]))
    walk.call("reads_logs_and_follows_them", namespace=namespace, pod=talkative)


@behaviour("The Python client runs a command in a pod, with input, both outputs and the exit code", area="clients")
def test_exec(walk: Worker, namespace: str) -> None:
    """kubernetes.stream, as chaostoolkit-kubernetes uses it."""
    walk.call("runs_commands_in_a_pod", namespace=namespace, pod=_idle())


@behaviour("The Python client's second holder of a Lease is refused on an old reading", area="clients")
def test_lease(walk: Worker, namespace: str) -> None:
    """Microseconds survive."""
    walk.call("renews_a_lease", namespace=namespace)


@behaviour("The Python client writes events, and finds them by what they are about in both API groups", area="clients")
def test_events(walk: Worker, namespace: str) -> None:
    """A generated name is completed."""
    walk.call("writes_and_lists_events", namespace=namespace)


@behaviour("The dynamic client discovers resources and uses every verb on them", area="clients")
def test_dynamic(walk: Worker, namespace: str, tmp_path: Path) -> None:
    """kubernetes.dynamic, with a cache of its own."""
    walk.call("speaks_dynamically", namespace=namespace, cache=str(tmp_path / "discovered.json"))


@behaviour("The Python client's create_from_yaml makes all of a file, and reports each conflict", area="clients")
def test_file(walk: Worker, namespace: str, tmp_path: Path) -> None:
    """A Service, a ConfigMap and a Deployment."""
    documents = (
        {"apiVersion": "v1", "kind": "Service", **service("web")},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"key": "value"}},
        {"apiVersion": "apps/v1", "kind": "Deployment", **deployment("web", container(WAIT), replicas=0)},
    )
    file = tmp_path / "web.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    walk.call("creates_from_a_file", namespace=namespace, file=str(file))


@behaviour("CustomObjectsApi reaches built-in resources, and gets 404 for a group that is not there", area="clients")
def test_custom_objects(walk: Worker, namespace: str) -> None:
    """The way to Chaos Mesh's objects, where it is not installed."""
    made = deployment("one", container(WAIT), replicas=0)
    walk.call("reaches_objects_as_custom_ones", namespace=namespace, deployment=made)


@behaviour("The Python client makes a namespace, and is refused when it adds to one that ends", area="clients")
def test_namespace(walk: Worker) -> None:
    """With the default ServiceAccount; a Secret's stringData is encoded."""
    walk.call("makes_and_ends_a_namespace", name=f"contract-{uuid.uuid4().hex[:8]}")


@behaviour("The Python client's eviction is refused with 429 while a budget forbids it", area="clients")
def test_eviction(walk: Worker, cluster: Cluster, namespace: str) -> None:
    """Without the budget the pod goes."""
    made = cluster.create(cluster.path("pods", namespace), _idle())
    selector = {"matchLabels": made["metadata"]["labels"]}
    budgets = cluster.path("poddisruptionbudgets", namespace)
    cluster.create(budgets, {"metadata": {"name": "keep"}, "spec": {"minAvailable": 1, "selector": selector}})
    cluster.until(f"{budgets}/keep", lambda one: one.get("status", {}).get("currentHealthy") == 1)
    walk.call("is_refused_an_eviction", namespace=namespace, name="one")
    assert cluster.call("DELETE", f"{budgets}/keep").status == 200
    walk.call("evicts", namespace=namespace, name="one")


@behaviour("The Python client evicts a pod by its UID, and no other of that name", area="clients")
def test_eviction_by_uid(walk: Worker, cluster: Cluster, namespace: str) -> None:
    """As a game day does."""
    cluster.create(cluster.path("pods", namespace), _idle())
    walk.call("evicts_the_very_pod", namespace=namespace, name="one")


@behaviour("The Python client is answered 401 without the token", area="clients")
def test_token(walk: Worker) -> None:
    """A wrong one is none."""
    walk.call("is_turned_away_without_a_token")
