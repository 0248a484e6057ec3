"""A Deployment's status: counts, and the conditions Available and Progressing."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

from gameday.cluster.records import condition, seconds_since, set_condition, set_status
from gameday.cluster.store import now

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.cluster.store import Object, Store

_NO_DEADLINE_S = 2**31 - 1
_DONE, _LATE, _PAUSED = "NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused"


def pause_or_resume(store: Store, deployment: Object) -> Object:
    """Say in the conditions that the Deployment was paused or resumed, before anything else is done."""
    paused, meta = bool(deployment["spec"].get("paused")), deployment["metadata"]
    found = condition(deployment, "Progressing")
    if (found and found["reason"] == _LATE) or paused == bool(found and found["reason"] == _PAUSED):
        return deployment
    why = (_PAUSED, "Deployment is paused") if paused else ("DeploymentResumed", "Deployment is resumed")
    return store.mutate(
        "deployments.apps", meta["namespace"], meta["name"], lambda d: set_progressing(d, *why, status="Unknown")
    )


def set_progressing(
    deployment: Object, reason: str, message: str, *, status: str = "True", only_first: bool = False
) -> None:
    """Set the condition in place, unless there is to be none, or (`only_first`) there is one."""
    conditions = deployment.setdefault("status", {}).setdefault("conditions", [])
    if deployment["spec"].get("progressDeadlineSeconds", 600) < _NO_DEADLINE_S and not (
        only_first and condition(deployment, "Progressing")
    ):
        set_condition(conditions, "Progressing", status, reason=reason, message=message, lastUpdateTime=now())


def report(store: Store, deployment: Object, sets: list[Object], new_name: str) -> float | None:
    """Write the status; returns in how many seconds the progress deadline must be looked at."""
    found = store.get("deployments.apps", deployment["metadata"]["namespace"], deployment["metadata"]["name"])
    current, old = copy.deepcopy(found), found.get("status") or {}
    new = next((s for s in sets if s["metadata"]["name"] == new_name), None)
    current["status"] = {
        **_counts(current, sets, new),
        **{k: old[k] for k in ("collisionCount",) if k in old},
        "conditions": copy.deepcopy(old.get("conditions", [])),
    }
    again_s = None if current["spec"].get("paused") else _report_progress(current, old, new_name)
    _set_available(current)
    _set_failure(current, [*([new] if new else []), *sets])
    set_status(store, "deployments.apps", current, current["status"])
    return again_s


def bounds(deployment: Object) -> tuple[int, int]:
    """How many pods a rollout may add (rounded up) and may lack (rounded down); never both none."""
    replicas = deployment["spec"].get("replicas", 1)
    strategy = deployment["spec"].get("strategy", {})
    if strategy.get("type") == "Recreate":
        return 0, 0
    rolling = strategy.get("rollingUpdate") or {}

    surge = share(rolling.get("maxSurge", "25%"), replicas, math.ceil)
    lacking = share(rolling.get("maxUnavailable", "25%"), replicas, math.floor)
    return surge, (lacking if surge or lacking else 1)


def share(value: int | str, total: int, rounded: Callable[[float], int]) -> int:
    """A number, or a percentage of a total."""
    return rounded(int(value[:-1]) * total / 100) if isinstance(value, str) and "%" in value else int(value)


def _counts(deployment: Object, sets: list[Object], new: Object | None) -> dict[str, Any]:
    def total(field: str) -> int:
        return sum(s.get("status", {}).get(field, 0) for s in sets)

    available = total("availableReplicas")
    counts = {
        "replicas": total("replicas"),
        "updatedReplicas": new.get("status", {}).get("replicas", 0) if new else 0,
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(s["spec"]["replicas"] for s in sets) - available),
    }
    return {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        **{k: n for k, n in counts.items() if n},  # a real server leaves zeros out
    }


def _set_available(deployment: Object) -> None:
    status = deployment["status"]
    enough = status.get("availableReplicas", 0) >= deployment["spec"].get("replicas", 1) - bounds(deployment)[1]
    reason = "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable"
    message = f"Deployment {'has' if enough else 'does not have'} minimum availability."
    found = condition(deployment, "Available")
    updated = found["lastUpdateTime"] if found and found["status"] == str(enough) else now()
    set_condition(status["conditions"], "Available", str(enough), reason=reason, message=message,
                  lastUpdateTime=updated)  # fmt: skip


def _set_failure(deployment: Object, sets: list[Object]) -> None:
    """Repeat why a set cannot make its pods; the condition goes when all can."""
    failure = next((c for s in sets if (c := condition(s, "ReplicaFailure"))), None)
    others = [c for c in deployment["status"]["conditions"] if c.get("type") != "ReplicaFailure"]
    repeated = [{**failure, "lastUpdateTime": failure["lastTransitionTime"]}] if failure else []
    deployment["status"]["conditions"] = others + repeated


def _report_progress(deployment: Object, old: dict[str, Any], name: str) -> float | None:
    """Set the condition Progressing; returns when the deadline must be looked at."""
    spec, status, found = deployment["spec"], deployment["status"], condition(deployment, "Progressing")
    wanted, reason = spec.get("replicas", 1), found["reason"] if found else ""
    if reason == _DONE and status.get("replicas", 0) == status.get("updatedReplicas", 0):
        return None  # once rolled out, a pod lost later is no failed rollout
    if all(status.get(f, 0) == wanted for f in ("replicas", "updatedReplicas", "availableReplicas")):
        set_progressing(deployment, _DONE, f'ReplicaSet "{name}" has successfully progressed.')
        return None
    if _moved(old, status):
        set_progressing(deployment, "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
        found = condition(deployment, "Progressing")
    if found is None or found["reason"] in (_DONE, _LATE):
        return None
    left_s = float(spec.get("progressDeadlineSeconds", 600)) - seconds_since(found["lastUpdateTime"])
    if left_s > 0:
        return min(left_s, 3600) + 0.01
    set_progressing(deployment, _LATE, f'ReplicaSet "{name}" has timed out progressing.', status="False")
    return None


def _moved(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether the rollout came forward since the last status."""

    def outdated(status: dict[str, Any]) -> int:
        return int(status.get("replicas", 0) - status.get("updatedReplicas", 0))

    rose = any(new.get(f, 0) > old.get(f, 0) for f in ("updatedReplicas", "readyReplicas", "availableReplicas"))
    return rose or outdated(new) < outdated(old)
