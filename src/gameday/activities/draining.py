"""The draining of a node: the one fault that reaches beyond its namespace, so it has to be asked for."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed
from kubernetes.client import AuthorizationV1Api

from gameday.activities import insertion
from gameday.activities.evicting import Eviction
from gameday.activities.fault import Fault, activity, attack
from gameday.activities.guard import NotAllowedError, check_hit, drain_is_allowed, is_gamedays, shop_pods
from gameday.activities.hunting import over
from gameday.activities.targets import deployments_of, is_over, staying
from gameday.kube import ApiException
from gameday.ledger import Ledger, NoUndo, Uncordon
from gameday.ledger.calls import OvertakenError, find, persist, said
from gameday.ledger.lease import GUARDIAN
from gameday.ledger.nodes import Mark, cordon

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gameday.kube import Kube
    from gameday.ledger import Operation

__all__ = ["company_refused", "drain_node"]

DRAINED = "drain-node"
_LEAST_NODES = 2
_TICK_S = 0.2
_HARMLESS = ("observe", "revert_faults")
"""Our actions that are no faults."""


@activity(DRAINED)
def drain_node(
    namespace: str,
    node: str | None = None,
    grace_period_s: int | None = None,
    timeout_s: float = 120.0,
    ttl_s: float = 600.0,
) -> dict[str, Any]:
    """Cordon a node and evict the namespace's own pods from it, as their budgets allow, until none is left there.

    Undone by `gameday.activities.undo.revert_faults`: the node takes pods again (those that moved stay where they are).
    While it is cordoned no pod of *any* namespace is scheduled to it; pods of other namespaces that run there stay, and
    so do Gameday's own. It has to be allowed (`allow_drain: true` in the control's arguments, `--allow-drain`, or
    GAMEDAY_ALLOW_DRAIN=1) and is refused beside other faults, with fewer than 2 nodes that take pods, of pods that no
    Deployment owns, and where a guardian may not undo it (`gameday guardian install --with-nodes`). The caller needs
    the rights to list, get and patch nodes. `node`: default the one with most of the namespace's pods.
    `grace_period_s`: default the pods' own. `timeout_s`: for the last pod to be gone, else ActivityFailed, which names
    the budget that refused. Ends early once a violation is certain. Returns {fault, kind, target, proof, evicted,
    refused, cut_short}.
    """
    kube = attack(namespace)
    if not drain_is_allowed():
        raise NotAllowedError(
            f"{DRAINED} {namespace}: a drain keeps pods of all namespaces off a node, so it has to be allowed: "
            "allow_drain: true in the control's arguments, or --allow-drain (GAMEDAY_ALLOW_DRAIN=1 under chaos run)"
        )
    _check_alone(kube, namespace)
    chosen = _choose(kube, namespace, node)
    name, uid = chosen.metadata.name, chosen.metadata.uid
    _check_guardian(kube, namespace, name)
    pods = staying(_pods_on(kube, namespace, name))
    check_hit(kube, namespace, len(pods))
    deployments = deployments_of(kube, namespace, pods)
    fault = Fault(kube, namespace, DRAINED)
    undo: list[Operation] = [Uncordon(name, uid), NoUndo(tuple(sorted(deployments)))]
    fault.plan({"kind": "Node", "name": name, "uid": uid}, undo, matched=len(pods), ttl_s=ttl_s)
    try:
        cordon(kube, Uncordon(name, uid), Mark(namespace, fault.id))
    except OvertakenError as problem:
        if problem.sure:
            fault.withdraw(undo)
        raise ActivityFailed(f"{DRAINED} {namespace}: {problem}; see kubectl describe node {name}") from problem
    return _empty(fault, name, Eviction(grace_period_s), timeout_s)


def _empty(fault: Fault, node: str, eviction: Eviction, timeout_s: float) -> dict[str, Any]:
    """Evict what is on the node, again and again, until it is gone. In force from the first that is on its way."""
    kube, namespace, deadline = fault.kube, fault.namespace, time.monotonic() + timeout_s
    evicted: list[dict[str, str]] = []
    result: dict[str, Any] = {}
    while left := _pods_on(kube, namespace, node):
        if evicted and over():
            break
        if time.monotonic() > deadline:
            why = eviction.why_not_any() or "see kubectl describe pods"
            names = ", ".join(pod.metadata.name for pod in left)
            raise ActivityFailed(f"{DRAINED} {namespace}: {names} still on {node} after {timeout_s:g} s; {why}")
        for pod in staying(left):
            if eviction(kube, namespace, pod) is not None:
                evicted.append({"pod": pod.metadata.name, "uid": pod.metadata.uid})
                result = result or fault.in_force(node=node, first_evicted=evicted[0])
                fault.touched(len(evicted), uids=[one["uid"] for one in evicted])
        time.sleep(_TICK_S)
    if not evicted:
        raise ActivityFailed(f"{DRAINED} {namespace}: all pods left {node} before one was evicted; run again")
    return {**result, "evicted": evicted, "refused": dict(eviction.refused), "cut_short": bool(left)}


def _check_alone(kube: Kube, namespace: str) -> None:
    entries, broken = Ledger(kube, namespace).read()
    others = [entry.id for entry in entries if entry.kind != insertion.INSERTED] + list(broken)
    if others:
        raise NotAllowedError(f"{DRAINED} {namespace}: is done alone; undo first: {', '.join(others)}")


def _choose(kube: Kube, namespace: str, wanted: str | None) -> Any:
    """The node to drain: one that takes pods, and has some of the namespace's."""
    nodes = {n.metadata.name: n for n in persist(kube.core.list_node).items if takes_pods(n)}
    if len(nodes) < _LEAST_NODES:
        raise NotAllowedError(
            f"{DRAINED}: {len(nodes)} nodes of {kube.context} take pods, expected at least {_LEAST_NODES}: "
            "the evicted pods would have nowhere to go"
        )
    if wanted is not None and wanted not in nodes:
        raise NotAllowedError(f"{DRAINED}: {wanted} is no node that takes pods, those are {', '.join(sorted(nodes))}")
    homes = Counter(pod.spec.node_name for pod in shop_pods(kube, namespace) if pod.spec.node_name in nodes)
    name = wanted or min(homes, key=lambda one: (-homes[one], one), default=None)
    if name is None or not homes[name]:
        raise NotAllowedError(f"{DRAINED} {namespace}: no pod of it is on {name or 'a node that takes pods'}")
    return nodes[name]


