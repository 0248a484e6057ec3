"""The blast radius while a fault is in force: what it sets off may take down more pods than the fault itself may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gameday.activities.guard import shop_pods
from gameday.activities.targets import is_ready

if TYPE_CHECKING:
    from gameday.activities.caps import Caps
    from gameday.kube import Kube

__all__ = ["BlastRadius"]


class BlastRadius:
    """How many of a shop's pods are ready, beside how many were and how many of these may be down."""

    def __init__(self, kube: Kube, namespace: str, caps: Caps) -> None:
        """Count those that are ready now, before any fault. Raises what the API client raises."""
        self._kube, self._namespace, self._caps = kube, namespace, caps
        self._before = self._ready()

    def passed(self) -> str | None:
        """In words, that more pods are down than the caps allow; None while that is not so."""
        down = self._before - self._ready()
        most = self._caps.most(self._before)
        if down <= most:
            return None
        return (
            f"blast radius: {down} of the {self._before} pods that were ready are down, at most {most} may be; "
            "allow more in the control's arguments (guard), or find what the fault sets off"
        )

    def _ready(self) -> int:
        return sum(is_ready(pod) for pod in shop_pods(self._kube, self._namespace))
