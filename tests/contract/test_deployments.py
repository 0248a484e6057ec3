"""Deployments: what the controller makes of one, and what it says of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.behaviours import behaviour
from tests.contract.clusters import MERGE, PATIENCE_S
from tests.contract.workloads import (
    REVISION,
    Trail,
    apply_template,
    conditions,
    owned,
    reasons,
    rolled_out,
    start,
    started,
    templated,
)

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster


@behaviour("A Deployment's generation rises with its spec alone, and observedGeneration follows", area="deployments")
def test_observed_generation_follows(cluster: Cluster, namespace: str) -> None:
    """A label leaves the generation; replicas and the template raise it."""
    path = started(cluster, namespace, templated())
    labelled = cluster.patch(path, {"metadata": {"labels": {"tier": "front"}}})
    assert labelled["metadata"]["generation"] == 1
    paused = cluster.patch(path, {"spec": {"minReadySeconds": 1}})
    assert paused["metadata"]["generation"] == 2
    cluster.until(path, lambda one: one["status"]["observedGeneration"] == 2)
    apply_template(cluster, path, env="2")
    cluster.until(path, lambda one: one["status"]["observedGeneration"] == 3)


@behaviour("A Deployment of no replicas leaves every counter out of its status", area="deployments")
def test_zero_counters_are_left_out(cluster: Cluster, namespace: str) -> None:
    """Only observedGeneration and the conditions are there, and its ReplicaSet says replicas: 0."""
    path = started(cluster, namespace, templated())
    assert set(cluster.read(path)["status"]) == {"observedGeneration", "conditions"}
    (replica_set,) = owned(cluster, "replicasets", namespace)
    at = cluster.path("replicasets", namespace, replica_set["metadata"]["name"])
    assert cluster.until(at, lambda one: one["status"].get("observedGeneration"))["status"] == {
        "observedGeneration": 1,
        "replicas": 0,
    }


@behaviour("A Deployment that is rolled out counts replicas, updated, ready and available pods", area="deployments")
def test_counters_of_a_rolled_out_deployment(cluster: Cluster, namespace: str) -> None:
    """Two pods; unavailableReplicas is left out; the conditions are in force with their reasons and messages."""
    path = started(cluster, namespace, templated(replicas=2))
    status = cluster.until(path, lambda one: reasons(one, "Progressing") == "NewReplicaSetAvailable")["status"]
    said = status.pop("conditions")
    counts = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
    assert status == {"observedGeneration": 1, **counts}
    by_type = {c["type"]: c for c in said}
    available, progressing = by_type["Available"], by_type["Progressing"]
    assert (available["status"], available["reason"]) == ("True", "MinimumReplicasAvailable")
    assert available["message"] == "Deployment has minimum availability."
    assert (progressing["status"], progressing["reason"]) == ("True", "NewReplicaSetAvailable")
    assert re.fullmatch(r'ReplicaSet "web-\w+" has successfully progressed\.', progressing["message"])
    assert all(c["lastUpdateTime"] and c["lastTransitionTime"] for c in said)
    (replica_set,) = owned(cluster, "replicasets", namespace)
    of_set = {"replicas": 2, "fullyLabeledReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
    assert replica_set["status"] == {"observedGeneration": replica_set["metadata"]["generation"], **of_set}


@behaviour("Progressing goes from NewReplicaSetCreated over ReplicaSetUpdated to NewReplicaSetAvailable",
           area="deployments")  # fmt: skip
def test_reasons_of_progressing(cluster: Cluster, namespace: str) -> None:
    """The reasons in the order in which a watch shows them."""
    trail = Trail(cluster, "deployments", namespace)
    path = started(cluster, namespace, templated(replicas=1))
    cluster.until(path, lambda one: reasons(one, "Progressing") == "NewReplicaSetAvailable")
    seen = [reasons(state["web"], "Progressing") for state in trail.states() if "web" in state]
    assert list(dict.fromkeys(filter(None, seen))) == [
        "NewReplicaSetCreated",
        "ReplicaSetUpdated",
        "NewReplicaSetAvailable",
    ]


@behaviour("Progressing says FoundNewReplicaSet when the ReplicaSet of the template is there already",
           area="deployments")  # fmt: skip
def test_a_found_replica_set(cluster: Cluster, namespace: str) -> None:
    """A Deployment is orphaned of its set, and its successor finds it."""
    path = started(cluster, namespace, templated())
    assert cluster.call("DELETE", path, {"propagationPolicy": "Orphan"}).status == 200
    cluster.until_gone(path)
    trail = Trail(cluster, "deployments", namespace)
    started(cluster, namespace, templated())
    seen = [reasons(state["web"], "Progressing") for state in trail.states() if "web" in state]
    assert next(filter(None, seen)) == "FoundNewReplicaSet"


@behaviour("A Deployment's conditions turn when its last pod cannot start: not Available, still Progressing",
           area="deployments")  # fmt: skip
def test_an_unavailable_deployment(cluster: Cluster, namespace: str) -> None:
    """An image that is nowhere: MinimumReplicasUnavailable, one unavailable replica."""
    made = templated(replicas=1)
    made["spec"]["template"]["spec"]["containers"][0]["image"] = "gameday/no-such-image:1"
    path = start(cluster, namespace, made)
    found = cluster.until(path, lambda one: one["status"].get("unavailableReplicas") and conditions(one))
    found = cluster.until(path, lambda one: reasons(one, "Progressing") == "ReplicaSetUpdated")
    assert conditions(found) == {
        "Available": ("False", "MinimumReplicasUnavailable"),
        "Progressing": ("True", "ReplicaSetUpdated"),
    }
    counts = {"replicas": 1, "updatedReplicas": 1, "unavailableReplicas": 1}
    assert {k: v for k, v in found["status"].items() if k.endswith("eplicas")} == counts


@behaviour("A rollout that stands still for progressDeadlineSeconds gets Progressing=False ProgressDeadlineExceeded",
           area="deployments")  # fmt: skip
def test_the_progress_deadline(cluster: Cluster, namespace: str) -> None:
    """`kubectl rollout status` fails then, and a mended template makes it progress again."""
    made = templated(replicas=1, progressDeadlineSeconds=1)
    made["spec"]["template"]["spec"]["containers"][0]["image"] = "gameday/no-such-image:1"
    path = start(cluster, namespace, made)
    late = cluster.until(path, lambda one: reasons(one, "Progressing") == "ProgressDeadlineExceeded")
    assert conditions(late)["Progressing"] == ("False", "ProgressDeadlineExceeded")
    message = next(c["message"] for c in late["status"]["conditions"] if c["type"] == "Progressing")
    assert re.fullmatch(r'ReplicaSet "web-\w+" has timed out progressing\.', message)
    said = cluster.kubectl("rollout", "status", "deployment/web", namespace=namespace, ok=False)
    assert said.code == 1
    assert 'deployment "web" exceeded its progress deadline' in said.stderr
    cluster.patch(path, {"spec": {"replicas": 0}})
    cluster.until(path, lambda one: reasons(one, "Progressing") == "NewReplicaSetAvailable")


@behaviour("A Deployment's ReplicaSet and pods carry a pod-template-hash, which its name ends with", area="deployments")
def test_pod_template_hash(cluster: Cluster, namespace: str) -> None:
    """In the set's name, labels, selector and template, in the pod's name and labels; the Deployment has none."""
    path = started(cluster, namespace, templated(replicas=1))
    (replica_set,), (pod,) = owned(cluster, "replicasets", namespace), owned(cluster, "pods", namespace)
    name, spec = replica_set["metadata"]["name"], replica_set["spec"]
    labels = {"app": "web", "pod-template-hash": name.removeprefix("web-")}
    assert replica_set["metadata"]["labels"] == spec["template"]["metadata"]["labels"] == labels
    assert spec["selector"] == {"matchLabels": labels}
    assert pod["metadata"]["labels"] == labels
    assert re.fullmatch(rf"{name}-[a-z0-9]{{5}}", pod["metadata"]["name"])
    assert pod["metadata"]["generateName"] == f"{name}-"
    assert re.fullmatch(r"web-[bcdfghjklmnpqrstvwxz2456789]{6,10}", name)
    assert cluster.read(path)["spec"]["selector"] == {"matchLabels": {"app": "web"}}


@behaviour("A Deployment owns its ReplicaSet, which owns its pods, each as the controller", area="deployments")
def test_owners(cluster: Cluster, namespace: str) -> None:
    """The references name kind, version and UID, and block the owner's deletion."""
    path = started(cluster, namespace, templated(replicas=1))
    (replica_set,), (pod,) = owned(cluster, "replicasets", namespace), owned(cluster, "pods", namespace)
    for child, owner, kind in ((replica_set, cluster.read(path), "Deployment"), (pod, replica_set, "ReplicaSet")):
        assert child["metadata"]["ownerReferences"] == [{
            "apiVersion": "apps/v1", "kind": kind, "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
            "controller": True, "blockOwnerDeletion": True,
        }]  # fmt: skip


