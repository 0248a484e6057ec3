"""How the pods of a fault's template fare: what their kubelet, or the scheduler, says of them. Reads only."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gameday.activities.targets import is_over, is_ready
from gameday.ledger.calls import persist
from gameday.ledger.proxies import FAULT_LABEL

if TYPE_CHECKING:
    from gameday.kube import Kube
    from gameday.ledger import SetContainer

_NOT_YET = ("ContainerCreating", "PodInitializing")
_OUT_OF_MEMORY = "OOMKilled"


@dataclass(frozen=True)
class Fate:
    """One pod: what became of the container (`state`, empty as long as nothing did), and whether the pod is ready.

    `resources`: what its kubelet says that the container really has; None where kubelets do not say it.
    """

    pod: str
    uid: str
    state: str
    ready: bool
    resources: Any = None


def pods_of(kube: Kube, namespace: str, label: str) -> list[Any]:
    """The pods that carry a fault's label, those that have ended left out."""
    found = persist(kube.core.list_namespaced_pod, namespace, label_selector=f"{FAULT_LABEL}={label}").items
    return [pod for pod in found if not is_over(pod)]


def fates(kube: Kube, namespace: str, change: SetContainer) -> list[Fate]:
    """How each pod of the changed template fares."""
    return [
        fate_of(kube.plain(pod), change.container, ready=is_ready(pod))
        for pod in pods_of(kube, namespace, change.label)
    ]


def fate_of(pod: dict[str, Any], container: str, *, ready: bool) -> Fate:
    """The fate of one pod, from its JSON. Pure."""
    status = pod.get("status") or {}
    statuses = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    of_it: dict[str, Any] = next((one for one in statuses if one["name"] == container), {})
    return Fate(pod["metadata"]["name"], pod["metadata"]["uid"], _state(status, of_it), ready, of_it.get("resources"))


def _state(status: dict[str, Any], container: dict[str, Any]) -> str:
    unscheduled = [c for c in status.get("conditions") or [] if c["type"] == "PodScheduled" and c["status"] == "False"]
    if unscheduled:
        return str(unscheduled[0].get("reason", "Unscheduled"))
    now, last = container.get("state") or {}, (container.get("lastState") or {}).get("terminated") or {}
    if last.get("reason") == _OUT_OF_MEMORY:
        return _OUT_OF_MEMORY
    if "waiting" in now:
        reason = str(now["waiting"].get("reason", ""))
        return "" if reason in _NOT_YET else reason
    if "terminated" in now:
        return str(now["terminated"].get("reason", "Terminated"))
    return "Running" if "running" in now else ""


def shows(fate: Fate, change: SetContainer) -> bool:
    """Whether a pod shows the change: its container met it.

    Resources that are merely written down prove nothing: they show when the scheduler finds no room for them, when
    the container runs out of memory, or when the kubelet says that the container has them.
    """
    if change.field != "resources":
        return fate.state != ""
    if fate.state in ("Unschedulable", _OUT_OF_MEMORY):
        return True
    return fate.resources is not None and fate.resources == change.fault


def told(found: list[Fate]) -> list[dict[str, Any]]:
    """Fates for the evidence, without what is long."""
    return [{k: v for k, v in asdict(one).items() if k != "resources"} for one in found]
