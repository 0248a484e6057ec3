"""Faults of how many pods there are: a Deployment scaled to a count of the experiment's choosing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed

from gameday.activities.fault import Fault, activity, attack
from gameday.activities.guard import NotAllowedError, check_hit, select_pods
from gameday.activities.targets import (
    deployments_available,
    deployments_of,
    is_ready,
    pods_of,
    ready_endpoints,
    services_to,
    staying,
)
from gameday.ledger import SetReplicas
from gameday.ledger.calls import wait_until
from gameday.ledger.onsets import onset

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["scale", "scale_to_zero"]

MAX_MADE = 50
"""Pods that one fault may add to a namespace: each takes room that the rest of the cluster may need."""


@activity("scale-to-zero")
def scale_to_zero(
    namespace: str, label_selector: str, timeout_s: float = 120.0, ttl_s: float = 600.0
) -> dict[str, Any]:
    """Scale every Deployment that owns a matching pod to 0, and wait until none runs and no endpoint is left.

    Undone by `gameday.activities.undo.revert_faults`: the replica counts go back to what they were.
    `timeout_s`: seconds for the pods to go, else ActivityFailed. `ttl_s`: seconds it is meant to last at
    most; recorded in the ledger. Returns {fault, kind, target, proof: {pods_gone, endpoints_left}}.
    """
    scaling = Scaling("scale-to-zero", namespace, label_selector, 0)
    services = services_to(scaling.kube, namespace, scaling.pods)
    scaling.act(ttl_s)

    def emptied() -> bool:
        if any(ready_endpoints(scaling.kube, namespace, service) for service in services):
            return False
        return not scaling.running()

    if not wait_until(emptied, timeout_s):
        raise ActivityFailed(
            f"scale-to-zero {namespace}: {len(scaling.running())} pods matching {label_selector!r} run after "
            f"{timeout_s:g} s, expected none and no endpoint; see kubectl get pods, or raise timeout_s"
        )
    killed = {pod.metadata.uid for pod in scaling.pods}
    proof = scaling.fault.in_force(pods_gone=len(killed), endpoints_left=0, services=services)
    scaling.fault.touched(len(killed), uids=sorted(killed))
    return proof


@activity("scale")
def scale(
    namespace: str, label_selector: str, replicas: int, timeout_s: float = 120.0, ttl_s: float = 600.0
) -> dict[str, Any]:
    """Scale every Deployment that owns a matching pod, up or down, to `replicas`, and wait until that many are ready.

    Undone by `gameday.activities.undo.revert_faults`: the replica counts go back to what they were. Refused when it
    would change nothing, take away more pods than the control's `guard` allows, or make more than 50. `timeout_s`:
    seconds for pods to come or go, else ActivityFailed. `ttl_s`: seconds it is meant to last at most. An autoscaler, or
    a GitOps controller, that sets the count to its own liking is noticed when the window closes, and the run is
    inconclusive then: pause it, or give it the count as its bound. Returns {fault, kind, target, proof: {replicas,
    before, pods_gone, pods_new, endpoints}}.
    """
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 0:
        raise NotAllowedError(f"scale {namespace}: replicas is {replicas!r}, expected a whole number of at least 0")
    if replicas == 0:
        return dict(scale_to_zero(namespace, label_selector, timeout_s, ttl_s))
    scaling = Scaling("scale", namespace, label_selector, replicas)
    scaling.act(ttl_s)
    kube, wanted = scaling.kube, replicas * len(scaling.before)

    def settled() -> bool:
        """As many as asked for, all ready, and those that had to go have ended."""
        return all(map(is_ready, scaling.running())) and deployments_available(kube, namespace, scaling.before)

    if not wait_until(settled, timeout_s):
        there = scaling.running()
        raise ActivityFailed(
            f"scale {namespace}: {sum(map(is_ready, there))} of {len(there)} pods of {', '.join(scaling.before)} are "
            f"ready after {timeout_s:g} s, expected {wanted}; see kubectl -n {namespace} get pods, or raise timeout_s"
        )
    now = scaling.running()
    gone, new = _uids(scaling.pods) - _uids(now), _uids(now) - _uids(scaling.pods)
    services = services_to(kube, namespace, now)
    behind = {service: len(ready_endpoints(kube, namespace, service)) for service in services}
    proof = scaling.fault.in_force(
        replicas=replicas, before=scaling.before, pods_gone=len(gone), pods_new=len(new), endpoints=behind
    )
    scaling.fault.touched(len(gone) + len(new), uids_gone=sorted(gone), uids_new=sorted(new))
    return proof


class Scaling:
    """The Deployments to scale, what they were, and their pods. Raises NotAllowedError when there is nothing to do."""

    def __init__(self, kind: str, namespace: str, label_selector: str, replicas: int) -> None:
        self.kube = attack(namespace)
        self.pods = select_pods(self.kube, namespace, label_selector, together=False)
        found = deployments_of(self.kube, namespace, self.pods)
        self._deployments = {n: d for n, d in sorted(found.items()) if d.spec.replicas != replicas}
        self._namespace, self._replicas = namespace, replicas
        if not self._deployments:
            names = ", ".join(sorted(found))
            raise NotAllowedError(f"{kind} {namespace}: {names} had {replicas} replicas before; nothing would change")
        self.before = {n: int(d.spec.replicas) for n, d in self._deployments.items()}
        check_hit(self.kube, namespace, sum(max(0, old - replicas) for old in self.before.values()))
        made = sum(max(0, replicas - old) for old in self.before.values())
        if made > MAX_MADE:
            raise NotAllowedError(
                f"{kind} {namespace}: {made} pods more of {', '.join(self._deployments)} would be made, at most "
                f"{MAX_MADE} may be; lower replicas"
            )
        self.pods = staying(self.running())
        self.fault = Fault(self.kube, namespace, kind)

    def running(self) -> list[Any]:
        """The pods of these Deployments whose containers have not all ended."""
        return pods_of(self.kube, self._namespace, self._deployments.values())

    def act(self, ttl_s: float) -> None:
        """Write the undo to the ledger, then set the counts, each only while it is what the undo would put back."""
        uids = {n: d.metadata.uid for n, d in self._deployments.items()}
        undo = [SetReplicas(n, uids[n], old, self._replicas) for n, old in self.before.items()]
        self.fault.plan(
            {"kind": "Deployment", "name": ",".join(uids), "uid": uids, "replicas": self._replicas},
            [*undo],
            matched=len(self.pods) or 1,
            ttl_s=ttl_s,
        )
        self.fault.carry_out(*((operation, onset(operation)) for operation in undo))


def _uids(pods: Iterable[Any]) -> set[str]:
    return {pod.metadata.uid for pod in pods}
