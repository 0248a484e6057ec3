"""Passing bytes between a client and the upstream: in order, with half-closes and resets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gameday.faultproxy.faults import begins_request

if TYPE_CHECKING:
    from gameday.faultproxy.faults import Delay, Faults

CHUNK = 65_536
BACKLOG = 32
"""Chunks that one connection holds back at most; then the client feels back-pressure."""

CONNECT_TIMEOUT_S = 5.0
QUIET_S = 0.2
"""Seconds without a byte after which an answered connection counts as idle."""

_RESET = struct.pack("ii", 1, 0)


@dataclass
class Totals:
    """What has passed since the proxy started."""

    connections: int = 0
    refused: int = 0
    requests: int = 0
    bytes_up: int = 0
    bytes_down: int = 0


Held = tuple[float, bytes, "Delay | None"]


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
        self._held: asyncio.Queue[Held | None] = asyncio.Queue(BACKLOG)
        peer = writer.get_extra_info("peername")
        self._client = str(peer[0]) if peer else "unknown"
        self._awaiting_answer = False
        self._active_at = asyncio.get_running_loop().time()

    def idle(self) -> bool:
        """Whether nothing is under way: no request awaits its answer, and nothing has moved for a moment."""
        quiet_s = asyncio.get_running_loop().time() - self._active_at
        return not self._awaiting_answer and quiet_s > QUIET_S

    async def run(self, host: str, port: int) -> None:
        """Relay until both sides are done; a failure of one side resets the other."""
        self._totals.connections += 1
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                reader, self._twin = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError):
            self._totals.refused += 1
            reset(self._writer)
            return
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive())
                tasks.create_task(self._send(self._twin))
                tasks.create_task(self._answer(reader))
        except* OSError:
            self.abort()
        finally:
            self.close()

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
        """Take the client's bytes, and stamp each chunk with the time it may go on."""
        now = asyncio.get_running_loop().time
        while chunk := await self._reader.read(CHUNK):
            self._awaiting_answer, self._active_at = True, now()
            self._totals.bytes_up += len(chunk)
            self._totals.requests += begins_request(chunk)
            delay = self._faults.current
            if delay is not None:
                self._faults.touched[delay.id].count(chunk, self._client)
            await self._held.put((now() + (delay.seconds() if delay else 0.0), chunk, delay))
        await self._held.put(None)

    async def _send(self, upstream: asyncio.StreamWriter) -> None:
        """Send the chunks on, in order, each when its time has come or its fault has ended."""
        now = asyncio.get_running_loop().time
        while (held := await self._held.get()) is not None:
            due, chunk, delay = held
            if delay is not None and due > now():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await delay.ended.wait()
            upstream.write(chunk)
            await upstream.drain()
        upstream.write_eof()

    async def _answer(self, reader: asyncio.StreamReader) -> None:
        now = asyncio.get_running_loop().time
        while chunk := await reader.read(CHUNK):
            self._awaiting_answer, self._active_at = False, now()
            self._totals.bytes_down += len(chunk)
            self._writer.write(chunk)
            await self._writer.drain()
        self._writer.write_eof()
