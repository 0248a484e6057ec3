"""Services, pods behind them, and their Endpoints, as tests make and await them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.contract.manifests import WAIT, container, pod, service
from tests.contract.workloads import is_ready

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster

    Object = dict[str, Any]

__all__ = ["addresses", "make", "run", "until_served"]


def make(cluster: Cluster, namespace: str, name: str = "web", **spec: Any) -> str:
    """A Service; returns its path."""
    cluster.create(cluster.path("services", namespace), service(name, **spec))
    return cluster.path("services", namespace, name)


def run(
    cluster: Cluster, namespace: str, name: str, command: list[str] = WAIT, *, app: str = "web", ready: bool = True,
    grace_s: int = 0, **fields: Any,
) -> str:  # fmt: skip
    """A pod that runs, and is ready or is not; returns its path."""
    made = pod(name, container(command, **fields), labels={"app": app}, terminationGracePeriodSeconds=grace_s)
    cluster.create(cluster.path("pods", namespace), made)
    path = cluster.path("pods", namespace, name)
    cluster.until(path, is_ready if ready else _runs)
    return path


def _runs(one: Object) -> bool:
    return one["status"]["phase"] == "Running" and "podIP" in one["status"]


def addresses(endpoints: Object, field: str = "addresses") -> set[str]:
    """The names of the pods that are (not) ready endpoints."""
    found = [one for subset in endpoints.get("subsets") or [] for one in subset.get(field) or []]
    return {one["targetRef"]["name"] for one in found}


def until_served(cluster: Cluster, namespace: str, *pods: str, name: str = "web") -> Object:
    """Wait until a Service's endpoints are these pods."""
    path = cluster.path("endpoints", namespace, name)
    return cluster.until(path, lambda one: one and addresses(one) == set(pods))
