"""Faults of pods: all of them gone, or one after the other killed."""

from __future__ import annotations

import os
import random
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chaoslib.exceptions import ActivityFailed

from gameday import evidence
from gameday.activities.fault import Fault, activity, attack
from gameday.activities.guard import room, select_pods, shop_pods
from gameday.activities.targets import deployments_of, is_over, is_ready, ready_endpoints, services_to
from gameday.kube import ApiException
from gameday.ledger import NoUndo, SetReplicas
from gameday.ledger.calls import NOT_FOUND, find, persist, wait_until

if TYPE_CHECKING:
    from gameday.kube import Kube

__all__ = ["scale_to_zero", "terminate_pods"]

APP_LABEL = "app"
GONE_TIMEOUT_S = 10.0
_TICK_S = 0.1


@activity("scale-to-zero")
def scale_to_zero(
    namespace: str, label_selector: str, timeout_s: float = 120.0, ttl_s: float = 600.0
) -> dict[str, Any]:
    """Scale every Deployment that owns a matching pod to 0, and wait until none runs and no endpoint is left.

    Undone by `gameday.activities.undo.revert_faults`: the replica counts go back to what they were.
    `timeout_s`: seconds for the pods to go, else ActivityFailed. `ttl_s`: seconds it is meant to last at
    most; recorded in the ledger. Returns {fault, kind, target, proof: {pods_gone, endpoints_left}}.
    """
    kube = attack(namespace)
    pods = select_pods(kube, namespace, label_selector)
    deployments = deployments_of(kube, namespace, pods)
    fault = Fault(kube, namespace, "scale-to-zero")
    undo = [SetReplicas(n, d.metadata.uid, d.spec.replicas, 0) for n, d in deployments.items()]
    uids = {n: d.metadata.uid for n, d in deployments.items()}
    fault.plan(
        {"kind": "Deployment", "name": ",".join(sorted(deployments)), "uid": uids},
        [*undo],
        matched=len(pods),
        ttl_s=ttl_s,
    )
    services = services_to(kube, namespace, pods)
    for name, deployment in deployments.items():
        body = {"metadata": {"uid": deployment.metadata.uid}, "spec": {"replicas": 0}}
        persist(kube.apps.patch_namespaced_deployment, name, namespace, body)
    killed = {pod.metadata.uid for pod in pods}

    def emptied() -> bool:
        if any(ready_endpoints(kube, namespace, service) for service in services):
            return False
        return not running()

    def running() -> list[Any]:
        left = persist(kube.core.list_namespaced_pod, namespace, label_selector=label_selector).items
        return [pod for pod in left if not is_over(pod)]

    if not wait_until(emptied, timeout_s):
        raise ActivityFailed(
            f"scale-to-zero {namespace}: {len(running())} pods matching {label_selector!r} run after {timeout_s:g} s, "
            "expected none and no endpoint; see kubectl get pods, or raise timeout_s"
        )
    proof = fault.in_force(pods_gone=len(killed), endpoints_left=0, services=services)
    fault.touched(len(killed), uids=sorted(killed))
    return proof


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
    kube = attack(namespace)
    pods = select_pods(kube, namespace, label_selector, together=False)
    most_down = room(len(shop_pods(kube, namespace)))
    deployments = deployments_of(kube, namespace, pods)
    present = sorted({(pod.metadata.labels or {}).get(APP_LABEL, "") for pod in pods})
    missing = sorted(set(one_of or []) - set(present))
    if missing:
        raise ActivityFailed(f"terminate-pods {namespace}: no pod matching {label_selector!r} has app={missing[0]}")
    used_seed = seed if seed is not None else int(os.environ.get("GAMEDAY_SEED") or 0)
    fault = Fault(kube, namespace, "terminate-pods")
    uids = {n: d.metadata.uid for n, d in deployments.items()}
    fault.plan(
        {"kind": "Deployment", "name": ",".join(sorted(deployments)), "uid": uids},
        [NoUndo(tuple(sorted(deployments)))],
        matched=len(pods),
        ttl_s=duration_s + 60,
    )
    several = {d.spec.template.metadata.labels.get(APP_LABEL) for d in deployments.values() if d.spec.replicas > 1}
    hunt = Hunt(fault, label_selector, one_of or present, several if keep_one else set(), grace_period_s,
                least_ready=len(pods) - most_down)  # fmt: skip
    hunt.run(random.Random(used_seed), every_s, duration_s)  # noqa: S311  # reproducible, not secret
    return hunt.result(used_seed)


