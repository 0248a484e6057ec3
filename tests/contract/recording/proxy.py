"""A proxy between clients and a Kubernetes API that keeps the kinds of requests it saw.

It reads the head of each request and the first line of each answer; everything else goes through as it
is, watches and upgraded connections too. So that a connection has one request, it asks both sides to close.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.contract.recording.kinds import Kind, kind_of

if TYPE_CHECKING:
    import ssl

__all__ = ["Recorder"]

_HEAD_LIMIT = 1 << 20


@dataclass
class Recorder:
    """The proxy. `seen` holds what each client sent; `client` is whose requests come now."""

    upstream: tuple[str, int]
    trust: ssl.SSLContext
    """How to know the API server."""
    client: str = ""
    seen: dict[str, set[Kind]] = field(default_factory=dict)

    async def start(self, identity: ssl.SSLContext) -> tuple[asyncio.Server, int]:
        """Serve on loopback; the server and its port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=identity, limit=_HEAD_LIMIT)
        return server, server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = self.client
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                back, forth = await asyncio.open_connection(*self.upstream, ssl=self.trust)
                try:
                    await self._relay(client, head, (reader, writer), (back, forth))
                finally:
                    forth.close()
        finally:
            writer.close()

    async def _relay(
        self,
        client: str,
        head: str,
        near: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        far[1].write(_single(head).encode("latin-1"))
        up = asyncio.create_task(_pump(near[0], far[1]))
        down = asyncio.create_task(self._answer(client, head, far[0], near[1]))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            up.cancel()
            down.cancel()

    async def _answer(self, client: str, head: str, far: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        first = await far.readline()
        if first:
            self._keep(client, head, int(first.split()[1]))
            near.write(first)
            await _pump(far, near)

    def _keep(self, client: str, head: str, status: int) -> None:
        method, target, _ = head.split(" ", 2)
        content = re.search(r"^content-type: *(.*?)\r$", head, re.IGNORECASE | re.MULTILINE)
        kind = kind_of(method, target, content[1] if content else "", status)
        self.seen.setdefault(client, set()).add(kind)


def _single(head: str) -> str:
    """The request's head, so that it is the connection's only one; an upgrade is that already."""
    if re.search(r"^upgrade:", head, re.IGNORECASE | re.MULTILINE):
        return head
    line, rest = head.split("\r\n", 1)
    kept = re.sub(r"^connection:.*\r\n", "", rest, flags=re.IGNORECASE | re.MULTILINE)
    return f"{line}\r\nConnection: close\r\n{kept}"


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
