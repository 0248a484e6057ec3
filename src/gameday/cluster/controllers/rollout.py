"""A Deployment's status: counts, and the conditions Available and Progressing."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

from gameday.cluster.records import seconds_since, set_condition, set_status
from gameday.cluster.store import now

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.cluster.store import Object, Store

_UNSET_DEADLINE_S = 2**31 - 1


def report(store: Store, deployment: Object, sets: list[Object], new_name: str | None) -> float | None:
    """Write the status; returns in how many seconds the progress deadline must be looked at."""
    current = store.get("deployments.apps", deployment["metadata"]["namespace"], deployment["metadata"]["name"])
    old = current.get("status") or {}
    new = next((s for s in sets if s["metadata"]["name"] == new_name), None)
    status = _counts(current, sets, new)
    conditions = copy.deepcopy(old.get("conditions", []))
    _set_available(current, status, conditions)
    again_s = _set_progress(current, old, status, conditions, new)
    status["conditions"] = conditions
    set_status(store, "deployments.apps", current, status)
    return again_s


def bounds(deployment: Object) -> tuple[int, int]:
    """How many pods a rollout may add (rounded up) and may lack (rounded down); never both none."""
    replicas = deployment["spec"].get("replicas", 1)
    strategy = deployment["spec"].get("strategy", {})
    if strategy.get("type") == "Recreate":
        return 0, 0
    rolling = strategy.get("rollingUpdate") or {}

    def count(value: int | str, rounded: Callable[[float], int]) -> int:
        return rounded(int(value[:-1]) * replicas / 100) if isinstance(value, str) and "%" in value else int(value)

    surge = count(rolling.get("maxSurge", "25%"), math.ceil)
    lacking = count(rolling.get("maxUnavailable", "25%"), math.floor)
    return surge, (lacking if surge or lacking else 1)


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


def _set_available(deployment: Object, status: dict[str, Any], conditions: list[dict[str, Any]]) -> None:
    enough = status.get("availableReplicas", 0) >= deployment["spec"].get("replicas", 1) - bounds(deployment)[1]
    value = str(enough)
    reason = "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable"
    message = f"Deployment {'has' if enough else 'does not have'} minimum availability."
    updated = _kept(conditions, "Available", value)
    set_condition(conditions, "Available", value, reason=reason, message=message, lastUpdateTime=updated)


def _kept(conditions: list[dict[str, Any]], kind: str, status: str) -> str:
    """The time of the last update, which stands while the status does."""
    found = next((c for c in conditions if c["type"] == kind and c["status"] == status), None)
    return str(found["lastUpdateTime"]) if found else now()


Progress = tuple[str, str, str, str, float | None]
"""Status, reason, message, new update time (empty: as it was), and when to look again."""


def _set_progress(
    deployment: Object,
    old: dict[str, Any],
    status: dict[str, Any],
    conditions: list[dict[str, Any]],
    new: Object | None,
) -> float | None:
    found = next((c for c in conditions if c["type"] == "Progressing"), None)
    state, reason, message, updated, again_s = _progress(deployment, old, status, found, new)
    updated = updated or _kept(conditions, "Progressing", state)
    set_condition(conditions, "Progressing", state, reason=reason, message=message, lastUpdateTime=updated)
    return again_s


def _progress(
    deployment: Object, old: dict[str, Any], status: dict[str, Any], found: dict[str, Any] | None, new: Object | None
) -> Progress:
    verdict: Progress
    spec, name = deployment["spec"], new["metadata"]["name"] if new else ""
    deadline_s = float(spec.get("progressDeadlineSeconds", 600))
    ours = found is not None and f'"{name}"' in found["message"]
    rolled_out = bool(found and ours and found["reason"] == "NewReplicaSetAvailable")
    complete = new is not None and all(
        status.get(field, 0) == spec.get("replicas", 1)
        for field in ("replicas", "updatedReplicas", "availableReplicas")
    )
    if spec.get("paused"):
        verdict = ("Unknown", "DeploymentPaused", "Deployment is paused", "", None)
    elif complete or rolled_out:  # once rolled out, a pod lost later is no failed rollout
        message = f'ReplicaSet "{name}" has successfully progressed.'
        verdict = ("True", "NewReplicaSetAvailable", message, "" if rolled_out else now(), None)
    elif found is None or found["status"] == "Unknown" or not ours or _moved(old, status):
        verdict = ("True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.', now(), deadline_s)
    elif (left_s := deadline_s - seconds_since(found["lastUpdateTime"])) > 0 or deadline_s >= _UNSET_DEADLINE_S:
        verdict = (
            found["status"],
            found["reason"],
            found["message"],
            found["lastUpdateTime"],
            min(left_s, 3600) + 0.01,
        )
    else:
        message = f'ReplicaSet "{name}" has timed out progressing.'
        verdict = ("False", "ProgressDeadlineExceeded", message, "", None)
    return verdict


def _moved(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether the rollout came forward since the last status."""

    def outdated(status: dict[str, Any]) -> int:
        return int(status.get("replicas", 0) - status.get("updatedReplicas", 0))

    rose = any(new.get(f, 0) > old.get(f, 0) for f in ("updatedReplicas", "readyReplicas", "availableReplicas"))
    return rose or outdated(new) < outdated(old)
