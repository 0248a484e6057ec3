"""From pods to what owns them and what leads to them: Deployments, Services, endpoints. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed

from gameday.ledger.calls import find, persist
from gameday.reach import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gameday.kube import Kube


ENDED = ("Failed", "Succeeded")
"""Phases of a pod that runs no more, such as an evicted one's: ReplicaSets leave its object where it is."""


def is_ready(pod: Any) -> bool:
    """Whether a pod is ready and not being deleted."""
    conditions = pod.status.conditions or []
    return pod.metadata.deletion_timestamp is None and any(c.type == "Ready" and c.status == "True" for c in conditions)


def staying(pods: Iterable[Any]) -> list[Any]:
    """Those that nobody has told to end: the others leave by themselves, and are no fault's to hit. Pure."""
    return [pod for pod in pods if pod.metadata.deletion_timestamp is None]


def is_over(pod: Any) -> bool:
    """Whether a pod has ended, or is being deleted and no container of it runs any more: its object may linger on.

    Of one that is gone already some kubelets (1.20's) say that it waits, and for a minute.
    """
    if pod.status.phase in ENDED:
        return True
    statuses = [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]
    ended = bool(statuses) and not any(s.state is None or s.state.running is not None for s in statuses)
    return pod.metadata.deletion_timestamp is not None and ended


def deployments_of(kube: Kube, namespace: str, pods: Iterable[Any]) -> dict[str, Any]:
    """By name, the Deployments that own these pods. Raises ActivityFailed on a pod that none owns."""
    sets = {s.metadata.uid: s for s in persist(kube.apps.list_namespaced_replica_set, namespace).items}
    all_of_them = {d.metadata.uid: d for d in persist(kube.apps.list_namespaced_deployment, namespace).items}
    found: dict[str, Any] = {}
    for pod in pods:
        owner = _owner(sets.get(_owner(pod) or ""))
        deployment = all_of_them.get(owner or "")
        if deployment is None:
            raise ActivityFailed(
                f"pod {namespace}/{pod.metadata.name}: no Deployment owns it, expected one; "
                "narrow the label selector to pods of Deployments"
            )
        found[deployment.metadata.name] = deployment
    return found


def pods_of(kube: Kube, namespace: str, deployments: Iterable[Any]) -> list[Any]:
    """The pods that these Deployments own by way of their ReplicaSets, those that have ended left out."""
    uids = {d.metadata.uid for d in deployments}
    sets = persist(kube.apps.list_namespaced_replica_set, namespace).items
    owners = {s.metadata.uid for s in sets if _owner(s) in uids}
    pods = persist(kube.core.list_namespaced_pod, namespace).items
    return [pod for pod in pods if _owner(pod) in owners and not is_over(pod)]


def _owner(obj: Any | None) -> str | None:
    references = (obj.metadata.owner_references or []) if obj is not None else []
    return next((r.uid for r in references if r.controller), None)


def services_to(kube: Kube, namespace: str, pods: Iterable[Any]) -> list[str]:
    """The names of the Services whose selector matches one of these pods."""
    labels = [pod.metadata.labels or {} for pod in pods]
    services = persist(kube.core.list_namespaced_service, namespace).items
    return [
        s.metadata.name
        for s in services
        if s.spec.selector and any(s.spec.selector.items() <= x.items() for x in labels)
    ]


def ready_endpoints(kube: Kube, namespace: str, service: str, port_name: str | None = None) -> list[Endpoint]:
    """Each ready endpoint of a Service; of one named port, or of its first."""
    endpoints = find(kube.core.read_namespaced_endpoints, service, namespace)
    found: list[Endpoint] = []
    for subset in (endpoints.subsets or []) if endpoints is not None else []:
        ports = [p for p in subset.ports or [] if port_name is None or p.name == port_name]
        for address in (subset.addresses or []) if ports else []:
            target = address.target_ref
            pod = target.name if target is not None and target.kind == "Pod" else None
            found.append(Endpoint(address.ip, ports[0].port, pod))
    return found


def is_available(deployment: Any) -> bool:
    """Whether a Deployment has rolled out what its spec says and all its pods are available.

    A status that is older than the spec, or counts pods of an earlier template, is not available.
    """
    wanted, status = deployment.spec.replicas or 0, deployment.status
    return (
        (status.observed_generation or 0) >= deployment.metadata.generation
        and (status.replicas or 0) == wanted
        and (status.updated_replicas or 0) == wanted
        and (status.available_replicas or 0) == wanted
    )


def deployments_available(kube: Kube, namespace: str, names: Iterable[str]) -> bool:
    """Whether each of the named Deployments that still exists is available."""
    wanted = set(names)
    return all(
        is_available(d)
        for d in persist(kube.apps.list_namespaced_deployment, namespace).items
        if d.metadata.name in wanted
    )
