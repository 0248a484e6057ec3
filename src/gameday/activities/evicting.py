"""Faults that evict pods, as the draining of a node or an autoscaler of nodes does: budgets are respected."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed

from gameday.activities.fault import activity
from gameday.activities.hunting import app_of, hunt
from gameday.kube import ApiException
from gameday.ledger.calls import CONFLICT, NOT_FOUND, REQUEST_TIMEOUT_S, find, said, wait_until

if TYPE_CHECKING:
    from gameday.kube import Kube

__all__ = ["Eviction", "evict_pods"]

TOO_MANY = 429
SEEN_TIMEOUT_S = 10.0


@activity("evict-pods")
def evict_pods(
    namespace: str,
    label_selector: str,
    every_s: float = 1.0,
    duration_s: float = 8.0,
    grace_period_s: int | None = None,
    one_of: list[str] | None = None,
    seed: int | None = None,
    keep_one: bool = False,  # noqa: FBT001, FBT002  # an argument in an experiment file
) -> dict[str, Any]:
    """Evict one ready pod every `every_s` seconds for `duration_s` seconds, app after app, each app at least once.

    Through the Eviction API, so a PodDisruptionBudget may refuse (429): that is counted, and tried again until the
    window ends. Nothing needs undoing: the Deployments replace what was evicted; `undo.revert_faults` waits until they
    have. `grace_period_s`: default the pod's own. `keep_one`: never take the last ready pod of an app that is meant to
    have several; by default that is left to the budgets. `one_of`, `seed`: as for `terminate_pods`. Each eviction is
    confirmed by the pod's UID being on its way out. Ends early once a violation is certain. Raises ActivityFailed when
    nothing was evicted, or an app was never hit, and names the budget that refused. Returns {fault, kind, target,
    proof, evicted, refused, seed, cut_short}.
    """
    eviction = Eviction(grace_period_s)
    done = hunt(
        "evict-pods", eviction, namespace, label_selector, every_s=every_s, duration_s=duration_s, one_of=one_of,
        seed=seed, keep_one=keep_one,
    )  # fmt: skip
    return done | {"refused": dict(eviction.refused)}


@dataclass
class Eviction:
    """Asks for a pod's eviction; `refused` counts by app what budgets forbade."""

    grace_period_s: int | None = None
    done: str = "evicted"
    refused: Counter[str] = field(default_factory=Counter)
    _refusals: dict[str, str] = field(default_factory=dict)

    def __call__(self, kube: Kube, namespace: str, pod: Any) -> dict[str, Any] | None:
        """Evict it and wait until it is ending; None when a budget forbids it, or it went by itself."""
        name, uid = pod.metadata.name, pod.metadata.uid
        options: dict[str, Any] = {"preconditions": {"uid": uid}}
        if self.grace_period_s is not None:
            options["gracePeriodSeconds"] = self.grace_period_s
        body = {"metadata": {"name": name, "namespace": namespace}, "deleteOptions": options}
        try:  # with no version, which clusters know different ones of; the answer is a Status, left unread
            kube.core.create_namespaced_pod_eviction(
                name, namespace, body, _preload_content=False, _request_timeout=REQUEST_TIMEOUT_S
            )
        except ApiException as problem:
            if problem.status == TOO_MANY:
                self.refused[app_of(pod)] += 1
                self._refusals[app_of(pod)] = refusal(problem)
            elif problem.status not in (NOT_FOUND, CONFLICT):
                raise
            return None

        def ending() -> bool:
            found = find(kube.core.read_namespaced_pod, name, namespace)
            return found is None or found.metadata.uid != uid or found.metadata.deletion_timestamp is not None

        if not wait_until(ending, SEEN_TIMEOUT_S, every_s=0.05):
            raise ActivityFailed(
                f"evict-pods {namespace}: pod {name} (uid {uid}) is not being deleted {SEEN_TIMEOUT_S:g} s after its "
                f"eviction was granted; see kubectl describe pod {name}"
            )
        return {}

    def why_not_any(self) -> str:
        """The budgets that refused, in their own words."""
        return "; ".join(self.why_not(app) for app in sorted(self._refusals))

    def why_not(self, app: str) -> str:
        """The budget that refused, in its own words."""
        times = self.refused[app]
        return f"{app}: refused {times} times: {self._refusals[app]}" if times else ""


def refusal(problem: ApiException) -> str:
    """Why an eviction was refused: what the budget says, which names itself, or the API's message."""
    try:
        causes = json.loads(problem.body or "")["details"]["causes"]
        return "; ".join(cause["message"] for cause in causes)
    except (ValueError, TypeError, KeyError):
        return said(problem)