@pytest.mark.parametrize(("fields", "field"), [
    ({"progressDeadlineSeconds": 5, "minReadySeconds": 5}, "spec.progressDeadlineSeconds"),
    ({"strategy": {"rollingUpdate": {"maxUnavailable": "101%"}}}, "spec.strategy.rollingUpdate.maxUnavailable"),
])  # fmt: skip
@behaviour("A deadline must be longer than minReadySeconds, and maxUnavailable no more than 100%", area="deployments")
def test_contradictions(cluster: Cluster, namespace: str, fields: dict[str, Any], field: str) -> None:
    """422 Invalid with the field."""
    answer = cluster.call("POST", cluster.path("deployments", namespace), templated(**fields))
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert [cause["field"] for cause in answer.json["details"]["causes"]] == [field]


@behaviour("Scaling a Deployment keeps its ReplicaSet and says so in an Event", area="deployments")
def test_scaling_events(cluster: Cluster, namespace: str) -> None:
    """Up to two and down to none: one set, revision 1, ScalingReplicaSet both times."""
    path = started(cluster, namespace, templated(replicas=2))
    cluster.patch(f"{path}/scale", {"spec": {"replicas": 0}}, MERGE)
    cluster.until(path, rolled_out)
    (replica_set,) = owned(cluster, "replicasets", namespace)
    assert replica_set["metadata"]["annotations"][REVISION] == "1"
    name, query = replica_set["metadata"]["name"], {"fieldSelector": "involvedObject.kind=Deployment"}
    query |= {"watch": "true", "timeoutSeconds": str(int(PATIENCE_S))}
    watch = cluster.lines(cluster.path("events", namespace), query)
    said = sorted(next(watch)["object"]["message"] for _ in range(2))
    assert re.fullmatch(rf"Scaled down replica set {name} (from 2 )?to 0", said[0])
    assert re.fullmatch(rf"Scaled up replica set {name} (from 0 )?to 2", said[1])


