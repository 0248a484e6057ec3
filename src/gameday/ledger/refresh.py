"""An annotation on pods, set or taken off, so that their kubelets look at them at once.

A kubelet brings ConfigMap volumes up to date when it next looks at their pod: after about a minute, or as soon as
anything about the pod changes. An annotation changes nothing else: no container sees it, no controller acts on it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from gameday.ledger import marks
from gameday.ledger.calls import persist

if TYPE_CHECKING:
    from gameday.kube import Kube

SEEN_S = 0.3
"""How long a kubelet may take to hear of a change to a ConfigMap: looking earlier, it would see the old one."""


def look_again(kube: Kube, namespace: str, config_map: str, annotation: str, value: str) -> None:
    """Set an annotation on every pod that mounts the ConfigMap, a moment after that was changed.

    Raises ApiException, when pods may not be patched for example, or a connection error.
    """
    pods = persist(kube.core.list_namespaced_pod, namespace).items
    _annotate(kube, namespace, [pod for pod in pods if _mounts(pod, config_map)], annotation, value)


def clear(kube: Kube, namespace: str, annotation: str) -> None:
    """Take an annotation off every pod that has it, a moment after what it was there for was undone."""
    _annotate(kube, namespace, marks.marked(kube, namespace, "annotations", annotation), annotation, None)


def _annotate(kube: Kube, namespace: str, pods: list[Any], annotation: str, value: str | None) -> None:
    if pods:
        time.sleep(SEEN_S)
    marks.put(kube, namespace, pods, "annotations", annotation, value)


def _mounts(pod: Any, config_map: str) -> bool:
    volumes = pod.spec.volumes or []
    sources = [*volumes, *(source for v in volumes if v.projected for source in v.projected.sources or [])]
    return any(one.config_map is not None and one.config_map.name == config_map for one in sources)
