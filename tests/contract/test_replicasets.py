"""ReplicaSets: as many pods as asked for, and whose pods they are."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.contract.behaviours import behaviour
from tests.contract.clusters import MERGE, PATIENCE_S
from tests.contract.manifests import WAIT, container, pod
from tests.contract.workloads import Trail, is_ready, owned, until_events

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster

    Object = dict[str, Any]


def replica_set(replicas: int, **spec: Any) -> Object:
    """A ReplicaSet of pods that wait, selected by app=web."""
    made = pod("web", container(WAIT), terminationGracePeriodSeconds=0, **spec)
    template = {"metadata": {"labels": {"app": "web"}}, "spec": made["spec"]}
    selector = {"matchLabels": {"app": "web"}}
    return {"metadata": {"name": "web"}, "spec": {"replicas": replicas, "selector": selector, "template": template}}


def started(cluster: Cluster, namespace: str, made: Object) -> str:
    """Create a ReplicaSet and wait until its pods are ready; returns its path."""
    cluster.create(cluster.path("replicasets", namespace), made)
    path = cluster.path("replicasets", namespace, "web")
    cluster.until(path, lambda one: one["status"].get("readyReplicas", 0) == made["spec"]["replicas"])
    return path


def resize(cluster: Cluster, path: str, replicas: int) -> None:
    """Ask for so many pods, and wait until so many are there."""
    cluster.patch(f"{path}/scale", {"spec": {"replicas": replicas}}, MERGE)
    cluster.until(path, lambda one: one["status"]["replicas"] == replicas)


@behaviour("A ReplicaSet's pods are named after it, and its status counts them without zeros", area="replicasets")
def test_pods_and_status(cluster: Cluster, namespace: str) -> None:
    """Asked for one and then for none; an Event each way."""
    path = started(cluster, namespace, replica_set(1))
    (one,) = owned(cluster, "pods", namespace)
    assert one["metadata"]["name"].startswith("web-")
    status = cluster.read(path)["status"]
    counts = {"replicas": 1, "fullyLabeledReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}
    assert status == {**counts, "observedGeneration": 1}
    resize(cluster, path, 0)
    found = cluster.until(path, lambda one: one["status"]["observedGeneration"] == 2)
    assert found["status"] == {"replicas": 0, "observedGeneration": 2}
    about = "involvedObject.name=web,involvedObject.kind=ReplicaSet"
    events = until_events(cluster, namespace, about, "SuccessfulCreate", "SuccessfulDelete")
    assert {(e["reason"], e["message"]) for e in events} == {
        ("SuccessfulCreate", f"Created pod: {one['metadata']['name']}"),
        ("SuccessfulDelete", f"Deleted pod: {one['metadata']['name']}"),
    }


@behaviour("A pod that is ending counts no more: its successor starts before it is gone", area="replicasets")
def test_an_ending_pod_is_replaced_at_once(cluster: Cluster, namespace: str) -> None:
    """The old pod does not hear SIGTERM and has ten minutes; the new one is ready within it."""
    made = replica_set(1)
    made["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 600
    made["spec"]["template"]["spec"]["containers"][0]["command"] = ["sh", "-c", "trap '' TERM; sleep 600"]
    started(cluster, namespace, made)
    (old,) = owned(cluster, "pods", namespace)
    at = cluster.path("pods", namespace, old["metadata"]["name"])
    assert cluster.call("DELETE", at).json["metadata"]["deletionGracePeriodSeconds"] == 600
    watched = cluster.lines(cluster.path("pods", namespace), {"watch": "true", "timeoutSeconds": int(PATIENCE_S)})
    events = (event["object"] for event in watched)
    assert any(one["metadata"]["name"] != old["metadata"]["name"] and is_ready(one) for one in events)
    assert "deletionTimestamp" in cluster.read(at)["metadata"]
    cluster.call("DELETE", at, {"gracePeriodSeconds": 0})


@behaviour("A pod whose label is changed is released, runs on, and is replaced", area="replicasets")
def test_a_released_pod(cluster: Cluster, namespace: str) -> None:
    """It loses its owner; given the label back, it is adopted and one pod is too many."""
    path = started(cluster, namespace, replica_set(1))
    (one,) = owned(cluster, "pods", namespace)
    at = cluster.path("pods", namespace, one["metadata"]["name"])
    cluster.patch(at, {"metadata": {"labels": {"app": "aside"}}})
    released = cluster.until(at, lambda one: "ownerReferences" not in one["metadata"])
    assert "deletionTimestamp" not in released["metadata"]
    cluster.until(path, lambda one: one["status"].get("readyReplicas") == 1)
    trail = Trail(cluster, "pods", namespace)
    cluster.patch(at, {"metadata": {"labels": {"app": "web"}}})
    until_events(cluster, namespace, "involvedObject.kind=ReplicaSet", "SuccessfulDelete")
    assert any(
        "ownerReferences" in state[one["metadata"]["name"]]["metadata"]
        for state in trail.states()
        if one["metadata"]["name"] in state
    )


@behaviour("A ReplicaSet adopts pods that match and have no owner, and makes only those that lack", area="replicasets")
def test_orphans_are_adopted(cluster: Cluster, namespace: str) -> None:
    """One bare pod, two asked for."""
    bare = pod("bare", container(WAIT), labels={"app": "web"}, terminationGracePeriodSeconds=0)
    cluster.create(cluster.path("pods", namespace), bare)
    path = started(cluster, namespace, replica_set(2))
    pods = {one["metadata"]["name"]: one for one in owned(cluster, "pods", namespace)}
    assert len(pods) == 2
    (owner,) = pods["bare"]["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["controller"]) == (cluster.read(path)["metadata"]["uid"], True)


@behaviour("Scaling down takes pods that do not run first, then those not ready, then those ready for the shortest",
           area="replicasets")  # fmt: skip
def test_who_goes_first(cluster: Cluster, namespace: str) -> None:
    """Four orphans are adopted, and leave one after the other."""
    never = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    bare = {
        "oldest": container(WAIT), "unready": container(WAIT, readinessProbe=never), "newest": container(WAIT),
        "pending": {**container(WAIT), "image": "gameday/no-such-image:1"},
    }  # fmt: skip
    pods = cluster.path("pods", namespace)
    for name, main in bare.items():
        cluster.create(pods, pod(name, main, labels={"app": "web"}, terminationGracePeriodSeconds=0))
        if name == "oldest":  # readiness counts in whole seconds: let the next one begin
            ready = cluster.until(f"{pods}/oldest", is_ready)
            since = next(c["lastTransitionTime"] for c in ready["status"]["conditions"] if c["type"] == "Ready")
            time.sleep(max(0.0, datetime.fromisoformat(since).timestamp() + 1.1 - time.time()))
    cluster.until(f"{pods}/newest", is_ready)
    cluster.until(f"{pods}/unready", lambda one: one["status"]["phase"] == "Running")
    cluster.create(cluster.path("replicasets", namespace), replica_set(4))
    path = cluster.path("replicasets", namespace, "web")
    cluster.until(path, lambda one: one["status"]["replicas"] == 4 and one["status"].get("readyReplicas") == 2)
    for victim in ("pending", "unready", "newest"):
        resize(cluster, path, cluster.read(path)["spec"]["replicas"] - 1)
        cluster.until_gone(f"{pods}/{victim}")
    (left,) = owned(cluster, "pods", namespace)
    assert left["metadata"]["name"] == "oldest"
