"""The kubelet itself: binds pods to the one node, runs them, ends them, keeps the node's heartbeat."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gameday.cluster.accounts import Tokens
from gameday.cluster.kubelet.pods import Pod, references
from gameday.cluster.kubelet.runtime.client import StartError
from gameday.cluster.logs import CommandError
from gameday.cluster.quantities import quantity
from gameday.cluster.reconcile import Key, Loop
from gameday.cluster.records import condition, record_event, set_condition
from gameday.cluster.store import NotFoundError, now

if TYPE_CHECKING:
    from pathlib import Path

    from gameday.cluster.addresses import Pool
    from gameday.cluster.kubelet.output import Logs
    from gameday.cluster.kubelet.runtime.client import Process, Runtime
    from gameday.cluster.store import Object, Store

REFRESH_DELAY_S = 0.3
"""How late a changed ConfigMap or Secret reaches its volumes (a real kubelet: up to a minute)."""
HEARTBEAT_S = 10.0
RESCHEDULE_S = 2.0
"""How soon the node is tried again for a pod that it could not take."""
MAX_PODS = 250
_LEASES, _LEASE_NAMESPACE = "leases.coordination.k8s.io", "kube-node-lease"
_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Node:
    """The node's parts."""

    name: str
    ip: str
    store: Store
    runtime: Runtime
    addresses: Pool
    logs: Logs
    pods_folder: Path
    tokens: Tokens = field(default_factory=Tokens)