@behaviour("A Deployment's pods cannot be made without their service account: ReplicaFailure, FailedCreate",
           area="deployments")  # fmt: skip
def test_replica_failure(cluster: Cluster, namespace: str) -> None:
    """The condition is there, with the reason, until the pods can be made."""
    path = start(cluster, namespace, templated(replicas=1, pod_serviceAccountName="nobody"))
    found = cluster.until(path, lambda one: "ReplicaFailure" in conditions(one))
    assert conditions(found)["ReplicaFailure"] == ("True", "FailedCreate")
    message = next(c["message"] for c in found["status"]["conditions"] if c["type"] == "ReplicaFailure")
    assert 'serviceaccount "nobody" not found' in message
    (replica_set,) = owned(cluster, "replicasets", namespace)
    assert conditions(replica_set) == {"ReplicaFailure": ("True", "FailedCreate")}


@pytest.mark.parametrize("policy", ["Background", "Foreground", None])
@behaviour("Deleting a Deployment deletes its ReplicaSets and pods, in the background unless Foreground",
           area="deployments")  # fmt: skip
def test_deletion_takes_pods_along(cluster: Cluster, namespace: str, policy: str | None) -> None:
    """Foreground: the Deployment stays, with a finalizer, until its pods are gone."""
    path = started(cluster, namespace, templated(replicas=1))
    (replica_set,), (pod,) = owned(cluster, "replicasets", namespace), owned(cluster, "pods", namespace)
    options = {"propagationPolicy": policy} if policy else None
    answer = cluster.call("DELETE", path, options)
    assert answer.status == 200
    if policy == "Foreground":
        assert "deletionTimestamp" in answer.json["metadata"]
        assert answer.json["metadata"]["finalizers"] == ["foregroundDeletion"]
        cluster.until_gone(path)
        assert not owned(cluster, "replicasets", namespace)
    else:
        assert (answer.json["kind"], answer.json["status"]) == ("Status", "Success")
        assert cluster.call("GET", path).status == 404
    cluster.until_gone(cluster.path("replicasets", namespace, replica_set["metadata"]["name"]))
    cluster.until_gone(cluster.path("pods", namespace, pod["metadata"]["name"]))


