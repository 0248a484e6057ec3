"""PodDisruptionBudgets, and evictions that they allow or refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.behaviours import behaviour
from tests.contract.manifests import WAIT, container, pod
from tests.contract.running import kept
from tests.contract.workloads import conditions, owned, started, templated

if TYPE_CHECKING:
    from tests.contract.clusters import Answer, Cluster

    Object = dict[str, Any]


def budget(cluster: Cluster, namespace: str, name: str = "web", **spec: Any) -> str:
    """A budget for the pods with app=web; returns its path."""
    body = {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec}}
    cluster.create(cluster.path("poddisruptionbudgets", namespace), body)
    return cluster.path("poddisruptionbudgets", namespace, name)


def counted(cluster: Cluster, path: str, *, current: int, desired: int, allowed: int, expected: int) -> Object:
    """Wait until a budget's status says so."""
    wanted = {
        "currentHealthy": current, "desiredHealthy": desired, "disruptionsAllowed": allowed, "expectedPods": expected,
    }  # fmt: skip
    return cluster.until(path, lambda one: wanted.items() <= one["status"].items())


def evict(cluster: Cluster, namespace: str, name: str, *, query: Any = None, **fields: Any) -> Answer:
    """Ask for an eviction, in the version that the cluster has."""
    version = "policy/v1" if cluster.version >= (1, 22) else "policy/v1beta1"
    body = {"apiVersion": version, "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}, **fields}
    return cluster.call("POST", cluster.path("pods", namespace, name) + "/eviction", body, query=query)


def bare(cluster: Cluster, namespace: str, name: str, *, ready: bool = True, **fields: Any) -> str:
    """A pod with app=web and no controller, running; returns its path."""
    made = pod(name, container(WAIT, **fields), labels={"app": "web"}, terminationGracePeriodSeconds=3)
    cluster.create(cluster.path("pods", namespace), made)
    path = cluster.path("pods", namespace, name)
    cluster.until(path, lambda one: one["status"]["phase"] == "Running")
    cluster.until(path, lambda one: conditions(one).get("Ready", ("",))[0] == str(ready))
    return path


@behaviour("A budget's status counts healthy, desired and expected pods; percentages are rounded up", area="disruption")
def test_status_of_budgets(cluster: Cluster, namespace: str) -> None:
    """Three pods of a Deployment, and budgets of every form."""
    started(cluster, namespace, templated(replicas=3))
    forms: list[tuple[Object, int]] = [
        ({"minAvailable": 2}, 2), ({"minAvailable": "50%"}, 2), ({"minAvailable": "100%"}, 3), ({"minAvailable": 5}, 5),
        ({"maxUnavailable": 1}, 2), ({"maxUnavailable": "50%"}, 1), ({"maxUnavailable": 0}, 3),
        ({"maxUnavailable": 4}, 0),
    ]  # fmt: skip
    paths = [budget(cluster, namespace, f"form-{index}", **form) for index, (form, _) in enumerate(forms)]
    for path, (_, desired) in zip(paths, forms, strict=True):
        found = counted(cluster, path, current=3, desired=desired, allowed=max(0, 3 - desired), expected=3)
        assert found["status"]["observedGeneration"] == found["metadata"]["generation"] == 1


@behaviour("A budget follows its pods and its own changes", area="disruption")
def test_a_budget_follows(cluster: Cluster, namespace: str) -> None:
    """Pods come and go; minAvailable is patched, which raises the generation."""
    path = budget(cluster, namespace, minAvailable=1)
    counted(cluster, path, current=0, desired=1, allowed=0, expected=0)
    at = bare(cluster, namespace, "one")
    counted(cluster, path, current=1, desired=1, allowed=0, expected=1)
    cluster.patch(path, {"spec": {"minAvailable": 0}}, "application/merge-patch+json")
    found = counted(cluster, path, current=1, desired=0, allowed=1, expected=1)
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"] == 2
    cluster.call("DELETE", at, {"gracePeriodSeconds": 0})
    counted(cluster, path, current=0, desired=0, allowed=0, expected=0)


@pytest.mark.parametrize("spec", [{"maxUnavailable": 1}, {"maxUnavailable": "50%"}, {"minAvailable": "50%"}])
@behaviour("A budget by maxUnavailable or percentage allows nothing for pods without a controller", area="disruption")
def test_pods_without_a_controller(cluster: Cluster, namespace: str, spec: Object) -> None:
    """How many are expected cannot be told; a budget made after it and counted shows that it had its turn."""
    bare(cluster, namespace, "one")
    path = budget(cluster, namespace, "unknown", **spec)
    after = budget(cluster, namespace, "known", minAvailable=0)
    counted(cluster, after, current=1, desired=0, allowed=1, expected=1)
    assert cluster.call("DELETE", after).status == 200
    found = cluster.read(path)["status"]
    assert (found["disruptionsAllowed"], found["expectedPods"], found["desiredHealthy"]) == (0, 0, 0)
    answer = evict(cluster, namespace, "one")
    assert (answer.status, answer.reason) == (429, "TooManyRequests")
    (cause,) = answer.json["details"]["causes"]
    assert cause["reason"] == "DisruptionBudget"


@behaviour("A budget says whether it allows disruptions in its condition DisruptionAllowed", area="disruption",
           since="1.22")  # fmt: skip
def test_the_condition_of_a_budget(cluster: Cluster, namespace: str) -> None:
    """InsufficientPods, then SufficientPods."""
    path = budget(cluster, namespace, minAvailable=0)
    found = cluster.until(path, conditions)
    assert conditions(found) == {"DisruptionAllowed": ("False", "InsufficientPods")}
    bare(cluster, namespace, "one")
    found = counted(cluster, path, current=1, desired=0, allowed=1, expected=1)
    assert conditions(found) == {"DisruptionAllowed": ("True", "SufficientPods")}
    (condition,) = found["status"]["conditions"]
    assert condition["observedGeneration"] == 1


@pytest.mark.parametrize("spec", [{"minAvailable": 1, "maxUnavailable": 1}, {"minAvailable": "one"},
                                  {"maxUnavailable": -1}, {"minAvailable": "101%"}])  # fmt: skip
@behaviour("A budget with two bounds, or with one that is no number of pods, is refused", area="disruption")
def test_bounds_of_budgets(cluster: Cluster, namespace: str, spec: Object) -> None:
    """422 Invalid."""
    body = {"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec}}
    answer = cluster.call("POST", cluster.path("poddisruptionbudgets", namespace), body)
    assert (answer.status, answer.reason) == (422, "Invalid")


@behaviour("An eviction without a budget is answered 201 and deletes the pod with its grace", area="disruption")
def test_an_eviction(cluster: Cluster, namespace: str) -> None:
    """A Status says Success; the pod, which a finalizer keeps, has a deletionTimestamp and its own grace period."""
    made = pod("one", container(WAIT), terminationGracePeriodSeconds=3)
    with kept(cluster, namespace, made) as path:
        cluster.until(path, lambda one: one["status"]["phase"] == "Running")
        answer = evict(cluster, namespace, "one")
        assert (answer.status, answer.json["kind"], answer.json["status"]) == (201, "Status", "Success")
        ending = cluster.read(path)["metadata"]
        assert ending["deletionGracePeriodSeconds"] == 3
        assert ending["deletionTimestamp"]


@behaviour("An eviction takes the delete options that it carries, and a dry run", area="disruption")
def test_options_of_an_eviction(cluster: Cluster, namespace: str) -> None:
    """A foreign UID is a conflict, a dry run changes nothing, a grace of 0 is at once; a bare body will do."""
    path = bare(cluster, namespace, "one")
    answer = evict(cluster, namespace, "one", deleteOptions={"preconditions": {"uid": "another"}})
    assert (answer.status, answer.reason) == (409, "Conflict")
    assert evict(cluster, namespace, "one", deleteOptions={"dryRun": ["All"]}).status == 201
    assert "deletionTimestamp" not in cluster.read(path)["metadata"]
    body = {"metadata": {"name": "one"}, "deleteOptions": {"gracePeriodSeconds": 0}}
    assert cluster.call("POST", f"{path}/eviction", body).status == 201
    assert cluster.call("GET", path).status == 404


@behaviour("An eviction that a budget forbids is answered 429 with the cause DisruptionBudget", area="disruption")
def test_a_refused_eviction(cluster: Cluster, namespace: str) -> None:
    """The pod stays; deleting it is not stopped by any budget."""
    path = bare(cluster, namespace, "one")
    counted(cluster, budget(cluster, namespace, minAvailable=1), current=1, desired=1, allowed=0, expected=1)
    answer = evict(cluster, namespace, "one")
    assert (answer.status, answer.reason) == (429, "TooManyRequests")
    assert answer.json["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    (cause,) = answer.json["details"]["causes"]
    assert cause["reason"] == "DisruptionBudget"
    assert "The disruption budget web needs 1 healthy pods and has 1 currently" in cause["message"]
    assert "deletionTimestamp" not in cluster.read(path)["metadata"]
    assert cluster.call("DELETE", path).status == 200


@behaviour("An eviction uses up what a budget allows until the pod is replaced", area="disruption")
def test_an_allowed_eviction(cluster: Cluster, namespace: str) -> None:
    """Of two pods one may go; the second has to wait for the successor of the first."""
    started(cluster, namespace, templated(replicas=2))
    path = budget(cluster, namespace, maxUnavailable=1)
    counted(cluster, path, current=2, desired=1, allowed=1, expected=2)
    first, second = owned(cluster, "pods", namespace)
    assert evict(cluster, namespace, first["metadata"]["name"]).status == 201
    answer = evict(cluster, namespace, second["metadata"]["name"])
    assert (answer.status, answer.reason) == (429, "TooManyRequests")
    counted(cluster, path, current=2, desired=1, allowed=1, expected=2)
    assert evict(cluster, namespace, second["metadata"]["name"]).status == 201


@behaviour("A pod with two budgets cannot be evicted", area="disruption")
def test_two_budgets(cluster: Cluster, namespace: str) -> None:
    """A Status of code 500 that says so."""
    path = bare(cluster, namespace, "one")
    for name in ("web", "also"):
        counted(cluster, budget(cluster, namespace, name, minAvailable=0), current=1, desired=0, allowed=1, expected=1)
    answer = evict(cluster, namespace, "one")
    assert (answer.status, answer.json["code"], answer.json["status"]) == (500, 500, "Failure")
    assert answer.json["message"] == (
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    )
    assert "deletionTimestamp" not in cluster.read(path)["metadata"]


@behaviour("A pod that does not run yet is evicted whatever its budget says", area="disruption")
def test_a_pending_pod(cluster: Cluster, namespace: str) -> None:
    """Its image is nowhere."""
    path = cluster.path("pods", namespace, "one")
    made = pod("one", {**container(WAIT), "image": "gameday/no-such-image:1"}, labels={"app": "web"})
    cluster.create(cluster.path("pods", namespace), made)
    counted(cluster, budget(cluster, namespace, minAvailable=1), current=0, desired=1, allowed=0, expected=1)
    assert evict(cluster, namespace, "one").status == 201
    cluster.until_gone(path)


@behaviour("A pod that runs and is not ready is refused by a budget that allows nothing", area="disruption")
def test_an_unready_pod(cluster: Cluster, namespace: str) -> None:
    """The budget lacks a healthy pod already."""
    bare(cluster, namespace, "one", ready=False, readinessProbe={"exec": {"command": ["false"]}})
    counted(cluster, budget(cluster, namespace, minAvailable=1), current=0, desired=1, allowed=0, expected=1)
    answer = evict(cluster, namespace, "one")
    assert (answer.status, answer.reason) == (429, "TooManyRequests")


@behaviour("A pod that runs and is not ready may be evicted while its budget has enough healthy ones",
           area="disruption", since="1.22")  # fmt: skip
def test_an_unready_pod_too_many(cluster: Cluster, namespace: str) -> None:
    """One healthy pod is needed and there; the other is not ready."""
    bare(cluster, namespace, "one", ready=False, readinessProbe={"exec": {"command": ["false"]}})
    bare(cluster, namespace, "two")
    path = budget(cluster, namespace, minAvailable=1)
    counted(cluster, path, current=1, desired=1, allowed=0, expected=2)
    assert evict(cluster, namespace, "one").status == 201


@behaviour("An eviction of a pod that is not there is answered 404, of another name 400", area="disruption")
def test_whom_to_evict(cluster: Cluster, namespace: str) -> None:
    """The name in the body must be that of the URL."""
    answer = evict(cluster, namespace, "nobody")
    assert (answer.status, answer.reason) == (404, "NotFound")
    assert answer.json["details"] == {"name": "nobody", "kind": "pods"}
    version = "policy/v1" if cluster.version >= (1, 22) else "policy/v1beta1"
    body = {"apiVersion": version, "kind": "Eviction", "metadata": {"name": "other"}}
    answer = cluster.call("POST", cluster.path("pods", namespace, "nobody") + "/eviction", body)
    assert (answer.status, answer.reason) == (400, "BadRequest")
