"""Rollouts: from one template to the next, within bounds, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.behaviours import behaviour
from tests.contract.clusters import JSON_PATCH
from tests.contract.manifests import IMAGE
from tests.contract.workloads import (
    REVISION,
    Trail,
    apply_template,
    conditions,
    is_ready,
    owned,
    reasons,
    rolled_out,
    start,
    started,
    templated,
)

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster

    Object = dict[str, Any]

NOWHERE = "gameday/no-such-image:1"


def sizes(cluster: Cluster, namespace: str) -> list[int]:
    """How many replicas each set is asked for, oldest revision first."""
    return [one["spec"]["replicas"] for one in owned(cluster, "replicasets", namespace)]


def until_sizes(cluster: Cluster, path: str, namespace: str, *wanted: int) -> None:
    """Wait until the sets are asked for so many replicas, and have their pods."""

    def counted(one: Object) -> bool:
        seen = one["status"].get("observedGeneration") == one["metadata"]["generation"]
        return seen and one["status"].get("replicas") == sum(wanted) and sizes(cluster, namespace) == list(wanted)

    cluster.until(path, counted)


def rolling(surge: int | str, lacking: int | str) -> Object:
    """The strategy with these bounds."""
    return {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": lacking}}


def to_env(cluster: Cluster, path: str, value: str) -> None:
    """Ask for another template, and wait until it is rolled out."""
    apply_template(cluster, path, env=value)
    cluster.until(path, rolled_out)


@pytest.mark.parametrize(("surge", "lacking"), [(1, 0), (0, 1)])
@behaviour("A rolling update never exceeds maxSurge nor falls below maxUnavailable", area="deployments")
def test_bounds_hold_throughout(cluster: Cluster, namespace: str, surge: int, lacking: int) -> None:
    """In every state that watches show, from the first change to the end: sizes of the sets, ready pods."""
    path = started(cluster, namespace, templated(replicas=2, strategy=rolling(surge, lacking)))
    sets, pods = Trail(cluster, "replicasets", namespace), Trail(cluster, "pods", namespace)
    to_env(cluster, path, "2")
    asked = [sum(one["spec"]["replicas"] for one in state.values()) for state in sets.states()]
    assert max(asked) == 2 + surge
    assert min(pods.counts(is_ready)) == 2 - lacking
    assert sizes(cluster, namespace) == [0, 2]


@pytest.mark.parametrize(("replicas", "surge", "lacking", "old", "new"), [
    (3, "25%", "25%", 3, 1),  # 0.75 up to 1, 0.75 down to 0
    (3, "34%", "34%", 2, 3),  # 1.02 up to 2, 1.02 down to 1
    (1, "0%", "25%", 0, 1),  # both nothing: then one may lack
])  # fmt: skip
@behaviour("Percentages of maxSurge are rounded up, of maxUnavailable down, and one pod may lack if both give none",
           area="deployments")  # fmt: skip
def test_percentages_are_rounded(
    cluster: Cluster, namespace: str, replicas: int, surge: str, lacking: str, old: int, new: int
) -> None:  # fmt: skip
    """A template whose pods never run stops where the bounds are."""
    path = started(cluster, namespace, templated(replicas=replicas, strategy=rolling(surge, lacking)))
    apply_template(cluster, path, image=NOWHERE)
    until_sizes(cluster, path, namespace, old, new)


@behaviour("A template with a wrong image leaves the old pods serving, and undoing it ends the rollout",
           area="deployments")  # fmt: skip
def test_a_stuck_rollout(cluster: Cluster, namespace: str) -> None:
    """Still Available, never rolled out; the old ReplicaSet comes back with a new revision, its pod untouched."""
    path = started(cluster, namespace, templated(replicas=1, progressDeadlineSeconds=1))
    (pod,) = owned(cluster, "pods", namespace)
    apply_template(cluster, path, image=NOWHERE)
    stuck = cluster.until(path, lambda one: reasons(one, "Progressing") == "ProgressDeadlineExceeded")
    assert conditions(stuck)["Available"] == ("True", "MinimumReplicasAvailable")
    counts = {"replicas": 2, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1, "unavailableReplicas": 1}
    assert {k: v for k, v in stuck["status"].items() if k.endswith("eplicas")} == counts
    apply_template(cluster, path, image=IMAGE)
    done = cluster.until(path, lambda one: rolled_out(one) and reasons(one, "Progressing") == "NewReplicaSetAvailable")
    assert done["metadata"]["annotations"][REVISION] == "3"
    bad, good = owned(cluster, "replicasets", namespace)
    assert [one["metadata"]["annotations"][REVISION] for one in (bad, good)] == ["2", "3"]
    assert good["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"
    assert pod["metadata"]["uid"] in [one["metadata"]["uid"] for one in owned(cluster, "pods", namespace)]


@behaviour("A change of replicas in mid-rollout is shared by old and new ReplicaSet in proportion", area="deployments")
def test_proportional_scaling(cluster: Cluster, namespace: str) -> None:
    """Two old and one new, stuck: five replicas and one of surge make four and two."""
    path = started(cluster, namespace, templated(replicas=2, strategy=rolling(1, 0)))
    apply_template(cluster, path, image=NOWHERE)
    until_sizes(cluster, path, namespace, 2, 1)
    cluster.patch(path, {"spec": {"replicas": 5}})
    until_sizes(cluster, path, namespace, 4, 2)


@behaviour("A paused Deployment makes no ReplicaSet of a new template, yet scales; resumed, it rolls out",
           area="deployments")  # fmt: skip
def test_pause_and_resume(cluster: Cluster, namespace: str) -> None:
    """Progressing is Unknown DeploymentPaused, then DeploymentResumed, then done."""
    path = started(cluster, namespace, templated(replicas=1))
    cluster.patch(path, {"spec": {"paused": True}})
    paused = cluster.until(path, lambda one: reasons(one, "Progressing") == "DeploymentPaused")
    assert conditions(paused)["Progressing"] == ("Unknown", "DeploymentPaused")
    apply_template(cluster, path, env="2")
    cluster.patch(path, {"spec": {"replicas": 0}})
    until_sizes_of_one(cluster, path, namespace)
    trail = Trail(cluster, "deployments", namespace)
    cluster.patch(path, {"spec": {"paused": False}})
    cluster.until(path, lambda one: reasons(one, "Progressing") == "NewReplicaSetAvailable")
    seen = [conditions(state["web"])["Progressing"] for state in trail.states()]
    assert ("Unknown", "DeploymentResumed") in seen
    assert len(owned(cluster, "replicasets", namespace)) == 2


def until_sizes_of_one(cluster: Cluster, path: str, namespace: str) -> None:
    """Wait until the last change was seen; there is one set, of no replicas, and nothing was updated."""
    cluster.until(path, lambda one: one["status"].get("observedGeneration") == one["metadata"]["generation"])
    cluster.until(path, lambda one: "replicas" not in one["status"])
    assert sizes(cluster, namespace) == [0]


@behaviour("Recreate makes the first new pod when the last old one is gone", area="deployments")
def test_recreate(cluster: Cluster, namespace: str) -> None:
    """The old pod does not hear SIGTERM and has ten minutes; until it is taken by force there is no other."""
    made = templated(replicas=1, strategy={"type": "Recreate"}, pod_terminationGracePeriodSeconds=600)
    made["spec"]["template"]["spec"]["containers"][0]["command"] = ["sh", "-c", "trap '' TERM; sleep 600"]
    path = started(cluster, namespace, made)
    (old,) = owned(cluster, "pods", namespace)
    trail = Trail(cluster, "pods", namespace)
    apply_template(cluster, path, env="2")
    at = cluster.path("pods", namespace, old["metadata"]["name"])
    cluster.until(at, lambda one: "deletionTimestamp" in one["metadata"])
    cluster.until(path, lambda one: "replicas" not in one["status"])
    cluster.call("DELETE", at, {"gracePeriodSeconds": 0})
    cluster.until(path, rolled_out)
    assert max(len(state) for state in trail.states()) == 1


@behaviour("A template that comes while another rolls out takes its place", area="deployments")
def test_a_rollover(cluster: Cluster, namespace: str) -> None:
    """The unfinished set goes down to none; the last one gets all replicas."""
    path = started(cluster, namespace, templated(replicas=2))
    apply_template(cluster, path, image=NOWHERE)
    until_sizes(cluster, path, namespace, 2, 1)
    apply_template(cluster, path, env="3", image=IMAGE)
    cluster.until(path, rolled_out)
    assert sizes(cluster, namespace) == [0, 0, 2]


@behaviour("Every new template is a new revision, also in its ReplicaSet; a template that was there before moves up",
           area="deployments")  # fmt: skip
def test_revisions(cluster: Cluster, namespace: str) -> None:
    """One, two, and one again is three; scaling is no revision."""
    path = started(cluster, namespace, templated())
    (first,) = owned(cluster, "replicasets", namespace)
    to_env(cluster, path, "2")
    to_env(cluster, path, "1")
    done = cluster.until(path, lambda one: one["metadata"]["annotations"][REVISION] == "3")
    assert done["status"]["observedGeneration"] == 3
    by_revision = {
        one["metadata"]["annotations"][REVISION]: one["metadata"]["name"]
        for one in owned(cluster, "replicasets", namespace)
    }
    assert set(by_revision) == {"2", "3"}
    assert by_revision["3"] == first["metadata"]["name"]


@behaviour("A ReplicaSet tells its Deployment's desired and greatest number of replicas", area="deployments")
def test_annotations_of_replica_sets(cluster: Cluster, namespace: str) -> None:
    """desired-replicas and max-replicas follow the scale; the change-cause goes along with its template."""
    made = templated(paused=True)
    made["metadata"]["annotations"] = {"kubernetes.io/change-cause": "the first"}
    path = start(cluster, namespace, made)
    cluster.patch(path, {"spec": {"paused": False}})
    cluster.until(path, rolled_out)
    (one,) = owned(cluster, "replicasets", namespace)
    prefix = "deployment.kubernetes.io/"
    found = one["metadata"]["annotations"]
    assert (found[prefix + "desired-replicas"], found[prefix + "max-replicas"]) == ("0", "0")
    assert found["kubernetes.io/change-cause"] == "the first"
    cluster.patch(path, {"spec": {"replicas": 2}})
    at = cluster.path("replicasets", namespace, one["metadata"]["name"])
    found = cluster.until(at, lambda one: one["spec"]["replicas"] == 2)["metadata"]["annotations"]
    assert (found[prefix + "desired-replicas"], found[prefix + "max-replicas"]) == ("2", "3")


@behaviour("Old ReplicaSets beyond revisionHistoryLimit are deleted", area="deployments")
def test_revision_history_limit(cluster: Cluster, namespace: str) -> None:
    """With a limit of none, the set of the first template goes when the second is rolled out."""
    path = started(cluster, namespace, templated(revisionHistoryLimit=0))
    (first,) = owned(cluster, "replicasets", namespace)
    to_env(cluster, path, "2")
    cluster.until_gone(cluster.path("replicasets", namespace, first["metadata"]["name"]))
    (left,) = owned(cluster, "replicasets", namespace)
    assert left["metadata"]["annotations"][REVISION] == "2"


@behaviour("A ReplicaSet of the wanted name and another template is passed over, and collisionCount rises",
           area="deployments")  # fmt: skip
def test_a_hash_collision(cluster: Cluster, namespace: str) -> None:
    """A set that was orphaned and changed stands in the way of the same Deployment's return."""
    made = templated()
    path = started(cluster, namespace, made)
    (before,) = owned(cluster, "replicasets", namespace)
    assert cluster.call("DELETE", path, {"propagationPolicy": "Orphan"}).status == 200
    cluster.until_gone(path)
    at = cluster.path("replicasets", namespace, before["metadata"]["name"])
    cluster.until(at, lambda one: "ownerReferences" not in one["metadata"])
    changed = [{"op": "replace", "path": "/spec/template/spec/terminationGracePeriodSeconds", "value": 7}]
    cluster.patch(at, changed, JSON_PATCH)
    path = started(cluster, namespace, made)
    found = cluster.until(path, lambda one: one["status"].get("collisionCount"))
    assert found["status"]["collisionCount"] == 1
    assert len(owned(cluster, "replicasets", namespace)) == 2
