"""What the steps of `walk.py` share: the client, configured, and ways to wait and to expect a refusal."""

from __future__ import annotations

import time
from typing import Any

import kubernetes
import kubernetes.dynamic
import kubernetes.stream
import kubernetes.utils
import kubernetes.watch
from kubernetes.client.exceptions import ApiException

_kubernetes: Any = kubernetes  # its types are those of one version alone
client, dynamic, stream, utils, watch = (
    _kubernetes.client, _kubernetes.dynamic, _kubernetes.stream, _kubernetes.utils, _kubernetes.watch
)  # fmt: skip

_kubernetes.config.load_kube_config()
PATIENCE_S = 200
"""How long a cluster may take for what it does at last: that of `clusters.py`, which is not to be had here."""

core = client.CoreV1Api()
apps = client.AppsV1Api()


def settings(name: str, *, labels: dict[str, str] | None = None, **data: str) -> Any:
    """A ConfigMap, not yet sent."""
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels=labels), data=data)


def refused(call: Any, *arguments: Any, **more: Any) -> ApiException:
    """What a call that must be refused was refused with."""
    try:
        call(*arguments, **more)
    except ApiException as problem:
        return problem
    raise AssertionError(f"{call.__name__} was not refused")


def until(what: str, holds: Any, timeout_s: float = PATIENCE_S) -> None:
    """Wait until something holds; what it is, is said when time is up."""
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, f"not so after {timeout_s} s: {what}"
        time.sleep(0.1)


def field(answer: Any, name: str) -> Any:
    """A field of what the client returned."""
    # Version 37 answers a deletion with a dict, its forerunners with a V1Status.
    return answer[name] if isinstance(answer, dict) else getattr(answer, name)


def observed(name: str, namespace: str) -> bool:
    """Whether a Deployment's controller has seen its latest spec."""
    found = apps.read_namespaced_deployment(name, namespace)
    return bool(found.status.observed_generation == found.metadata.generation)
