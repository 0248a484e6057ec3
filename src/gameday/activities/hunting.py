"""Hitting pods one after the other over a window, app after app: what terminating, evicting and crashing share."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from chaoslib.exceptions import ActivityFailed

from gameday import evidence
from gameday.activities.fault import Fault, attack
from gameday.activities.guard import NotAllowedError, room, select_pods, shop_pods
from gameday.activities.seeds import seed_of
from gameday.activities.targets import deployments_of, is_ready
from gameday.ledger import NoUndo
from gameday.ledger.calls import persist

if TYPE_CHECKING:
    from gameday.kube import Kube

__all__ = ["APP_LABEL", "Hunt", "Strike", "app_of", "hunt", "over"]

APP_LABEL = "app"
_TICK_S = 0.1


class Strike(Protocol):
    """How a pod is hit. `done`: the word for it; `why_not` says of an app that was never hit what was in the way."""

    done: str

    def __call__(self, kube: Kube, namespace: str, pod: Any) -> dict[str, Any] | None:
        """Hit a pod and wait for the proof; what it shows beside name and UID. None: it could not be hit now."""

    def why_not(self, app: str) -> str:
        """In words, or empty."""


def over() -> bool:
    """Whether there is nothing more to learn: a violation is certain, or the window was ended early."""
    return any(e["event"] in ("violation", "aborted") for e in evidence.events())


def app_of(pod: Any) -> str:
    """The app that a pod is of, by its label; empty when it has none."""
    return str((pod.metadata.labels or {}).get(APP_LABEL, ""))


def hunt(  # noqa: PLR0913  # what the experiment says, handed on
    kind: str,
    strike: Strike,
    namespace: str,
    label_selector: str,
    *,
    every_s: float,
    duration_s: float,
    one_of: list[str] | None,
    seed: int | None,
    keep_one: bool,
    times: int | None = None,
) -> dict[str, Any]:
    """Choose, plan, hit one ready pod every `every_s` seconds for `duration_s`, and tell what was hit.

    The choice goes round the apps (`one_of`, default all that match), each at least once; `keep_one` spares the last
    ready pod of an app that is meant to have several; `times` bounds the hits. Nothing needs undoing: the undo waits
    until the Deployments are available. Raises ActivityFailed when nothing, or not every app, was hit.
    """
    if times is not None and times < 1:
        raise NotAllowedError(f"{kind} {namespace}: times is {times}, expected at least 1, or none for no bound")
    kube = attack(namespace)
    pods = select_pods(kube, namespace, label_selector, together=False)
    least_ready = len(pods) - room(len(shop_pods(kube, namespace)))
    deployments = deployments_of(kube, namespace, pods)
    present = sorted({app_of(pod) for pod in pods})
    missing = sorted(set(one_of or []) - set(present))
    if missing:
        raise ActivityFailed(f"{kind} {namespace}: no pod matching {label_selector!r} has app={missing[0]}")
    used_seed = seed_of(seed)
    fault = Fault(kube, namespace, kind)
    names = sorted(deployments)
    uids = {n: deployments[n].metadata.uid for n in names}
    fault.plan(
        {"kind": "Deployment", "name": ",".join(names), "uid": uids},
        [NoUndo(tuple(names))],
        matched=len(pods),
        ttl_s=duration_s + 60,
    )
    several = {d.spec.template.metadata.labels.get(APP_LABEL) for d in deployments.values() if d.spec.replicas > 1}
    spared = several if keep_one else set()
    under_way = Hunt(fault, strike, label_selector, one_of or present, spared, least_ready, times)
    under_way.run(random.Random(used_seed), every_s, duration_s)  # noqa: S311  # reproducible, not secret
    fault.ended(shows_on=True)
    return under_way.result() | {"seed": used_seed}


@dataclass
class Hunt:
    """The hitting of pods over a window. `spared`: the apps whose last ready pod is left alone.

    `least_ready`: as many of all of them must be ready after a hit, by the guard's caps.
    """

    fault: Fault
    strike: Strike
    label_selector: str
    apps: list[str]
    spared: set[str | None]
    least_ready: int
    times: int | None = None
    hits: list[dict[str, Any]] = field(default_factory=list)
    cut_short: bool = False
    _evidence: dict[str, Any] = field(default_factory=dict)

    def run(self, rng: random.Random, every_s: float, duration_s: float) -> None:
        """Hit at fixed times; a time at which no pod may be taken passes over to the next tick."""
        queue = list(self.apps)
        rng.shuffle(queue)
        started = due = time.monotonic()
        while (now := time.monotonic()) < started + duration_s and len(self.hits) != self.times:
            if over():
                self.cut_short = True
                return
            if now >= due and (pod := self._pick(rng, queue)) is not None:
                self._hit(pod)
                due += every_s
            time.sleep(_TICK_S)

    def _pick(self, rng: random.Random, queue: list[str]) -> Any | None:
        """A ready pod of the app that waits longest and can spare one; that app goes to the end of the queue."""
        kube, namespace = self.fault.kube, self.fault.namespace
        pods = persist(kube.core.list_namespaced_pod, namespace, label_selector=self.label_selector).items
        if sum(map(is_ready, pods)) <= self.least_ready:
            return None
        for app in list(queue):
            ready = [p for p in pods if is_ready(p) and app_of(p) == app]
            if len(ready) > (1 if app in self.spared else 0):
                queue.remove(app)
                queue.append(app)
                return rng.choice(sorted(ready, key=lambda p: str(p.metadata.name)))
        return None

    def _hit(self, pod: Any) -> None:
        fault, meta = self.fault, pod.metadata
        found = self.strike(fault.kube, fault.namespace, pod)
        if found is None:
            return
        self.hits.append({"pod": meta.name, "uid": meta.uid, "app": app_of(pod), **found})
        if len(self.hits) == 1:
            self._evidence = fault.in_force(**{f"first_{self.strike.done}": self.hits[0]})
        fault.touched(len(self.hits), uids=[hit["uid"] for hit in self.hits])

    def result(self) -> dict[str, Any]:
        """The evidence. Raises ActivityFailed when the fault was not what the experiment asked for."""
        where, done = f"{self.fault.kind} {self.fault.namespace}", self.strike.done
        unhit = sorted(set(self.apps) - {hit["app"] for hit in self.hits})
        reasons = "; ".join(filter(None, map(self.strike.why_not, unhit)))
        if not self.hits and not self.cut_short:
            why = reasons or f"no app of {', '.join(self.apps)} could spare one"
            raise ActivityFailed(f"{where}: {done} 0 pods, expected at least 1; {why}")
        if unhit and not self.cut_short:
            why = reasons or "lower every_s, or raise duration_s"
            raise ActivityFailed(f"{where}: never hit {', '.join(unhit)} in the window; {why}")
        return {**self._evidence, done: self.hits, "cut_short": self.cut_short}