@behaviour("An orphaned ReplicaSet runs on, and the next Deployment of the same template adopts it", area="deployments")
def test_orphans_are_adopted(cluster: Cluster, namespace: str) -> None:
    """The set loses its owner, keeps its pod, and gets the new Deployment's UID."""
    made = templated(replicas=1)
    path = started(cluster, namespace, made)
    (replica_set,), (pod,) = owned(cluster, "replicasets", namespace), owned(cluster, "pods", namespace)
    assert cluster.call("DELETE", path, {"propagationPolicy": "Orphan"}).status == 200
    at = cluster.path("replicasets", namespace, replica_set["metadata"]["name"])
    cluster.until(at, lambda one: "ownerReferences" not in one["metadata"])
    cluster.until_gone(path)
    started(cluster, namespace, made)
    (left,) = owned(cluster, "pods", namespace)
    assert left["metadata"]["uid"] == pod["metadata"]["uid"]
    (adopted,) = owned(cluster, "replicasets", namespace)
    assert adopted["metadata"]["uid"] == replica_set["metadata"]["uid"]
    assert adopted["metadata"]["ownerReferences"][0]["uid"] == cluster.read(path)["metadata"]["uid"]


@behaviour("minReadySeconds delays a pod's availability, not its readiness", area="deployments")
def test_min_ready_seconds(cluster: Cluster, namespace: str) -> None:
    """A pod that is ready is not available for minutes; without minReadySeconds it is, and is no new pod."""
    path = start(cluster, namespace, templated(replicas=1, minReadySeconds=500))
    ready = cluster.until(path, lambda one: one["status"].get("readyReplicas") == 1)
    assert "availableReplicas" not in ready["status"]
    assert ready["status"]["unavailableReplicas"] == 1
    assert conditions(ready)["Available"] == ("False", "MinimumReplicasUnavailable")
    (replica_set,) = owned(cluster, "replicasets", namespace)
    assert replica_set["spec"]["minReadySeconds"] == 500
    cluster.patch(path, {"spec": {"minReadySeconds": 0}})
    cluster.until(path, lambda one: one["status"].get("availableReplicas") == 1)
    assert len(owned(cluster, "pods", namespace)) == 1


@behaviour("A deleted pod of a Deployment is replaced by one with another name and UID", area="deployments")
def test_a_deleted_pod_is_replaced(cluster: Cluster, namespace: str) -> None:
    """The Deployment is unavailable meanwhile, and its rollout is not begun anew."""
    path = started(cluster, namespace, templated(replicas=1))
    (old,) = owned(cluster, "pods", namespace)
    version = cluster.read(path)["metadata"]["resourceVersion"]
    cluster.call("DELETE", cluster.path("pods", namespace, old["metadata"]["name"]), {"gracePeriodSeconds": 0})
    since = {"watch": "true", "resourceVersion": version, "timeoutSeconds": int(PATIENCE_S)}
    seen = (event["object"] for event in cluster.lines(path.rpartition("/")[0], since))
    lacking = next(one for one in seen if not one["status"].get("availableReplicas"))
    assert conditions(lacking)["Progressing"] == ("True", "NewReplicaSetAvailable")
    cluster.until(path, rolled_out)
    (new,) = owned(cluster, "pods", namespace)
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert new["metadata"]["name"] != old["metadata"]["name"]
