"""What pods did: run one, wait for what it comes to, read what it said."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.contract.clusters import MERGE, PATIENCE_S
from tests.contract.manifests import container, pod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.contract.clusters import Cluster

__all__ = [
    "condition", "ended", "events", "kept", "log", "mount", "nudged", "ready", "run", "running", "say", "shell",
    "state", "status", "told", "until_said", "waits",
]  # fmt: skip

Object = dict[str, Any]


def shell(script: str, name: str = "main", **fields: Any) -> Object:
    """A container that runs a shell script."""
    return container(["sh", "-c", script], name, **fields)


def mount(path: str, volume: str = "work", **fields: Any) -> Object:
    """One volume, mounted."""
    return {"name": volume, "mountPath": path, **fields}


def status(seen: Object, name: str = "main") -> Object:
    """What the status says of one container, an init container too; {} when it says nothing yet."""
    known = seen.get("status", {})
    all_of_them = known.get("containerStatuses", []) + known.get("initContainerStatuses", [])
    return next((dict(one) for one in all_of_them if one["name"] == name), {})


def state(seen: Object, name: str = "main") -> Object:
    """The state of one container: {"running": …}, {"waiting": …} or {"terminated": …}."""
    return dict(status(seen, name).get("state", {}))


def condition(seen: Object, kind: str) -> Object:
    """One condition of a pod; {} when it has none."""
    return next((dict(c) for c in seen.get("status", {}).get("conditions", []) if c["type"] == kind), {})


def ended(seen: Object) -> bool:
    """Whether a pod succeeded or failed."""
    return seen.get("status", {}).get("phase") in ("Succeeded", "Failed")


def running(seen: Object) -> bool:
    """Whether all containers of a pod run."""
    known = seen.get("status", {}).get("containerStatuses", [])
    return bool(known) and all("running" in one["state"] for one in known)


def ready(seen: Object) -> bool:
    """Whether a pod is ready."""
    return condition(seen, "Ready").get("status") == "True"


def waits(*reasons: str, name: str = "main") -> Callable[[Object], bool]:
    """Whether a container waits for one of these reasons."""
    return lambda seen: state(seen, name).get("waiting", {}).get("reason") in reasons


def run(
    cluster: Cluster, namespace: str, manifest: Object, holds: Callable[[Object], Any] = ended,
    *, timeout_s: float = PATIENCE_S,
) -> Object:  # fmt: skip
    """Create a pod and wait until the predicate holds of it (without one: until it ended)."""
    pods = cluster.path("pods", namespace)
    cluster.create(pods, manifest)
    return cluster.until(f"{pods}/{manifest['metadata']['name']}", holds, timeout_s=timeout_s)


def say(cluster: Cluster, namespace: str, *containers: Object, **spec: Any) -> str:
    """Run a pod, named `job`, once, and return what its first container said; it must succeed."""
    seen = run(cluster, namespace, pod("job", *containers, **{"restartPolicy": "Never", **spec}))
    said = log(cluster, namespace, "job", container=containers[0]["name"])
    assert seen["status"]["phase"] == "Succeeded", said + str(seen["status"])
    return said


def log(cluster: Cluster, namespace: str, name: str, **query: Any) -> str:
    """The log of a pod's container."""
    answer = cluster.call("GET", cluster.path("pods", namespace, name) + "/log", query=query)
    assert answer.status == 200, answer.data
    return answer.data.decode()


def until_said(cluster: Cluster, path: str, words: str, **query: Any) -> None:
    """Wait until the log of a pod, by its path, has these words."""
    *_, namespace, _, name = path.split("/")
    cluster.until(
        path, lambda p: any("waiting" not in one["state"] for one in p["status"].get("containerStatuses", []))
    )
    end = time.monotonic() + PATIENCE_S
    while words not in (said := log(cluster, namespace, name, **query)):
        assert time.monotonic() < end, said
        time.sleep(0.05)


def events(cluster: Cluster, namespace: str, name: str) -> list[tuple[str, str, str]]:
    """What happened to a pod: type, reason and message of its events."""
    found = cluster.read(cluster.path("events", namespace))["items"]
    of_it = [e for e in found if e["involvedObject"]["name"] == name]
    return [(e["type"], e["reason"], e["message"]) for e in of_it]


def told(
    cluster: Cluster, namespace: str, name: str, reason: str, words: str, *, timeout_s: float = PATIENCE_S
) -> None:
    """Wait for an event about a pod with these words in its message: a kubelet sends five a second at most."""
    end = time.monotonic() + timeout_s
    while True:
        seen = events(cluster, namespace, name)
        if any(known == reason and words in message for _, known, message in seen):
            return
        assert time.monotonic() < end, f"no event {reason} {words!r} in {seen}"
        time.sleep(0.1)


def nudged(
    cluster: Cluster, path: str, holds: Callable[[Object], Any], *, every_s: float = 1, timeout_s: float = PATIENCE_S
) -> Object:
    """Wait until the predicate holds of a pod; a kubelet looks again when the pod changes, else once a minute."""
    end = time.monotonic() + timeout_s
    while not holds(seen := cluster.read(path)):
        assert time.monotonic() < end, f"{path}: not so after {timeout_s:g} s: {seen['status']}"
        cluster.patch(path, {"metadata": {"annotations": {"nudged": str(time.monotonic())}}}, MERGE)
        time.sleep(every_s)
    return seen


@contextmanager
def kept(cluster: Cluster, namespace: str, manifest: Object) -> Iterator[str]:
    """A pod that stays to be looked at when it is deleted and over: a finalizer holds it. Yields its path."""
    manifest["metadata"]["finalizers"] = ["contract.gameday/kept"]
    cluster.create(cluster.path("pods", namespace), manifest)
    path = cluster.path("pods", namespace, manifest["metadata"]["name"])
    try:
        yield path
    finally:
        cluster.patch(path, {"metadata": {"finalizers": None}}, MERGE)