@dataclass
class Hunt:
    """The killing of pods over a window. `spared`: the apps whose last ready pod is left alone.

    `least_ready`: as many of all of them must be ready after a kill, by the guard's caps.
    """

    fault: Fault
    label_selector: str
    apps: list[str]
    spared: set[str | None]
    grace_period_s: int
    least_ready: int
    killed: list[dict[str, Any]] = field(default_factory=list)
    cut_short: bool = False
    _evidence: dict[str, Any] = field(default_factory=dict)

    def run(self, rng: random.Random, every_s: float, duration_s: float) -> None:
        """Kill at fixed times; a time at which no pod may be taken passes over to the next tick."""
        queue = list(self.apps)
        rng.shuffle(queue)
        started = due = time.monotonic()
        while (now := time.monotonic()) < started + duration_s:
            if any(e["event"] == "violation" for e in evidence.events()):
                self.cut_short = True
                return
            if now >= due and (pod := self._pick(rng, queue)) is not None:
                self._kill(pod)
                due += every_s
            time.sleep(_TICK_S)

    def _pick(self, rng: random.Random, queue: list[str]) -> Any | None:
        """A ready pod of the app that waits longest and can spare one; that app goes to the end of the queue."""
        kube, namespace = self.fault.kube, self.fault.namespace
        pods = persist(kube.core.list_namespaced_pod, namespace, label_selector=self.label_selector).items
        if sum(map(is_ready, pods)) <= self.least_ready:
            return None
        for app in list(queue):
            ready = [p for p in pods if is_ready(p) and (p.metadata.labels or {}).get(APP_LABEL, "") == app]
            if len(ready) > (1 if app in self.spared else 0):
                queue.remove(app)
                queue.append(app)
                return rng.choice(sorted(ready, key=lambda p: str(p.metadata.name)))
        return None

    def _kill(self, pod: Any) -> None:
        fault, name, uid = self.fault, pod.metadata.name, pod.metadata.uid
        if not delete_pod(fault.kube, fault.namespace, name, uid, self.grace_period_s):
            raise ActivityFailed(
                f"terminate-pods {fault.namespace}: pod {name} (uid {uid}) is still there "
                f"{GONE_TIMEOUT_S:g} s after its deletion; see kubectl describe pod {name}"
            )
        self.killed.append({"pod": name, "uid": uid, "app": (pod.metadata.labels or {}).get(APP_LABEL, "")})
        if len(self.killed) == 1:
            self._evidence = fault.in_force(first_killed=self.killed[0])
        fault.touched(len(self.killed), uids=[k["uid"] for k in self.killed])

    def result(self, seed: int) -> dict[str, Any]:
        """The evidence. Raises ActivityFailed when the fault was not what the experiment asked for."""
        where = f"terminate-pods {self.fault.namespace}"
        if not self.killed and not self.cut_short:
            raise ActivityFailed(
                f"{where}: killed 0 pods, expected at least 1; no app of {', '.join(self.apps)} could spare one"
            )
        unhit = sorted(set(self.apps) - {k["app"] for k in self.killed})
        if unhit and not self.cut_short:
            raise ActivityFailed(
                f"{where}: never hit {', '.join(unhit)} in the window; lower every_s, or raise duration_s"
            )
        return {**self._evidence, "killed": self.killed, "seed": seed, "cut_short": self.cut_short}


def delete_pod(kube: Kube, namespace: str, name: str, uid: str, grace_period_s: int) -> bool:
    """Delete one pod through chaostoolkit-kubernetes; True once that UID is gone, False after 10 s."""
    from chaosk8s.pod.actions import terminate_pods as chaosk8s_terminate  # late: a heavy import

    _spare_from_proxies(kube)
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


def _spare_from_proxies(kube: Kube) -> None:
    """Keep chaosk8s from sending API calls through $HTTP_PROXY, which it would: name the API's host in $NO_PROXY."""
    host = urlsplit(kube.client.configuration.host).hostname or ""
    named = [n for n in os.environ.get("NO_PROXY", "").split(",") if n]
    if host not in named:
        os.environ["NO_PROXY"] = ",".join([*named, host])
