"""Labels and annotations of ours on pods: set, or taken off again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from gameday.kube import ApiException
from gameday.ledger.calls import NOT_FOUND, persist

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gameday.kube import Kube

__all__ = ["Kind", "marked", "put"]

Kind = Literal["labels", "annotations"]


def put(kube: Kube, namespace: str, pods: Iterable[Any], kind: Kind, key: str, value: str | None) -> None:
    """Set a mark on pods, or take it off with None; a pod that is gone is fine. Raises ApiException otherwise."""
    for pod in pods:
        try:
            persist(kube.core.patch_namespaced_pod, pod.metadata.name, namespace, {"metadata": {kind: {key: value}}})
        except ApiException as problem:
            if problem.status != NOT_FOUND:  # its mark went with it
                raise


def marked(kube: Kube, namespace: str, kind: Kind, key: str) -> list[Any]:
    """The pods that have the mark."""
    pods = persist(kube.core.list_namespaced_pod, namespace).items
    return [pod for pod in pods if key in (getattr(pod.metadata, kind) or {})]
