"""One pod: its folder, its address, its init containers in order, its containers, its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from typing import TYPE_CHECKING, Any

from gameday.cluster.kubelet.containers import CONFIG_RETRY_S, Container, Host
from gameday.cluster.kubelet.environment import UNUSABLE
from gameday.cluster.kubelet.status import pod_status
from gameday.cluster.kubelet.volumes import Volumes
from gameday.cluster.records import record_event, set_status
from gameday.cluster.store import ConflictError, NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from gameday.cluster.kubelet.agent import Node
    from gameday.cluster.store import Object

log = logging.getLogger(__name__)


class Pod:
    """A pod that runs here. `start` it once; `stop` ends it and removes it from the store."""

    def __init__(self, node: Node, pod: Object) -> None:
        meta = pod["metadata"]
        self.uid: str = meta["uid"]
        self._key = (meta["namespace"], meta["name"])
        self._node = node
        self._pod = pod
        self._folder: Path = node.pods_folder / self.uid
        self._volumes = Volumes(node.store, node.tokens, self._folder / "volumes")
        host = Host(node.store, node.runtime, node.logs, self._folder, self._volumes, self._current, self._publish,
                    self._event)  # fmt: skip
        self._init = [Container(host, spec) for spec in pod["spec"].get("initContainers", [])]
        self._containers = [Container(host, spec) for spec in pod["spec"]["containers"]]
        self._all = (*self._init, *self._containers)
        self._ip = ""
        self._initialized = not self._init
        self._over = False
        self._main: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._words = _words(pod)
        self._failure: dict[str, str] = {}
        self._ready_for_refresh = False

    def start(self) -> None:
        """Begin to run it."""
        self._main = asyncio.get_running_loop().create_task(self._run())

    def stop(self, grace_s: float) -> asyncio.Task[None]:
        """End it within `grace_s` seconds; a later call can only shorten that."""
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end(grace_s))
        else:
            for container in self._all:
                container.hurry(grace_s)
        return self._ending

    def container(self, name: str) -> Container | None:
        """One of its containers."""
        return next((one for one in self._all if one.name == name), None)

    def relabelled(self, pod: Object) -> bool:
        """Whether this pod's labels or annotations are others than when it was asked last."""
        before, self._words = self._words, _words(pod)
        return bool(before != self._words)

    def refresh(self) -> None:
        """Bring its ConfigMap and Secret volumes up to date."""
        if not self._ready_for_refresh:
            return
        try:
            self._volumes.refresh(self._current())
        except UNUSABLE as problem:
            self._event("FailedMount", f"MountVolume.SetUp failed: {problem}", warning=True)

    async def _run(self) -> None:
        try:
            await self._set_up()
            async with asyncio.timeout(self._pod["spec"].get("activeDeadlineSeconds")) as deadline:
                await self._run_containers(self._pod["spec"].get("restartPolicy", "Always"))
            self._finish()
        except TimeoutError:
            if not deadline.expired():
                raise
            why = "Pod was active on the node longer than the specified deadline"
            self._failure = {"reason": "DeadlineExceeded", "message": why}
            self._event("DeadlineExceeded", why)
            await self._stop_containers(self._pod["spec"].get("terminationGracePeriodSeconds", 30))
            self._finish()
        except Exception as problem:  # a bug of ours must show in the pod, and not stop the kubelet
            log.exception("pod %s", self._key)
            self._event("FailedSync", f"error of the embedded cluster: {problem!r}; see its log", warning=True)

    async def _run_containers(self, policy: str) -> None:
        for container in self._init:
            if await container.run("Never" if policy == "Never" else "OnFailure"):
                return
        self._initialized = True
        async with asyncio.TaskGroup() as tasks:
            for container in self._containers:
                tasks.create_task(container.run(policy))

    async def _stop_containers(self, grace_s: float) -> None:
        await asyncio.gather(*(container.stop(grace_s) for container in self._all))

    async def _set_up(self) -> None:
        self._ip = self._node.addresses.take()
        for container in () if self._init else self._containers:
            container.record.state = {"waiting": {"reason": "ContainerCreating"}}
        self._publish()
        for name in (".", "home", "tmp", "volumes", "root"):
            (self._folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            try:
                self._volumes.prepare(self._current())
            except UNUSABLE as problem:
                self._event("FailedMount", f"MountVolume.SetUp failed: {problem}", warning=True)
                await asyncio.sleep(CONFIG_RETRY_S)
            else:
                self._ready_for_refresh = True
                return

    def _finish(self) -> None:
        self._over = True
        self._publish()

    async def _end(self, grace_s: float) -> None:
        if self._main:
            self._main.cancel()
            await asyncio.wait({self._main})
        await self._stop_containers(grace_s)
        namespace, name = self._key
        with contextlib.suppress(NotFoundError, ConflictError):
            self._node.store.delete("pods", namespace, name, grace_s=0, uid=self.uid)
        self._node.addresses.release(self._ip)
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def _current(self) -> Object:
        found = self._node.store.find("pods", *self._key)
        if found is not None and found["metadata"]["uid"] == self.uid:
            self._pod = found
        return self._pod

    def _publish(self) -> None:
        current = self._node.store.find("pods", *self._key)
        if current is None or current["metadata"]["uid"] != self.uid:
            return
        status = pod_status(
            current.get("status", {}), [c.record for c in self._init], [c.record for c in self._containers],
            ip=self._ip, node_ip=self._node.ip, initialized=self._initialized, over=self._over, failure=self._failure,
        )  # fmt: skip
        set_status(self._node.store, "pods", current, status)

    def _event(self, reason: str, message: str, *, warning: bool = False) -> None:
        record_event(self._node.store, "pods", self._current(), reason, message, warning=warning)


def _words(pod: Object) -> Any:
    return [pod["metadata"].get(field) for field in ("labels", "annotations")]


def references(pod: Object, field: str) -> set[str]:
    """Names of the ConfigMaps (`configMap`) or Secrets (`secret`) that a pod mounts."""
    found: set[Any] = set()
    for volume in pod["spec"].get("volumes", []):
        for source in (volume, *volume.get("projected", {}).get("sources", [])):
            if field in source:
                found.add(source[field].get("name") or source[field].get("secretName"))
    return found
