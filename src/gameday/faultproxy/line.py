"""One direction of a connection: what is to go on goes on in order, at once or as the fault in force has it."""

from __future__ import annotations

import asyncio
import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gameday.faultproxy.faults import Direction, Fault
    from gameday.faultproxy.force import Faults

__all__ = ["Held", "Line"]


@dataclass(frozen=True)
class Held:
    """A chunk, when it may go on by the loop's clock, and the fault that touches it. Empty: the end of all."""

    due: float
    chunk: bytes
    fault: Fault | None


class Line:
    """What one side of a client's connection sends to the other."""

    def __init__(self, faults: Faults, client: str, direction: Direction) -> None:
        self._faults = faults
        self._client = client
        self._direction = direction
        self._free_at = 0.0
        self._paced_by: Fault | None = None

    def take(self, chunk: bytes) -> Held:
        """A chunk, or the end, as the fault in force has it. It counts as touched if it is to be held back."""
        fault, now = self._faults.current, asyncio.get_running_loop().time()
        held_s = fault.holds_s(chunk, self._direction) if fault is not None else None
        if fault is None or held_s is None:
            return Held(now, chunk, None)
        if held_s > 0:
            self._count(fault, chunk)
        return Held(now + held_s, chunk, fault)

    async def pass_on(self, held: Held, writer: asyncio.StreamWriter) -> None:
        """Write a chunk once its time has come, or its fault has ended; the end is passed on as a half-close."""
        if held.fault is None:
            writer.write(held.chunk)
            await writer.drain()
        else:
            await until(held.due, held.fault)
            await self._pass_slowly(held.chunk, held.fault, writer)
        if not held.chunk:
            writer.write_eof()

    async def _pass_slowly(self, chunk: bytes, fault: Fault, writer: asyncio.StreamWriter) -> None:
        """In the fault's parts, each after the line is free again; what is left when it ends, in one piece."""
        now, sent, waited = asyncio.get_running_loop().time, 0, False
        if self._paced_by is not fault:
            self._paced_by, self._free_at = fault, 0.0
        for part, takes_s in fault.slices(chunk):
            if self._free_at > now() and not waited:
                waited = True
                self._count(fault, chunk)
            await until(self._free_at, fault)
            if fault.ended.is_set():
                break
            writer.write(part)
            await writer.drain()
            sent += len(part)
            self._free_at = max(self._free_at, now()) + takes_s
        if fault.ended.is_set():
            writer.write(chunk[sent:])
            await writer.drain()

    async def silence(self) -> None:
        """Wait as long as the fault in force would hold back the end of this line."""
        held = self.take(b"")
        if held.fault is not None:
            await until(held.due, held.fault)

    def _count(self, fault: Fault, chunk: bytes) -> None:
        if chunk:
            self._faults.touched[fault.id].count(chunk, self._client)


async def until(due: float, fault: Fault) -> None:
    """Wait for a time on the loop's clock, or for the end of the fault."""
    if due > asyncio.get_running_loop().time() and not fault.ended.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(None if due == math.inf else due):
                await fault.ended.wait()
