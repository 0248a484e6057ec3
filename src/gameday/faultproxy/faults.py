"""The fault that a proxy applies, and the count of what it touched. No I/O here."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

MAX_LATENCY_MS = 120_000.0
MAX_TTL_S = 86_400.0
MAX_CLIENTS = 1024
"""Client addresses that are counted apart; further ones are counted as `others`."""

_REQUEST = re.compile(rb"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) \S+ HTTP/1\.[01]\r\n")


class FaultError(ValueError):
    """A fault that makes no sense, or that would overlap another; the message is for the caller."""


def begins_request(chunk: bytes) -> bool:
    """Whether these bytes begin an HTTP/1 request: a guess by the request line, for counting only."""
    return _REQUEST.match(chunk) is not None


@dataclass(frozen=True)
class Delay:
    """Latency for what goes to the upstream: `latency_ms` plus or minus up to `jitter_ms`, for `ttl_s` seconds."""

    id: str
    latency_ms: float
    jitter_ms: float
    ttl_s: float
    ended: asyncio.Event = field(default_factory=asyncio.Event, compare=False)

    @classmethod
    def from_json(cls, data: Any) -> Delay:
        """Read {id, latency_ms, jitter_ms = 0, ttl_s}. Raises FaultError."""
        if not isinstance(data, dict) or not isinstance(data.get("id"), str) or not data["id"]:
            raise FaultError("a fault is a mapping with a text `id`")
        unknown = data.keys() - {"id", "latency_ms", "jitter_ms", "ttl_s"}
        if unknown:
            raise FaultError(f"unknown fields {sorted(unknown)}")
        latency = _number(data, "latency_ms", None, MAX_LATENCY_MS)
        jitter = _number(data, "jitter_ms", 0, MAX_LATENCY_MS)
        return cls(data["id"], latency, jitter, _number(data, "ttl_s", None, MAX_TTL_S))

    def seconds(self) -> float:
        """The delay of one message, in seconds, never below 0."""
        return max(0.0, self.latency_ms + random.uniform(-self.jitter_ms, self.jitter_ms)) / 1000  # noqa: S311


def _number(data: dict[str, Any], name: str, default: float | None, most: float) -> float:
    given = data.get(name, default)
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= most:
        raise FaultError(f"{name} is {given!r}, expected a number from 0 to {most:g}")
    return float(given)


@dataclass
class Touched:
    """What one fault has touched so far."""

    messages: int = 0
    requests: int = 0
    size_bytes: int = 0
    clients: Counter[str] = field(default_factory=Counter)

    def count(self, chunk: bytes, client: str) -> None:
        """Count one delayed message of a client."""
        self.messages += 1
        self.requests += begins_request(chunk)
        self.size_bytes += len(chunk)
        known = client in self.clients or len(self.clients) < MAX_CLIENTS
        self.clients[client if known else "others"] += 1


class Faults:
    """The fault in force, at most one, and what each so far has touched."""

    def __init__(self) -> None:
        self.current: Delay | None = None
        self.touched: dict[str, Touched] = {}
        self._expiry: asyncio.TimerHandle | None = None
        self._ends_at = 0.0

    def set(self, delay: Delay) -> None:
        """Put a fault in force until its `ttl_s` is over; the same id again renews it. Raises FaultError."""
        if self.current is not None and self.current.id != delay.id:
            raise FaultError(f"the fault {self.current.id} is in force; one at a time, so clear it first")
        self.clear(delay.id)
        loop = asyncio.get_running_loop()
        self.current = delay
        self.touched.setdefault(delay.id, Touched())
        self._ends_at = loop.time() + delay.ttl_s
        self._expiry = loop.call_later(delay.ttl_s, self.clear, delay.id)

    def clear(self, fault_id: str) -> None:
        """End a fault at once, releasing what it still holds back; another id or none is fine."""
        if self.current is None or self.current.id != fault_id:
            return
        self.current.ended.set()
        self.current = None
        if self._expiry is not None:
            self._expiry.cancel()

    def in_force(self) -> dict[str, Any]:
        """By id: latency, jitter and the seconds that are left."""
        if self.current is None:
            return {}
        left = max(0.0, self._ends_at - asyncio.get_running_loop().time())
        now = self.current
        return {now.id: {"latency_ms": now.latency_ms, "jitter_ms": now.jitter_ms, "ttl_left_s": round(left, 3)}}

    def stats(self) -> dict[str, Any]:
        """By id: messages, requests, bytes and clients touched, ended faults included."""
        return {
            key: {"messages": t.messages, "requests": t.requests, "bytes": t.size_bytes, "clients": dict(t.clients)}
            for key, t in self.touched.items()
        }
