"""The fault in force in this proxy, at most one, and what each so far has touched."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gameday.faultproxy.faults import Fault, FaultError, described
from gameday.faultproxy.requests import begins_request

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Faults", "Touched"]

MAX_CLIENTS = 1024
"""Client addresses that are counted apart; further ones are counted as `others`."""


@dataclass
class Touched:
    """What one fault has touched so far: `messages` counts all of it, chunks and connections alike."""

    messages: int = 0
    requests: int = 0
    connections: int = 0
    size_bytes: int = 0
    clients: Counter[str] = field(default_factory=Counter)

    def count(self, chunk: bytes, client: str) -> None:
        """Count one chunk of a client's connection."""
        self.requests += begins_request(chunk)
        self.size_bytes += len(chunk)
        self._count(client)

    def count_connection(self, client: str) -> None:
        """Count one connection of a client, as a whole."""
        self.connections += 1
        self._count(client)

    def _count(self, client: str) -> None:
        self.messages += 1
        known = client in self.clients or len(self.clients) < MAX_CLIENTS
        self.clients[client if known else "others"] += 1


class Faults:
    """The fault in force, and the counts. `on_onset` is called with each new one."""

    def __init__(self, on_onset: Callable[[Fault], None] = lambda _: None) -> None:
        self.current: Fault | None = None
        self.touched: dict[str, Touched] = {}
        self._on_onset = on_onset
        self._expiry: asyncio.TimerHandle | None = None
        self._ends_at = 0.0

    def set(self, fault: Fault) -> None:
        """Put a fault in force until its `ttl_s` is over. Raises FaultError when another one is.

        The same once more, as a call repeated because its answer was lost, only renews its time: what is held back
        stays so, no connection meets it twice. The same id with other parameters begins anew.
        """
        if self.current is not None and self.current.id != fault.id:
            raise FaultError(f"the fault {self.current.id} is in force; one at a time, so clear it first")
        if self.current is not None and _same(self.current, fault):
            self._last(fault)
            return
        self.clear(fault.id)
        self.current = fault
        self.touched.setdefault(fault.id, Touched())
        self._last(fault)
        self._on_onset(fault)

    def _last(self, fault: Fault) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        loop = asyncio.get_running_loop()
        self._ends_at = loop.time() + fault.ttl_s
        self._expiry = loop.call_later(fault.ttl_s, self.clear, fault.id)

    def clear(self, fault_id: str) -> None:
        """End a fault at once, releasing what it still holds back; another id or none is fine."""
        if self.current is None or self.current.id != fault_id:
            return
        self.current.ended.set()
        self.current = None
        if self._expiry is not None:
            self._expiry.cancel()

    def in_force(self) -> dict[str, Any]:
        """By id: kind, parameters and the seconds that are left."""
        if self.current is None:
            return {}
        left = max(0.0, self._ends_at - asyncio.get_running_loop().time())
        return {self.current.id: {**described(self.current), "ttl_left_s": round(left, 3)}}

    def stats(self) -> dict[str, Any]:
        """By id: messages, requests, connections, bytes and clients touched, ended faults included."""
        return {
            key: {
                "messages": t.messages,
                "requests": t.requests,
                "connections": t.connections,
                "bytes": t.size_bytes,
                "clients": dict(t.clients),
            }
            for key, t in self.touched.items()
        }


def _same(one: Fault, other: Fault) -> bool:
    """Whether they do the same, however long they last."""
    return (described(one), one.seed) == (described(other), other.seed)
