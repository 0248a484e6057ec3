"""Faults that kill pods one after the other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed

from gameday.activities.fault import activity
from gameday.activities.hunting import hunt
from gameday.kube import ApiException, spare_from_proxies
from gameday.ledger.calls import NOT_FOUND, find, wait_until

if TYPE_CHECKING:
    from gameday.kube import Kube

__all__ = ["terminate_pods"]

GONE_TIMEOUT_S = 10.0


@activity("terminate-pods")
def terminate_pods(
    namespace: str,
    label_selector: str,
    every_s: float = 1.0,
    duration_s: float = 8.0,
    grace_period_s: int = 0,
    one_of: list[str] | None = None,
    seed: int | None = None,
    keep_one: bool = True,  # noqa: FBT001, FBT002  # an argument in an experiment file
) -> dict[str, Any]:
    """Kill one ready pod every `every_s` seconds for `duration_s` seconds, app after app, each app at least once.

    Nothing needs undoing: the Deployments replace what was killed; `undo.revert_faults` waits until they have.
    Of those that match, no more are down at the same time than the control's `guard` lets one fault have: a kill
    that would be one too many waits until another pod is ready again, so over the window more may be killed in all.
    `one_of`: the apps (label `app`) to go round, default all that match. `keep_one`: never take the last
    ready pod of an app that is meant to have several (one of a single replica is fair game: it may die any day).
    `seed`: of the random choice, default $GAMEDAY_SEED. `grace_period_s`: 0 kills at once. Each kill goes through
    chaostoolkit-kubernetes and is confirmed by the pod's UID being gone. Ends early once a violation is certain.
    Raises ActivityFailed when nothing was killed, or an app was never hit. Returns {fault, kind, target, proof,
    killed, seed, cut_short}.
    """
    return hunt(
        "terminate-pods", Kill(grace_period_s), namespace, label_selector, every_s=every_s, duration_s=duration_s,
        one_of=one_of, seed=seed, keep_one=keep_one,
    )  # fmt: skip


@dataclass
class Kill:
    """Deletes a pod, and waits until its UID is gone."""

    grace_period_s: int
    done: str = "killed"

    def __call__(self, kube: Kube, namespace: str, pod: Any) -> dict[str, Any]:
        """Kill it. Raises ActivityFailed when it is still there after 10 s."""
        name, uid = pod.metadata.name, pod.metadata.uid
        if not delete_pod(kube, namespace, name, uid, self.grace_period_s):
            raise ActivityFailed(
                f"terminate-pods {namespace}: pod {name} (uid {uid}) is still there "
                f"{GONE_TIMEOUT_S:g} s after its deletion; see kubectl describe pod {name}"
            )
        return {}

    def why_not(self, app: str) -> str:
        """Nothing but the window's length is in the way."""
        del app
        return ""


def delete_pod(kube: Kube, namespace: str, name: str, uid: str, grace_period_s: int) -> bool:
    """Delete one pod through chaostoolkit-kubernetes; True once that UID is gone, False after 10 s."""
    from chaosk8s.pod.actions import terminate_pods as chaosk8s_terminate  # late: a heavy import

    spare_from_proxies(kube)
    try:
        taken = chaosk8s_terminate(
            name_pattern=f"^{re.escape(name)}$",
            ns=namespace,
            grace_period=grace_period_s,
            secrets={"KUBERNETES_CONTEXT": kube.context},
        )
    except ApiException as problem:
        if problem.status != NOT_FOUND:
            raise
        taken = []
    if taken != [name]:  # it matched nothing, which chaosk8s does not call an error
        raise ActivityFailed(f"terminate-pods {namespace}: pod {name} vanished before it could be killed")

    def gone() -> bool:
        found = find(kube.core.read_namespaced_pod, name, namespace)
        return found is None or found.metadata.uid != uid

    return wait_until(gone, GONE_TIMEOUT_S, every_s=0.05)
