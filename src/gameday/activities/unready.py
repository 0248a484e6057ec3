"""A fault that takes pods out of their Services while they run on."""

from __future__ import annotations

import math
import random
import time
from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed

from gameday.activities.fault import Fault, activity, attack
from gameday.activities.guard import NotAllowedError, check_hit, select_pods
from gameday.activities.seeds import seed_of
from gameday.activities.targets import is_over, is_ready, ready_endpoints
from gameday.ledger import ClearLabel, Entry, SetSelector
from gameday.ledger.calls import find, persist, wait_until
from gameday.ledger.marks import put
from gameday.ledger.objects import leads_to_all
from gameday.ledger.onsets import onset
from gameday.ledger.refresh import SEEN_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gameday.kube import Kube

__all__ = ["UNREADY", "is_effective_undone", "make_unready"]

UNREADY = "make-unready"
_VALUE = "true"


@activity(UNREADY)
def make_unready(
    namespace: str,
    label_selector: str,
    count: int | None = None,
    share: float | None = None,
    seed: int | None = None,
    timeout_s: float = 15.0,
    ttl_s: float = 300.0,
) -> dict[str, Any]:
    """Take `count` ready pods, or a `share` of them (above 0, at most 1, rounded up), out of their Services.

    The pods run on, are ready, and get no new connections; those that are open stay where they are. Undone by
    `gameday.activities.undo.revert_faults`: the Services lead to them again, and the labels go. Every other pod that
    these Services lead to gets a label, which their selectors ask for from then on. So it is not quite a readiness
    probe that fails: the Deployment counts the pods as available, nothing waits for them or replaces them, and a pod
    that comes meanwhile (a rollout, a pod killed beside it) gets no traffic either: do not combine it with those.
    Of a Service with a fault proxy before it, what the proxy leads to is meant. `seed`: of the random choice, default
    $GAMEDAY_SEED. `timeout_s`: for the endpoints to follow, else ActivityFailed. `ttl_s`: seconds it is meant to last
    at most. Returns {fault, kind, target, proof: {pods, services, others}}.
    """
    kube = attack(namespace)
    pods = [pod for pod in select_pods(kube, namespace, label_selector, together=False) if is_ready(pod)]
    wanted = how_many(len(pods), count, share)
    rng = random.Random(seed_of(seed))  # noqa: S311  # reproducible, not secret
    chosen = rng.sample(sorted(pods, key=lambda pod: str(pod.metadata.name)), wanted)
    check_hit(kube, namespace, wanted)
    services, others = _led(kube, namespace, chosen)
    if not services:
        names = ", ".join(pod.metadata.name for pod in chosen)
        raise NotAllowedError(f"{UNREADY} {namespace}: no Service leads to {names}: nothing to take them out of")
    fault = Fault(kube, namespace, UNREADY)
    key = ClearLabel.prefix + fault.id
    selectors = {s.metadata.name: dict(s.spec.selector) for s in services}
    uids = {pod.metadata.name: pod.metadata.uid for pod in chosen}
    changes = [
        SetSelector(s.metadata.name, s.metadata.uid, old, {**old, key: _VALUE})
        for s, old in zip(services, selectors.values(), strict=True)
    ]
    fault.plan(
        {"kind": "Pod", "name": ",".join(sorted(uids)), "uid": uids},
        [*changes, ClearLabel(key)],
        matched=len(pods),
        ttl_s=ttl_s,
        proof={"services": selectors},
    )
    patches = [onset(one, s.metadata.resource_version) for one, s in zip(changes, services, strict=True)]
    _act(fault, others, ClearLabel(key), zip(changes, patches, strict=True))
    return _prove(fault, uids, sorted(selectors), len(others), timeout_s)


def _act(fault: Fault, others: list[Any], undo: ClearLabel, changes: Iterable[tuple[SetSelector, Any]]) -> None:
    """Label the others, then have the Services ask for the label: they lead to pods at every moment."""
    put(fault.kube, fault.namespace, others, "labels", undo.label, _VALUE)
    if others:
        time.sleep(SEEN_S)  # whoever keeps the endpoints hears of pods and of Services by two ways
    fault.carry_out(*changes, done=[undo])


def _prove(fault: Fault, uids: Mapping[str, str], services: list[str], others: int, timeout_s: float) -> dict[str, Any]:
    """Wait until no Service leads to the pods, see that they run on, and record both."""
    kube, namespace = fault.kube, fault.namespace

    def led_to() -> list[str]:
        return sorted({str(e.pod) for s in services for e in ready_endpoints(kube, namespace, s)} & set(uids))

    if not wait_until(lambda: not led_to(), timeout_s):
        raise ActivityFailed(
            f"{UNREADY} {namespace}: {', '.join(services)} still lead to {', '.join(led_to())} after {timeout_s:g} s; "
            f"see kubectl -n {namespace} get endpoints"
        )
    now = persist(kube.core.list_namespaced_pod, namespace).items
    running = {p.metadata.name: p.metadata.uid for p in now if p.metadata.uid in uids.values() and is_ready(p)}
    if running.keys() != uids.keys():
        lost = ", ".join(sorted(uids.keys() - running.keys()))
        raise ActivityFailed(f"{UNREADY} {namespace}: {lost} went away, or unready, by themselves; run again")
    proof = fault.in_force(pods=running, services=services, others=others)
    fault.touched(len(running), uids=sorted(running.values()))
    return proof


def how_many(ready: int, count: int | None, share: float | None) -> int:
    """How many of the ready pods to take: at least one, or NotAllowedError is raised. Pure."""
    if (count is None) == (share is None):
        raise NotAllowedError(f"{UNREADY}: give either `count` or `share`")
    if share is not None and not 0 < share <= 1:
        raise NotAllowedError(f"{UNREADY}: share is {share!r}, expected a number above 0 and at most 1")
    wanted = count if count is not None else math.ceil(round((share or 0) * ready, 6))
    if not 1 <= wanted <= ready:
        raise NotAllowedError(f"{UNREADY}: {ready} pods that match are ready, expected at least {max(wanted, 1)}")
    return wanted


def _led(kube: Kube, namespace: str, chosen: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """The Services that lead to these pods, and the other pods that they lead to."""
    pods = [p for p in persist(kube.core.list_namespaced_pod, namespace).items if not is_over(p)]
    uids = {pod.metadata.uid for pod in chosen}
    ours = [pod for pod in pods if pod.metadata.uid in uids]
    found = [s for s in persist(kube.core.list_namespaced_service, namespace).items if s.spec.selector]
    services = [s for s in found if any(_matches(s.spec.selector, pod) for pod in ours)]
    others = [p for p in pods if p not in ours and any(_matches(s.spec.selector, p) for s in services)]
    return services, others


def _matches(selector: Mapping[str, str], pod: Any) -> bool:
    return selector.items() <= (pod.metadata.labels or {}).items()


def is_effective_undone(kube: Kube, namespace: str, entry: Entry) -> bool:
    """Whether the Services that are still there lead to all their pods again, after an undo."""
    return all(
        leads_to_all(kube, namespace, name, old)
        for name, old in entry.proof.get("services", {}).items()
        if find(kube.core.read_namespaced_service, name, namespace) is not None
    )
