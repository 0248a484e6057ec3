"""The ReplicaSets that a manifest fault leaves in a Deployment's history: waited for, and deleted.

A ReplicaSet keeps the fault's template. Left there, it is what `kubectl rollout undo` would go back to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gameday.kube import ApiException
from gameday.ledger.calls import CONFLICT, NOT_FOUND, find, persist, wait_until
from gameday.ledger.proxies import FAULT_LABEL

if TYPE_CHECKING:
    from gameday.kube import Kube
    from gameday.ledger.entries import DeleteFaultSets

PATIENCE_S = 90.0
"""How long a Deployment may take to roll back to its old template: the fault's pods go as the old ones come."""


def delete_fault_sets(kube: Kube, namespace: str, operation: DeleteFaultSets, wait_s: float) -> str:
    """Delete the ReplicaSets with the fault's label; returns what is left, in words, or nothing.

    Waits `wait_s` seconds at most until the Deployment's controller has seen the present template, which makes sure
    that it makes no more of them, and until they have no pods any more.
    """
    left = "its controller has not seen the old template yet"

    def gone() -> bool:
        nonlocal left
        deployment = find(kube.apps.read_namespaced_deployment, operation.deployment, namespace)
        if deployment is not None and (deployment.status.observed_generation or 0) < deployment.metadata.generation:
            return False
        found = fault_sets(kube, namespace, operation.label)
        for one in found:
            if not _is_busy(one):
                _delete(kube, namespace, one)
        left = "; ".join(f"replicaset {s.metadata.name} has {_pods(s)} pods of the fault" for s in found)
        return not found

    return "" if wait_until(gone, wait_s) else left


def fault_sets(kube: Kube, namespace: str, label: str) -> list[Any]:
    """The ReplicaSets that carry a fault's label."""
    return list(
        persist(kube.apps.list_namespaced_replica_set, namespace, label_selector=f"{FAULT_LABEL}={label}").items
    )


def _is_busy(replica_set: Any) -> bool:
    seen = replica_set.status.observed_generation or 0
    return bool(_pods(replica_set)) or seen < replica_set.metadata.generation


def _pods(replica_set: Any) -> int:
    return max(replica_set.spec.replicas or 0, replica_set.status.replicas or 0)


def _delete(kube: Kube, namespace: str, replica_set: Any) -> None:
    meta = replica_set.metadata
    # A set that was scaled up again meanwhile has another version, and is left alone.
    same = {"uid": meta.uid, "resourceVersion": meta.resource_version}
    body = {"propagationPolicy": "Background", "preconditions": same}
    try:
        persist(kube.apps.delete_namespaced_replica_set, meta.name, namespace, body=body, _preload_content=False)
    except ApiException as problem:
        if problem.status not in (NOT_FOUND, CONFLICT):
            raise
