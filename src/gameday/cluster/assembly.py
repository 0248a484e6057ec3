"""Wires a cluster's parts: they know the store alone, this module knows them all."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from aiohttp import web

from gameday.cluster.addresses import AddressError, Addresses
from gameday.cluster.admission import Admission
from gameday.cluster.api import make_app
from gameday.cluster.certificates import make_certificates
from gameday.cluster.controllers import make_loops
from gameday.cluster.kubelet.agent import Kubelet, Node
from gameday.cluster.kubelet.output import Logs
from gameday.cluster.proxy import ServiceProxy
from gameday.cluster.reconcile import Loop
from gameday.cluster.state import ClusterError
from gameday.cluster.store import Object, Store

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from gameday.cluster.kubelet.runtime.client import Runtime

log = logging.getLogger(__name__)

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


MAX_HEAD_BYTES = 64 * 1024
"""The longest request line or header: selectors are in it."""


class Cluster:
    """One cluster. `start` it once, `stop` it once; `failed` is set when a part of it broke."""

    def __init__(self, name: str, folder: Path, runtime: Runtime, token: str) -> None:
        self._name = name
        self._folder = folder
        self._runtime = runtime
        self._token = token
        self._store = Store()
        self._tasks: list[asyncio.Task[None]] = []
        self._web: web.AppRunner | None = None
        self.failed = asyncio.Event()
        try:
            self._addresses = Addresses()
        except AddressError as problem:
            raise ClusterError(str(problem)) from problem
        self._pods_folder = Path(tempfile.mkdtemp(prefix="pods-", dir=folder))
        node = Node(f"gameday-{name}", self._addresses.api, self._store, runtime, self._addresses.pods,
                    Logs(folder / "logs"), self._pods_folder)  # fmt: skip
        self._node = node
        self._kubelet = Kubelet(node)
        self._proxy = ServiceProxy(self._store)

    async def start(self, port: int) -> dict[str, object]:
        """Serve; returns how the API is reached. Raises ClusterError, OSError."""
        host, service_ip = self._addresses.api, self._addresses.services.take()
        certificates = make_certificates(self._folder, [host, service_ip, "localhost", "kubernetes.default.svc"])
        admission = Admission(self._store, self._addresses)
        app = make_app(
            self._store, token=self._token, logs=self._node.logs, executor=self._kubelet, admit=[admission.admit],
            accepts=lambda token: self._node.tokens.accepts(self._store, token),
        )  # fmt: skip
        self._web = web.AppRunner(app, access_log=None, shutdown_timeout=0.5, auto_decompress=False,
                                  max_line_size=MAX_HEAD_BYTES, max_field_size=MAX_HEAD_BYTES)  # fmt: skip
        await self._web.setup()
        site = web.TCPSite(self._web, host, port, ssl_context=certificates.server)
        try:
            await site.start()
        except OSError as problem:
            if problem.errno != errno.EADDRINUSE:
                raise
            why = f"port {port} of {host} is taken; choose another, or 0 for any"
            raise ClusterError(f"cluster {self._name}: {why}") from problem
        port = self._web.addresses[0][1]
        self._make_first_objects(service_ip, host, port)
        release = Loop(self._store, {"services": _service_ip}, admission.release, "addresses")
        loops = [*make_loops(self._store, certificates.ca_pem), self._proxy.loop, release]
        for part in (*(loop.run() for loop in loops), self._kubelet.run()):
            self._guard(part)
        kubeconfig = self._write_kubeconfig(f"https://{host}:{port}", certificates.ca_pem)
        return {"kubeconfig": str(kubeconfig), "context": f"gameday-{self._name}", "state": str(self._folder)}

    def _guard(self, part: Coroutine[Any, Any, None]) -> None:
        """Run a part for as long as the cluster lives; without it, there is no cluster."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled():
                log.critical("a part of the cluster ended", exc_info=task.exception())
                self.failed.set()

        task = asyncio.get_running_loop().create_task(part)
        task.add_done_callback(ended)
        self._tasks.append(task)

    async def stop(self, grace_s: float) -> None:
        """End all pods, then everything else."""
        if not self._runtime.lost.is_set():
            await self._kubelet.stop_all(grace_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._proxy.close()
        if self._web:
            await self._web.cleanup()
        self._addresses.close()
        shutil.rmtree(self._pods_folder, ignore_errors=True)

    def _make_first_objects(self, service_ip: str, host: str, port: int) -> None:
        for name in NAMESPACES:
            self._store.create("namespaces", {
                "apiVersion": "v1", "kind": "Namespace", "spec": {"finalizers": ["kubernetes"]},
                "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
                "status": {"phase": "Active"},
            })  # fmt: skip
        meta = {"name": "kubernetes", "namespace": "default"}
        self._store.create("services", {
            "apiVersion": "v1", "kind": "Service", "metadata": meta, "status": {"loadBalancer": {}},
            "spec": {"type": "ClusterIP", "clusterIP": service_ip, "clusterIPs": [service_ip],
                     "sessionAffinity": "None",
                     "ports": [{"name": "https", "port": _https_port(service_ip), "protocol": "TCP",
                                "targetPort": port}]},
        })  # fmt: skip
        self._store.create("endpoints", {
            "apiVersion": "v1", "kind": "Endpoints", "metadata": meta,
            "subsets": [{"addresses": [{"ip": host}], "ports": [{"name": "https", "port": port, "protocol": "TCP"}]}],
        })  # fmt: skip

    def _write_kubeconfig(self, server: str, ca_pem: str) -> Path:
        import base64

        name = f"gameday-{self._name}"
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": name,
            "clusters": [{"name": name, "cluster": {
                "server": server, "certificate-authority-data": base64.b64encode(ca_pem.encode()).decode()}}],
            "users": [{"name": name, "user": {"token": self._token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
        }  # fmt: skip
        path = self._folder / "kubeconfig"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            yaml.safe_dump(config, file)
        return path


def _https_port(address: str) -> int:
    """443, as everywhere; 6443 where that needs privileges that we have not."""
    with socket.socket() as attempt:
        try:
            attempt.bind((address, 443))
        except PermissionError:
            return 6443
        except OSError:  # taken: the proxy says so, and tries again
            pass
    return 443


def _service_ip(service: Object) -> list[str]:
    address = service["spec"].get("clusterIP")
    return [address] if address and address != "None" else []
