"""Manifests, tables and waiting, as the tests of kubectl share them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from tests.contract.clusters import PATIENCE_S
from tests.contract.manifests import container, deployment

if TYPE_CHECKING:
    from tests.contract.clients.kubectls import Kubectl

__all__ = ["PATIENTLY", "await_event", "lines", "settings", "text", "web"]

PATIENTLY = f"--timeout={PATIENCE_S:g}s"
"""Has kubectl wait as long as a cluster may take."""


def text(*bodies: dict[str, Any]) -> str:
    """Objects as one YAML file."""
    return yaml.safe_dump_all(bodies)


def web(name: str = "web", replicas: int = 0, **fields: Any) -> dict[str, Any]:
    """A Deployment, whole, whose pods say `started` and hear SIGTERM."""
    command = ["sh", "-c", "trap 'exit 0' TERM; echo started; while :; do sleep 0.1; done"]
    made = deployment(name, container(command), replicas=replicas, **fields)
    made["metadata"]["labels"] = {"app": name}
    return {"apiVersion": "apps/v1", "kind": "Deployment", **made}


def settings(name: str = "one", **data: str) -> dict[str, Any]:
    """A ConfigMap, whole, with the label `kept: here`."""
    meta = {"name": name, "labels": {"kept": "here"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def lines(printed: str) -> list[list[str]]:
    """What was printed, word by word."""
    return [line.split() for line in printed.splitlines()]


def await_event(kubectl: Kubectl, reason: str) -> None:
    """Wait for an event: they are written when there is time for it."""
    query = {"watch": "true", "fieldSelector": f"reason={reason}", "timeoutSeconds": int(PATIENCE_S)}
    assert next(kubectl.cluster.lines(f"/api/v1/namespaces/{kubectl.namespace}/events", query), None), reason
