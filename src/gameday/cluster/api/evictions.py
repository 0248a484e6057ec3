"""Whether a pod may be evicted: what its disruption budget says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gameday.cluster.api.errors import ApiError
from gameday.cluster.records import budgets_of, is_active, is_ready

if TYPE_CHECKING:
    from gameday.cluster.store import Object, Store

_BUDGETS = "poddisruptionbudgets.policy"


def allow(store: Store, pod: Object, *, dry: bool) -> None:
    """Count the disruption in the pod's budget, unless it is a dry run. Raises ApiError 429, 500."""
    if not is_active(pod) or pod["status"].get("phase") == "Pending":
        return
    budgets = budgets_of(store, pod)
    if len(budgets) > 1:
        raise ApiError(500, "This pod has more than one PodDisruptionBudget, which the eviction subresource does not "
                            "support.")  # fmt: skip
    for budget in budgets:
        _take(store, budget, ready=is_ready(pod), dry=dry)


def _take(store: Store, budget: Object, *, ready: bool, dry: bool) -> None:
    numbers = dict.fromkeys(("currentHealthy", "desiredHealthy", "disruptionsAllowed"), 0)
    name, status = budget["metadata"]["name"], numbers | budget["status"]  # a client may have written another status
    if status.get("observedGeneration", 0) < budget["metadata"]["generation"]:
        why = f"The disruption budget {name} is still being processed by the server."
        raise _refused(why, retryAfterSeconds=10)
    if not ready and status["currentHealthy"] >= status["desiredHealthy"] > 0:
        return  # it is one too many already
    if not status["disruptionsAllowed"]:
        needs, has = status["desiredHealthy"], status["currentHealthy"]
        raise _refused(f"The disruption budget {name} needs {needs} healthy pods and has {has} currently")

    def count(current: Object) -> None:
        current["status"]["disruptionsAllowed"] = status["disruptionsAllowed"] - 1

    if not dry:
        store.mutate(_BUDGETS, budget["metadata"]["namespace"], name, count)


def _refused(why: str, **details: Any) -> ApiError:
    causes = [{"reason": "DisruptionBudget", "message": why}]
    return ApiError(429, "Cannot evict pod as it would violate the pod's disruption budget.",
                    details={**details, "causes": causes})  # fmt: skip
