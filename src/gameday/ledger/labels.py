"""A label on pods, set or taken off, by which a Service's selector tells those it leads to from those it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gameday.kube import ApiException
from gameday.ledger.calls import NOT_FOUND, persist

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gameday.kube import Kube


def put(kube: Kube, namespace: str, pods: Iterable[Any], label: str, value: str | None) -> None:
    """Set a label on pods, or take it off with None; a pod that is gone is fine. Raises ApiException otherwise."""
    for pod in pods:
        try:
            body = {"metadata": {"labels": {label: value}}}
            persist(kube.core.patch_namespaced_pod, pod.metadata.name, namespace, body)
        except ApiException as problem:
            if problem.status != NOT_FOUND:
                raise


def clear(kube: Kube, namespace: str, label: str) -> None:
    """Take a label off every pod that has it."""
    pods = persist(kube.core.list_namespaced_pod, namespace).items
    put(kube, namespace, [pod for pod in pods if label in (pod.metadata.labels or {})], label, None)
