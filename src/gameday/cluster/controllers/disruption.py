"""PodDisruptionBudgets: how many of the selected pods may be evicted now."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

from gameday.cluster.controllers.rollout import share
from gameday.cluster.reconcile import Key, Loop, own_key
from gameday.cluster.records import budgets_of, controller_of, is_ready, set_condition, set_status
from gameday.cluster.selectors import matches

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gameday.cluster.store import Object, Store

RESOURCE = "poddisruptionbudgets.policy"
_SCALED = {"ReplicaSet": "replicasets.apps", "Deployment": "deployments.apps", "StatefulSet": "statefulsets.apps"}


def make_loop(store: Store) -> Loop:
    """The disruption controller."""

    def of_pod(pod: Object) -> Iterable[Key]:
        return [key for budget in budgets_of(store, pod) for key in own_key(budget)]

    return Loop(store, {RESOURCE: own_key, "pods": of_pod}, lambda key: _reconcile(store, *key), "disruption")


def _reconcile(store: Store, namespace: str, name: str) -> None:
    budget = store.find(RESOURCE, namespace, name)
    if budget is None:
        return
    spec, generation = budget["spec"], budget["metadata"]["generation"]
    pods = [p for p in store.list("pods", namespace) if matches(spec.get("selector"), p["metadata"].get("labels"))]
    expected = len(pods) if isinstance(spec.get("minAvailable"), int) else _expected(store, pods)
    status: dict[str, Any] = copy.deepcopy(budget["status"])
    if expected is None:
        status["disruptionsAllowed"] = 0
        reason = "SyncFailed"
    else:
        desired = share(spec.get("minAvailable", 0), expected, math.ceil)
        if "maxUnavailable" in spec:
            desired = max(0, expected - share(spec["maxUnavailable"], expected, math.ceil))
        current = sum(is_ready(p) and "deletionTimestamp" not in p["metadata"] for p in pods)
        allowed = max(0, current - desired) if expected else 0
        status |= {"currentHealthy": current, "desiredHealthy": desired, "disruptionsAllowed": allowed,
                   "expectedPods": expected, "observedGeneration": generation}  # fmt: skip
        reason = "SufficientPods" if allowed else "InsufficientPods"
    set_condition(status.setdefault("conditions", []), "DisruptionAllowed", str(reason == "SufficientPods"),
                  reason=reason, message="", observedGeneration=generation)  # fmt: skip
    set_status(store, RESOURCE, budget, status)


def _expected(store: Store, pods: list[Object]) -> int | None:
    """How many pods their controllers are to keep; None when one has no controller with a scale."""
    tops = [_top(store, pod) for pod in pods]
    found = {top["metadata"]["uid"]: top["spec"].get("replicas", 1) for top in tops if top}
    return sum(found.values()) if all(tops) else None


def _top(store: Store, obj: Object) -> Object | None:
    """The topmost controller that has a scale."""
    owner = controller_of(obj)
    found = owner and store.find(_SCALED.get(owner["kind"], ""), obj["metadata"]["namespace"], owner["name"])
    return (_top(store, found) or found) if found else None
