"""The blast radius of a plan: how many pods each fault would hit, and whether the guard's caps allow it. Pure.

What is counted are the pods that the manifests make, or those that run in a namespace that is there. The same caps hold
again when the fault acts, on what is there then.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gameday.activities.guard import is_gamedays
from gameday.activities.settings import control_arguments, read_caps
from gameday.cluster.selectors import SelectorError, matches
from gameday.runner.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gameday.activities.caps import Caps

__all__ = ["Hit", "check", "hits", "pods_of_manifests", "pods_that_run"]

_ROUND = ("crash_pods", "evict_pods", "terminate_pods")
"""The actions that go round among the pods that match, a few at a time."""

Labels = dict[str, str]


@dataclass(frozen=True)
class Hit:
    """What one action of a method would hit: `most` of the `matched` pods at the same time, in a namespace of `of`."""

    action: str
    matched: int
    of: int
    most: int
    together: bool = True
    refusal: str | None = None

    def __str__(self) -> str:
        in_turn = "" if self.together else f" in turn, at most {self.most} at the same time"
        return f"hits {self.matched} of {self.of} pods{in_turn}"


def pods_of_manifests(manifests: Iterable[Mapping[str, Any]]) -> list[Labels]:
    """The labels of each pod of the shop that these objects make."""
    found: list[Labels] = []
    for one in manifests:
        if one.get("kind") in ("Deployment", "StatefulSet"):
            labels = one["spec"]["template"]["metadata"].get("labels") or {}
            found += [labels] * one["spec"].get("replicas", 1)
    return [labels for labels in found if not is_gamedays(labels)]


def pods_that_run(pods: Iterable[Any]) -> list[Labels]:
    """The labels of each of these pods."""
    return [dict(pod.metadata.labels or {}) for pod in pods]


def hits(experiment: Mapping[str, Any], pods: Sequence[Labels]) -> list[Hit]:
    """What each action of ours that selects pods would hit; those whose selector is filled in later are left out."""
    caps = read_caps(control_arguments(experiment))
    found = []
    for activity in experiment.get("method") or []:
        provider = activity.get("provider") or {}
        if activity.get("type") != "action" or not str(provider.get("module")).startswith("gameday.activities."):
            continue
        selector = (provider.get("arguments") or {}).get("label_selector")
        if isinstance(selector, str) and "${" not in selector:
            found.append(_hit(str(activity["name"]), provider, pods, caps))
    return found


def check(run_name: str, found: Iterable[Hit]) -> None:
    """Raise InvalidRequest, a line for each, when the caps do not allow what an experiment would hit."""
    refused = [f"{run_name}: {hit.action}: {hit.refusal}" for hit in found if hit.refusal]
    if refused:
        raise InvalidRequest("\n".join(refused))


def _hit(action: str, provider: Mapping[str, Any], pods: Sequence[Labels], caps: Caps) -> Hit:
    function, arguments = provider.get("func"), provider["arguments"]
    selector = arguments["label_selector"]
    try:
        hit = [labels for labels in pods if matches(selector, labels)]
    except SelectorError as problem:
        return Hit(action, 0, len(pods), 0, refusal=f"label_selector {selector!r}: {problem}")
    matched = _down(hit, function, arguments)
    if function in _ROUND:
        most = min(matched, caps.most(len(pods)))
        return Hit(action, matched, len(pods), most, together=False, refusal=caps.refusal(1, len(pods)))
    return Hit(action, matched, len(pods), matched, refusal=caps.refusal(matched, len(pods)))


def _down(hit: Sequence[Labels], function: Any, arguments: Mapping[str, Any]) -> int:
    """How many of the pods that match a fault would have down, as far as its arguments can be read."""
    if function == "scale" and isinstance(replicas := arguments.get("replicas"), int):
        by_workload = Counter(tuple(sorted(labels.items())) for labels in hit)
        return sum(max(0, there - replicas) for there in by_workload.values())
    if function == "make_unready" and isinstance(count := arguments.get("count"), int):
        return min(count, len(hit))
    if function == "make_unready" and isinstance(share := arguments.get("share"), int | float):
        return min(math.ceil(round(share * len(hit), 6)), len(hit))
    return len(hit)