def takes_pods(node: Any) -> bool:
    """Whether a node is ready, not cordoned, and without a taint that keeps pods away. Pure."""
    ready = any(c.type == "Ready" and c.status == "True" for c in node.status.conditions or [])
    tainted = any(taint.effect in ("NoSchedule", "NoExecute") for taint in node.spec.taints or [])
    return ready and not tainted and not node.spec.unschedulable


def _pods_on(kube: Kube, namespace: str, node: str) -> list[Any]:
    """The namespace's pods on a node that have not ended, Gameday's own left out."""
    pods = persist(kube.core.list_namespaced_pod, namespace, field_selector=f"spec.nodeName={node}").items
    return [pod for pod in pods if not is_over(pod) and not is_gamedays(pod.metadata.labels or {})]


def _check_guardian(kube: Kube, namespace: str, node: str) -> None:
    """Raise NotAllowedError when there is a guardian that could not undo a drain, or nobody can tell."""
    if find(kube.apps.read_namespaced_deployment, GUARDIAN, namespace) is None:
        return
    user = f"system:serviceaccount:{namespace}:{GUARDIAN}"
    right = {"verb": "patch", "resource": "nodes", "name": node}
    review: Any = {"spec": {"user": user, "resourceAttributes": right}}
    try:
        answer = AuthorizationV1Api(kube.client).create_subject_access_review(review, _request_timeout=5)
        why = "" if answer.status and answer.status.allowed else "may not"
    except ApiException as problem:
        why = f"is not known to be able to ({said(problem)})"
    if why:
        raise NotAllowedError(
            f"{DRAINED} {namespace}: the guardian {why} uncordon {node}, should this run die; "
            f"gameday guardian install --with-nodes --namespace {namespace} --context {kube.context}"
        )


def company_refused(experiment: Mapping[str, Any]) -> str | None:
    """Why an experiment may not drain a node: it sets other faults beside it. None when it may, or does not. Pure."""
    ours = [
        (str(activity.get("name")), str((activity.get("provider") or {}).get("func")))
        for activity in experiment.get("method") or []
        if str((activity.get("provider") or {}).get("module")).startswith("gameday.activities.")
        and activity.get("type") == "action"
    ]
    drains = [name for name, function in ours if function == drain_node.__name__]
    others = [name for name, function in ours if function not in (drain_node.__name__, *_HARMLESS)]
    if not drains or not (others or drains[1:]):
        return None
    return f"{drains[0]} drains a node, which is done alone; beside it: {', '.join([*drains[1:], *others])}"
