"""Listeners on the Services' addresses: each exists only while there is a ready endpoint."""

from __future__ import annotations

import asyncio
import errno
import random
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gameday.cluster.proxy.relay import join, reset
from gameday.cluster.reconcile import Loop, own_key
from gameday.cluster.records import record_event

if TYPE_CHECKING:
    from collections.abc import Collection

    from gameday.cluster.store import Object, Store

BACKLOG = 1024
"""Connections that may wait to be accepted on one listener."""
BUSY_RETRY_S = 1.0
"""How soon an address that was taken is tried again."""
FULL_PAUSE_S = 1.0
"""How long nothing is accepted when there is no descriptor left to do it with."""
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Backend = tuple[str, int]
Address = tuple[str, int]


@dataclass(eq=False)
class Listener:
    """One address of a Service port."""

    sock: socket.socket
    backends: list[Backend]
    served: Collection[Address]
    """All addresses of Services, which are no backends: to go to one's own goes round for ever."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    pause: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Begin to accept."""
        asyncio.get_running_loop().add_reader(self.sock, self._accept)

    def close(self) -> None:
        """Refuse from now on; established connections go on."""
        if self.pause:
            self.pause.cancel()
        asyncio.get_running_loop().remove_reader(self.sock)
        self.sock.close()

    def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(64):  # then let others have their turn
            try:
                client, _ = self.sock.accept()
            except OSError as problem:
                if problem.errno in _FULL:
                    loop.remove_reader(self.sock)  # else it is called again at once, and for ever
                    self.pause = loop.call_later(FULL_PAUSE_S, self.open)
                return
            client.setblocking(False)
            backends = [backend for backend in self.backends if backend not in self.served]
            if not backends:
                reset(client)
                continue
            host, port = random.choice(backends)  # noqa: S311 - spreading load is no secret
            task = loop.create_task(join(client, host, port))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)


class ServiceProxy:
    """Keeps the listeners in step with Services and their Endpoints."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listeners: dict[tuple[str, str], dict[Address, Listener]] = {}
        self._served: set[Address] = set()
        watches = {"services": own_key, "endpoints": own_key}
        self.loop = Loop(store, watches, lambda key: self._reconcile(*key), "proxy")

    def close(self) -> None:
        """Close all listeners."""
        for listeners in self._listeners.values():
            for listener in listeners.values():
                listener.close()
        self._listeners.clear()

    def _reconcile(self, namespace: str, name: str) -> float | None:
        service = self._store.find("services", namespace, name)
        endpoints = self._store.find("endpoints", namespace, name)
        wanted = _routes(service, endpoints, self._node()) if service else {}
        have = self._listeners.setdefault((namespace, name), {})
        for address in have.keys() - wanted.keys():
            have.pop(address).close()
            self._served.discard(address)
        again_s = None
        for address, backends in wanted.items():
            if address in have:
                have[address].backends = backends
            elif service and not self._open(service, have, address, backends):
                again_s = BUSY_RETRY_S
        if not have:
            del self._listeners[namespace, name]
        return again_s

    def _node(self) -> str:
        """The node's address, at which node ports are served."""
        addresses = (a for node in self._store.list("nodes") for a in node.get("status", {}).get("addresses", ()))
        return next((a["address"] for a in addresses if a["type"] == "InternalIP"), "")

    def _open(self, service: Object, have: dict[Address, Listener], address: Address, backends: list[Backend]) -> bool:
        try:
            sock = _listen(address)
        except OSError as problem:
            why = f"cannot listen on {address[0]}:{address[1]}: {problem.strerror}"
            if problem.errno == errno.EACCES:
                why += "; ports below 1024 need privileges: give the Service a higher one"
            elif problem.errno == errno.EADDRINUSE:
                why += f"; a program of this machine listens on every address at port {address[1]}: stop it"
            record_event(self._store, "services", service, "FailedToListen", why, warning=True)
            return problem.errno == errno.EACCES  # a port below 1024 stays forbidden: no use trying again
        self._served.add(address)
        have[address] = Listener(sock, backends, self._served)
        have[address].open()
        return True


def _listen(address: Address) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _routes(service: Object, endpoints: Object | None, node: str) -> dict[Address, list[Backend]]:
    """Where to listen for a Service, and where each address leads; addresses without a backend are left out."""
    spec = service["spec"]
    routes: dict[Address, list[Backend]] = {}
    for port in spec.get("ports", []):
        backends = _backends(port, endpoints)
        if not backends or port.get("protocol", "TCP") != "TCP":
            continue
        if spec.get("clusterIP") not in (None, "", "None"):
            routes[spec["clusterIP"], port["port"]] = backends
        if node and port.get("nodePort"):
            routes[node, port["nodePort"]] = backends
    return routes


def _backends(port: dict[str, Any], endpoints: Object | None) -> list[Backend]:
    return [
        (address["ip"], target["port"])
        for subset in (endpoints or {}).get("subsets", [])
        for target in subset.get("ports", [])
        if target.get("name") == port.get("name")
        for address in subset.get("addresses", [])
    ]
