"""Passing bytes between a client and the upstream: in order, with half-closes and resets."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gameday.faultproxy.requests import TooLargeError, answer, begins_request, consume

if TYPE_CHECKING:
    from gameday.faultproxy.faults import Direction, Fault
    from gameday.faultproxy.force import Faults

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


Held = tuple[float, bytes, "Fault | None"]
"""When a chunk may go on, the chunk, and the fault that touches it."""


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
        if self._faults.current is not None and self.meet(self._faults.current):
            return
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
        except* (OSError, EOFError, TooLargeError):
            self.abort()
        finally:
            self.close()

    def meet(self, fault: Fault) -> bool:
        """Whether a fault breaks this connection, which it then is; asked once, at the onset or as it comes."""
        if fault.breaks():
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
        """Take the client's bytes, and stamp each chunk with the time it may go on; answer what is to be aborted."""
        now = asyncio.get_running_loop().time
        while chunk := await self._reader.read(CHUNK):
            self._totals.bytes_up += len(chunk)
            fault = self._faults.current
            while fault and not self._awaiting_answer and (status := fault.aborts(chunk)):
                chunk = await self._abort_request(chunk, fault.id, status)
            if not chunk:
                continue
            self._totals.requests += begins_request(chunk)
            self._awaiting_answer, self._active_at = True, now()
            held_s = self._touch(chunk, fault, "up")
            await self._held.put((now() + (held_s or 0.0), chunk, fault if held_s is not None else None))
        await self._held.put(None)

    def _touch(self, chunk: bytes, fault: Fault | None, direction: Direction) -> float | None:
        """How long the fault holds a chunk back, which is then counted; None when no fault touches it."""
        held_s = fault.holds_s(chunk, direction) if fault is not None else None
        if fault is not None and held_s is not None:
            self._faults.touched[fault.id].count(chunk, self._client)
        return held_s

    async def _abort_request(self, chunk: bytes, fault: str, status: int) -> bytes:
        """Answer the request that `chunk` begins in the upstream's place; returns what came after it."""
        self._totals.requests += 1
        self._faults.touched[fault].count(chunk, self._client)
        keeps, rest = await consume(chunk, self._reader)
        self._writer.write(answer(chunk, status, fault, keeps=keeps))
        await self._writer.drain()
        self._active_at = asyncio.get_running_loop().time()
        if not keeps:
            self._writer.write_eof()
            while await self._reader.read(CHUNK):
                pass  # what a client still sends to a connection that was told to be over
        return rest

    async def _send(self, upstream: asyncio.StreamWriter) -> None:
        """Send the chunks on, in order, each when its time has come or its fault has ended."""
        while (held := await self._held.get()) is not None:
            due, chunk, fault = held
            await self._pass(upstream, chunk, fault, due)
        upstream.write_eof()

    async def _answer(self, reader: asyncio.StreamReader) -> None:
        now = asyncio.get_running_loop().time
        while chunk := await reader.read(CHUNK):
            self._totals.bytes_down += len(chunk)
            fault = self._faults.current
            held_s = self._touch(chunk, fault, "down")
            await self._pass(self._writer, chunk, fault if held_s is not None else None, now() + (held_s or 0.0))
            self._awaiting_answer, self._active_at = False, now()
        self._writer.write_eof()

    async def _pass(self, writer: asyncio.StreamWriter, chunk: bytes, fault: Fault | None, due: float) -> None:
        """Write a chunk: at once, or as the fault has it for as long as that lasts."""
        if fault is None:
            writer.write(chunk)
            await writer.drain()
            return
        await _until(due, fault)
        for part, pause_s in fault.slices(chunk):
            writer.write(part)
            await writer.drain()
            await _until(asyncio.get_running_loop().time() + pause_s, fault)


async def _until(due: float, fault: Fault) -> None:
    """Wait for a time on the loop's clock, or for the end of the fault."""
    if due > asyncio.get_running_loop().time() and not fault.ended.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(None if due == math.inf else due):
                await fault.ended.wait()