class Kubelet:
    """Runs `node`'s pods while `run` runs."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._store = node.store
        self._pods: dict[tuple[str, str], Pod] = {}
        self._closing = False
        self._ending: set[asyncio.Task[None]] = set()
        self._loop = Loop(node.store, {"pods": _keys}, lambda key: self._reconcile(*key), "kubelet")
        self._refresh = Loop(
            node.store, {"configmaps": self._users_of("configMap"), "secrets": self._users_of("secret")},
            self._refresh_pod, "volumes",
        )  # fmt: skip

    async def run(self) -> None:
        """Until cancelled."""
        self._register()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._loop.run())
            tasks.create_task(self._refresh.run())
            tasks.create_task(self._beat())

    async def stop_all(self, grace_s: float) -> None:
        """End all pods, each within its own grace period and `grace_s` at most."""
        self._closing = True
        for key in list(self._pods):
            self._stop(key, grace_s)
        if self._ending:
            await asyncio.wait(set(self._ending), timeout=grace_s + 1)

    async def execute(self, namespace: str, pod: str, container: str, argv: list[str], *streams: int) -> Process:
        """Start a command in a container, see `Container.execute`. Raises CommandError."""
        running = self._pods.get((namespace, pod))
        found = running.container(container) if running else None
        if found is None:
            for fd in streams:
                os.close(fd)
            raise CommandError(f'container not found ("{container}")')
        try:
            return await found.execute(argv, *streams)
        except StartError as problem:
            raise CommandError(str(problem)) from problem

    def _reconcile(self, namespace: str, name: str) -> None:
        key = (namespace, name)
        pod = self._store.find("pods", namespace, name)
        running = self._pods.get(key)
        if running and (pod is None or pod["metadata"]["uid"] != running.uid):
            self._stop(key, 0)  # it was deleted by force
        if pod is None:
            self._forget(key)
            return
        elsewhere = pod["spec"].get("nodeName") != self._node.name  # on a node that nobody has: it stays Pending
        if not pod["spec"].get("nodeName") and "deletionTimestamp" not in pod["metadata"]:
            self._bind(pod)
        elif "deletionTimestamp" in pod["metadata"]:
            if key in self._pods:
                self._stop(key, pod["metadata"].get("deletionGracePeriodSeconds", 0))
            elif not pod["metadata"].get("finalizers"):
                self._store.delete("pods", namespace, name, grace_s=0)
        elif running:
            if self._pods[key].relabelled(pod):
                self._refresh.mark_later(key, REFRESH_DELAY_S)
        elif not (elsewhere or self._closing or pod.get("status", {}).get("phase") in _ENDED):
            self._pods[key] = Pod(self._node, pod)
            self._pods[key].start()

    def _bind(self, pod: Object) -> None:
        """The scheduler's part: there is one node."""
        bound = {**pod, "spec": {**pod["spec"]}}
        conditions: list[dict[str, Any]] = [{**c} for c in pod.get("status", {}).get("conditions", [])]
        bound["status"] = {**pod.get("status", {}), "conditions": conditions}
        if unfit := self._unfit(pod):
            self._loop.mark_later((pod["metadata"]["namespace"], pod["metadata"]["name"]), RESCHEDULE_S)
            if (condition(pod, "PodScheduled") or {}).get("message") != unfit:
                set_condition(conditions, "PodScheduled", "False", reason="Unschedulable", message=unfit)
                self._store.update("pods", bound, bump_generation=False)
                record_event(self._store, "pods", pod, "FailedScheduling", unfit, warning=True)
            return
        set_condition(conditions, "PodScheduled", "True")
        bound["spec"]["nodeName"] = self._node.name
        bound = self._store.update("pods", bound, bump_generation=False)
        where = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        record_event(self._store, "pods", bound, "Scheduled", f"Successfully assigned {where} to {self._node.name}")
        self._reconcile(pod["metadata"]["namespace"], pod["metadata"]["name"])  # it counts from now on

    def _unfit(self, pod: Object) -> str:
        """Why the node cannot take a pod; empty when it can."""
        node = self._store.find("nodes", "", self._node.name) or {"metadata": {}}
        labels, wanted = node["metadata"].get("labels") or {}, pod["spec"].get("nodeSelector") or {}
        if not wanted.items() <= labels.items():
            return "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
        lacking = _lacking(pod["spec"], node.get("status", {}).get("allocatable", {}))
        if len(self._pods) >= MAX_PODS:
            lacking.insert(0, "Too many pods")
        return f"0/1 nodes are available: {', '.join(f'1 {one}' for one in lacking)}." if lacking else ""

    def _stop(self, key: tuple[str, str], grace_s: float) -> None:
        pod = self._pods[key]
        task = pod.stop(grace_s)
        if task not in self._ending:
            self._ending.add(task)
            task.add_done_callback(lambda done: self._ended(key, pod, done))

    def _ended(self, key: tuple[str, str], pod: Pod, task: asyncio.Task[None]) -> None:
        self._ending.discard(task)
        if self._pods.get(key) is pod:
            del self._pods[key]
            self._forget(key)
            self._loop.mark(key)  # a successor of the same name may wait

    def _forget(self, key: tuple[str, str]) -> None:
        """Logs go with the pod, which a finalizer may keep for longer than its processes."""
        if key not in self._pods and self._store.find("pods", *key) is None:
            self._node.logs.remove(*key)

    def _users_of(self, field: str) -> Any:
        def users(obj: Object) -> list[Key]:
            namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
            for key in self._pods:
                pod = self._store.find("pods", *key) if key[0] == namespace else None
                if pod and name in references(pod, field):
                    self._refresh.mark_later(key, REFRESH_DELAY_S)
            return []

        return users

    def _refresh_pod(self, key: tuple[str, str]) -> None:
        if key in self._pods:
            self._pods[key].refresh()

    # --- the node

    def _register(self) -> None:
        size = {"cpu": str(os.cpu_count() or 1), "memory": f"{_memory_kib()}Ki", "pods": str(MAX_PODS)}
        machine = platform.machine()
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
        name = self._node.name
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": machine}
        status: dict[str, Any] = {
            "capacity": size, "allocatable": size, "conditions": _node_conditions(),
            "addresses": [{"type": "InternalIP", "address": self._node.ip}, {"type": "Hostname", "address": name}],
            "nodeInfo": {"kubeletVersion": "v1.33.0+gameday", "operatingSystem": "linux", "architecture": machine,
                         "containerRuntimeVersion": "gameday://processes", "kernelVersion": platform.release(),
                         "osImage": "embedded cluster", "machineID": "", "systemUUID": "", "bootID": "",
                         "kubeProxyVersion": "v1.33.0+gameday"},
        }  # fmt: skip
        self._store.create("nodes", {"apiVersion": "v1", "kind": "Node", "spec": {}, "status": status,
                                     "metadata": {"name": name, "labels": labels}})  # fmt: skip

    async def _beat(self) -> None:
        while True:
            stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            spec = {"holderIdentity": self._node.name, "leaseDurationSeconds": 40, "renewTime": stamp}
            meta = {"name": self._node.name, "namespace": _LEASE_NAMESPACE}
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}
            if self._store.find(_LEASES, _LEASE_NAMESPACE, self._node.name):
                self._store.update(_LEASES, lease)
            else:
                self._store.create(_LEASES, lease)
            with contextlib.suppress(NotFoundError):
                self._store.mutate("nodes", "", self._node.name, _refresh_conditions)
            await asyncio.sleep(HEARTBEAT_S)


def _keys(pod: Object) -> list[Key]:
    return [(pod["metadata"]["namespace"], pod["metadata"]["name"])]


def _lacking(spec: Object, size: dict[str, str]) -> list[str]:
    """Of what a pod requests more than the whole node has; what other pods request is not counted."""
    asked = [one.get("resources", {}).get("requests") or {} for one in spec["containers"]]
    return [f"Insufficient {name}" for name in ("cpu", "memory")
            if name in size and sum(quantity(one.get(name, "0")) for one in asked) > quantity(size[name])]  # fmt: skip


def _node_conditions() -> list[dict[str, Any]]:
    conditions: list[dict[str, Any]] = []
    for kind, reason in (("MemoryPressure", "KubeletHasSufficientMemory"), ("DiskPressure", "KubeletHasNoDiskPressure"),
                         ("PIDPressure", "KubeletHasSufficientPID")):  # fmt: skip
        set_condition(conditions, kind, "False", reason=reason, lastHeartbeatTime=now())
    set_condition(conditions, "Ready", "True", reason="KubeletReady", message="kubelet is posting ready status",
                  lastHeartbeatTime=now())  # fmt: skip
    return conditions


def _refresh_conditions(node: Object) -> None:
    for found in node.get("status", {}).get("conditions", []):
        found["lastHeartbeatTime"] = now()


def _memory_kib() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
