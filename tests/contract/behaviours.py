"""What a behaviour is: one test, one title, and since when Kubernetes has it.

The titles, with what was seen on each cluster, make `docs/embedded-cluster.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["AREAS", "Behaviour", "behaviour"]

AREAS = {
    "discovery": "Discovery and schemas",
    "objects": "Objects: create, read, replace, delete",
    "patches": "Patches",
    "lists": "Lists and selectors",
    "watches": "Watches",
    "refusals": "What is refused, and how",
    "refused": "What a real cluster serves and the embedded one refuses by name",
    "deployments": "Deployments and rollouts",
    "replicasets": "ReplicaSets",
    "disruption": "Disruption budgets and eviction",
    "pods": "Pods and their containers",
    "probes": "Probes",
    "volumes": "Volumes and environment",
    "logs": "Logs and exec",
    "services": "Services and endpoints",
    "namespaces": "Namespaces and garbage collection",
    "kubectl": "kubectl, unmodified",
    "clients": "Python clients and chaostoolkit-kubernetes, unmodified",
}
"""The documentation's chapters, in order."""


@dataclass(frozen=True)
class Behaviour:
    """Something that a client of a Kubernetes API can see."""

    title: str
    area: str
    since: tuple[int, int]
    differs: str | None
    refused: str | None


def behaviour(
    title: str, *, area: str, since: str = "1.20", differs: str | None = None, refused: str | None = None
) -> Callable[[Callable[..., Any]], pytest.MarkDecorator]:
    """Say what a test shows.

    Args:
        title: one sentence about Kubernetes, in the present tense, without a full stop.
        area: a chapter, one of AREAS.
        since: the oldest Kubernetes version, "major.minor", that is known or said to behave so.
        differs: why the embedded cluster does not; there the test shows what is seen instead.
        refused: what of it the embedded cluster does not serve; there the test shows how it is refused.
    """
    if area not in AREAS:
        raise ValueError(f"area {area!r}: expected one of {', '.join(AREAS)}")
    major, minor = since.split(".")
    return pytest.mark.behaviour(Behaviour(title, area, (int(major), int(minor)), differs, refused))
