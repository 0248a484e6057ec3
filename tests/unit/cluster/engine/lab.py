"""An engine without an API: store, controllers, kubelet and proxy, with real processes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

from gameday.cluster.addresses import Addresses
from gameday.cluster.controllers import make_loops
from gameday.cluster.kubelet.agent import Kubelet, Node
from gameday.cluster.kubelet.output import Logs
from gameday.cluster.kubelet.runtime.client import Runtime
from gameday.cluster.proxy import ServiceProxy
from gameday.cluster.store import Object, Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


class Lab:
    """The parts, and ways to wait for what they do."""

    def __init__(self, folder: Path) -> None:
        self.store = Store()
        self.runtime = Runtime()
        self.addresses = Addresses()
        self.logs = Logs(folder / "logs")
        pods = folder / "pods"
        node = Node("node", self.addresses.api, self.store, self.runtime, self.addresses.pods, self.logs, pods)
        self.kubelet = Kubelet(node)
        self.proxy = ServiceProxy(self.store)

    def create(self, resource: str, name: str, namespace: str = "shop", **fields: Any) -> Object:
        """Store an object as a client would."""
        labels = fields.pop("labels", {})
        return self.store.create(
            resource,
            {"metadata": {"name": name, "namespace": namespace, "labels": labels}, **fields},
        )

    def pod(self, name: str, command: list[str], *, labels: dict[str, str] | None = None, **fields: Any) -> Object:
        """A pod with one container of the storefront's image; `spec_` fields go to the pod's spec."""
        spec = {k.removeprefix("spec_"): fields.pop(k) for k in list(fields) if k.startswith("spec_")}
        container = {"name": "main", "image": "gameday/storefront:dev", "command": command, **fields}
        spec = {"terminationGracePeriodSeconds": 5, "containers": [container], **spec}
        return self.create("pods", name, labels=labels or {}, spec=spec, status={"phase": "Pending"})

    async def until(self, resource: str, name: str, holds: Callable[[Object], Any], *, timeout_s: float = 60) -> Object:
        """Wait until an object is there and satisfies a predicate."""
        async with asyncio.timeout(timeout_s):
            watch = self.store.watch(resource, "shop")
            while True:
                found = self.store.find(resource, "shop", name)
                if found is not None and holds(found):
                    watch.close()
                    return found
                await watch.next()

    async def until_gone(self, resource: str, name: str, *, timeout_s: float = 60) -> None:
        """Wait until an object is not there any more."""
        async with asyncio.timeout(timeout_s):
            watch = self.store.watch(resource, "shop")
            while self.store.find(resource, "shop", name) is not None:
                await watch.next()
            watch.close()

    def log(self, pod: str, *, previous: bool = False) -> str:
        """A container's output, without the times."""
        path = self._log(pod, previous=previous)
        return untimed(path.read_text()) if path else ""

    def open_log(self, pod: str) -> TextIO:
        """A container's output as a follower has it, who keeps it when the pod is gone."""
        path = self._log(pod)
        assert path
        return path.open()

    def _log(self, pod: str, *, previous: bool = False) -> Path | None:
        uid = self.store.get("pods", "shop", pod)["metadata"]["uid"]
        return self.logs.read("shop", pod, uid, "main", previous=previous)


def untimed(text: str) -> str:
    """A log's lines without their times."""
    return "\n".join(line.split(" ", 1)[1] for line in text.splitlines())


@asynccontextmanager
async def engine(folder: Path) -> AsyncIterator[Lab]:
    """A lab whose parts run; on leaving, every process is gone."""
    lab = Lab(folder)
    lab.runtime.attach()
    lab.create("configmaps", "kube-root-ca.crt", data={"ca.crt": "none"})
    loops = [*make_loops(lab.store), lab.proxy.loop]
    tasks = [asyncio.ensure_future(part) for part in (*(loop.run() for loop in loops), lab.kubelet.run())]
    try:
        yield lab
    finally:
        await lab.kubelet.stop_all(1)
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        lab.proxy.close()
        lab.runtime.close()
        lab.addresses.close()


def state_of(pod: Object) -> Any:
    """The first container's status."""
    return (pod["status"].get("containerStatuses") or [{}])[0]


def running(pod: Object) -> bool:
    """Whether the first container runs."""
    return "running" in state_of(pod).get("state", {})


def ended(pod: Object) -> bool:
    """Whether the pod is over."""
    return pod["status"]["phase"] in ("Succeeded", "Failed")
