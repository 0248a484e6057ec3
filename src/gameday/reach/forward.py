"""Listeners on the loopback whose connections go to pods, each to one that is ready at that moment.

A connection that no pod takes is reset, as it would be refused inside the cluster. When instead our own way failed
(the API server does not answer, or keeps us waiting), that stretch of time is told to whoever asked by
`on_trouble`: what was seen in it says nothing about the shop.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from gameday.kube import one_line
from gameday.reach.stream import (
    RefusedError,
    TransportError,
    authorization,
    connect,
    relay,
    tls_context,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.kube import Kube

__all__ = ["Forwards", "Goal", "on_trouble"]

OPEN_TIMEOUT_S = 4.0
"""A stream that is not open by then has failed: before a shopper's own patience is at its end."""

SLOW_S = 0.75
"""Opening a stream for longer than this is our own slowness, and no picture of the shop's."""

_listeners: list[Callable[[float, float, str], None]] = []


def on_trouble(tell: Callable[[float, float, str], None]) -> None:
    """Have `tell(start, end, why)` called, in Unix seconds, whenever our own way to the cluster has failed."""
    _listeners.append(tell)


@dataclass(frozen=True)
class Goal:
    """What a listener leads to: whatever is ready behind a Service's port, or one pod's port."""

    namespace: str
    service: str | None = None
    port_name: str | None = None
    pod: str | None = None
    port: int = 0


class Forwards:
    """The listeners of this process for one cluster; they live as long as the process."""

    def __init__(self, kube: Kube) -> None:
        """Start the event loop that all share."""
        self._kube = kube
        self._base = str(kube.client.configuration.host).rstrip("/")
        self._server_name = getattr(kube.client.configuration, "tls_server_name", None) or None
        self._ports: dict[Goal, int] = {}
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="gameday-port-forward", daemon=True).start()
        self._session = asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result(10)

    async def _begin(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=tls_context(self._kube) or True, limit=0)
        timeout = aiohttp.ClientTimeout(total=OPEN_TIMEOUT_S)
        return aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False)

    def address(self, goal: Goal) -> tuple[str, int]:
        """The listener that leads there, made when there is none yet."""
        with self._lock:
            if goal not in self._ports:
                self._ports[goal] = asyncio.run_coroutine_threadsafe(self._listen(goal), self._loop).result(10)
            return "127.0.0.1", self._ports[goal]

    def check(self, goal: Goal) -> None:
        """Open a stream there once. Raises ReachError saying why that does not work."""
        asyncio.run_coroutine_threadsafe(self._open_once(goal), self._loop).result(3 * OPEN_TIMEOUT_S)

    async def _open_once(self, goal: Goal) -> None:
        async with await self._open(goal):
            pass

    async def _listen(self, goal: Goal) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(goal, reader, writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    async def _serve(self, goal: Goal, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection; whatever ends it badly resets it."""
        began = time.time()
        try:
            await self._carry(goal, reader, writer)
        except TransportError as problem:
            # A stream that stood for long broke just now: what went before was sound.
            _tell(max(began, time.time() - OPEN_TIMEOUT_S), time.time(), str(problem))
            _reset(writer)
        except OSError:
            _reset(writer)  # no pod took it (a ReachError), or the client went away
        except Exception as problem:  # noqa: BLE001  # one connection's trouble; told, it is not taken for the shop's
            _tell(
                max(began, time.time() - OPEN_TIMEOUT_S), time.time(), f"{type(problem).__name__}: {one_line(problem)}"
            )
            _reset(writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _carry(self, goal: Goal, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began = time.time()
        try:
            stream = await self._open(goal)
        finally:
            if time.time() - began > SLOW_S:
                _tell(began, time.time(), "the API server was slow to open a stream")
        async with stream:
            await relay(stream, reader, writer)

    async def _open(self, goal: Goal) -> aiohttp.ClientWebSocketResponse:
        """A stream to what is ready now, within the bound. Raises RefusedError or TransportError."""
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                pod, port = await self._find(goal)
                url = f"{self._base}/api/v1/namespaces/{goal.namespace}/pods/{pod}/portforward?ports={port}"
                return await connect(self._session, url, await self._headers(), self._server_name)
        except TimeoutError as problem:
            raise TransportError(f"no stream through the API server within {OPEN_TIMEOUT_S:g} s") from problem

    async def _headers(self) -> dict[str, str]:
        """Who asks. A credential plugin may take seconds to renew it, for which the other streams do not wait."""
        return await asyncio.to_thread(authorization, self._kube)

    async def _find(self, goal: Goal) -> tuple[str, int]:
        """A pod that is ready now. One that has just died fails its client, as it would inside the cluster.

        Raises RefusedError when there is none.
        """
        if goal.pod is not None:
            return goal.pod, goal.port
        ready = await self._ready(goal)
        if not ready:
            raise RefusedError(f"service {goal.namespace}/{goal.service}: no pod is ready behind it")
        return random.choice(ready)  # noqa: S311  # a load balancer's choice

    async def _ready(self, goal: Goal) -> list[tuple[str, int]]:
        """The (pod, port) of each ready endpoint of the Service, as the API has them at this moment."""
        url = f"{self._base}/api/v1/namespaces/{goal.namespace}/endpoints/{goal.service}"
        try:
            headers = await self._headers()
            async with self._session.get(url, headers=headers, server_hostname=self._server_name) as answer:
                if answer.status == 404:  # noqa: PLR2004
                    return []
                answer.raise_for_status()
                subsets = (await answer.json()).get("subsets") or []
        except (aiohttp.ClientError, OSError, ValueError) as problem:  # a timeout is an OSError
            raise TransportError(f"{goal.service}'s endpoints cannot be read: {one_line(problem)}") from problem
        return [found for subset in subsets for found in _pods(subset, goal.port_name)]


def _pods(subset: dict[str, Any], port_name: str | None) -> list[tuple[str, int]]:
    port = next((p["port"] for p in subset.get("ports") or [] if port_name is None or p.get("name") == port_name), None)
    targets = [a.get("targetRef") or {} for a in subset.get("addresses") or []]
    return [(t["name"], int(port)) for t in targets if port and t.get("kind") == "Pod"]


def _tell(start: float, end: float, why: str) -> None:
    for tell in _listeners:
        tell(start, end, why)


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a port would at which nobody listens: by RST, so that nobody takes it for an answer's end."""
    plain = writer.get_extra_info("socket")
    if plain is not None:
        with contextlib.suppress(OSError):
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
