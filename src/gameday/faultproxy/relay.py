"""Passing bytes between a client and the upstream: in order, with half-closes and resets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gameday.faultproxy.line import Held, Line
from gameday.faultproxy.requests import TooLargeError, begins_request, consume

if TYPE_CHECKING:
    from gameday.faultproxy.faults import Fault
    from gameday.faultproxy.force import Faults

CHUNK = 65_536
BACKLOG = 32
"""Chunks that one connection holds back at most; then the client feels back-pressure."""

CONNECT_TIMEOUT_S = 5.0
QUIET_S = 0.2
"""Seconds without a byte after which an answered connection counts as idle."""

LEAVING_S = 5.0
"""Seconds that a client gets to close a connection of which it was told that it is over."""

_RESET = struct.pack("ii", 1, 0)


@dataclass
class Totals:
    """What has passed since the proxy started."""

    connections: int = 0
    refused: int = 0
    requests: int = 0
    bytes_up: int = 0
    bytes_down: int = 0


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP reset, as a peer that broke would."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


class Connection:
    """One client's connection and its twin to the upstream."""

    def __init__(
        self, faults: Faults, totals: Totals, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._faults = faults
        self._totals = totals
        self._reader = reader
        self._writer = writer
        self._twin: asyncio.StreamWriter | None = None
        self._held: asyncio.Queue[Held] = asyncio.Queue(BACKLOG)
        peer = writer.get_extra_info("peername")
        self._client = str(peer[0]) if peer else "unknown"
        self._up = Line(faults, self._client, "up")
        self._down = Line(faults, self._client, "down")
        self._broken = False
        self._awaiting_answer = False
        self._active_at = asyncio.get_running_loop().time()

    def idle(self) -> bool:
        """Whether nothing is under way: no request awaits its answer, and nothing has moved for a moment."""
        quiet_s = asyncio.get_running_loop().time() - self._active_at
        return not self._awaiting_answer and quiet_s > QUIET_S

    async def run(self, host: str, port: int) -> None:
        """Relay until both sides are done; a failure of one side resets the other."""
        self._totals.connections += 1
        if self._faults.current is not None and self.meet(self._faults.current):
            return
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                reader, self._twin = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError):
            self._totals.refused += 1
            await self._down.silence()
            reset(self._writer)
            return
        if self._broken:  # by a fault that began in between
            reset(self._twin)
            return
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive())
                tasks.create_task(self._send(self._twin))
                tasks.create_task(self._answer(reader))
        except* (OSError, EOFError, TooLargeError):
            await self._down.silence()
            self.abort()
        finally:
            self.close()

    def meet(self, fault: Fault) -> bool:
        """Whether a fault breaks this connection, which it then is; asked once, at the onset or as it comes."""
        if not self._broken and fault.breaks():
            self._broken = True
            self._faults.touched[fault.id].count_connection(self._client)
            self.abort()
            return True
        return False

    def close(self) -> None:
        """Close both sides once what is buffered has been sent."""
        for writer in (self._writer, self._twin):
            if writer is not None:
                writer.close()

    def abort(self) -> None:
        """Reset both sides."""
        for writer in (self._writer, self._twin):
            if writer is not None:
                reset(writer)

    async def _receive(self) -> None:
        """Take the client's bytes, and what is to be done with each chunk; answer what is to be aborted."""
        now = asyncio.get_running_loop().time
        while chunk := await self._reader.read(CHUNK):
            self._totals.bytes_up += len(chunk)
            while (fault := self._faults.current) and not self._awaiting_answer and fault.aborts(chunk):
                chunk = await self._abort_request(chunk, fault)
            if not chunk:
                continue
            self._totals.requests += begins_request(chunk)
            self._awaiting_answer, self._active_at = True, now()
            await self._held.put(self._up.take(chunk))
        await self._held.put(self._up.take(b""))

    async def _abort_request(self, chunk: bytes, fault: Fault) -> bytes:
        """Answer the request that `chunk` begins in the upstream's place; returns what came after it."""
        self._totals.requests += 1
        self._faults.touched[fault.id].count(chunk, self._client)
        keeps, rest = await consume(chunk, self._reader)
        self._writer.write(fault.answer(chunk, keeps=keeps))
        await self._writer.drain()
        self._active_at = asyncio.get_running_loop().time()
        if not keeps:
            self._writer.write_eof()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVING_S):
                    while await self._reader.read(CHUNK):
                        pass  # what a client still sends to a connection that was told to be over
        return rest

    async def _send(self, upstream: asyncio.StreamWriter) -> None:
        """Send the chunks on, in order, each when its time has come or its fault has ended."""
        while (held := await self._held.get()).chunk:
            await self._up.pass_on(held, upstream)
        await self._up.pass_on(held, upstream)

    async def _answer(self, reader: asyncio.StreamReader) -> None:
        now = asyncio.get_running_loop().time
        while chunk := await reader.read(CHUNK):
            self._totals.bytes_down += len(chunk)
            await self._down.pass_on(self._down.take(chunk), self._writer)
            self._awaiting_answer, self._active_at = False, now()
        await self._down.pass_on(self._down.take(b""), self._writer)
