"""The faults that a proxy can apply: a closed set, each with what it does to a connection. No I/O here."""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from gameday.faultproxy.fields import Headers, Number, OneOf, Text, checked, parameter
from gameday.faultproxy.requests import answer, begins_request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["KINDS", "Abort", "Blackhole", "Delay", "Direction", "Fault", "FaultError", "Reset", "Throttle", "described"]
__all__ += ["read"]

_LONGEST = Number(0, 120_000)
_SHARE = Number(0, 1)
_BODY, _HEADERS = Text(16_384), Headers()
_SLICE_S = 0.05
"""A throttled chunk is passed on in slices, each as much as may pass in so many seconds."""

Direction = Literal["up", "down"]
"""Up: from the client to the upstream."""


class FaultError(ValueError):
    """A fault that makes no sense, or that would overlap another; the message is for the caller."""


@dataclass(frozen=True)
class Fault:
    """One fault, in force for at most `ttl_s` seconds. This one passes everything on; the kinds say what they change.

    `seed` makes the choice of a share repeatable.
    """

    kind: ClassVar[str] = ""
    id: str
    ttl_s: float = parameter(Number(0, 86_400))
    seed: int = parameter(Number(0, 2**63, whole=True), default=0)
    ended: asyncio.Event = field(default_factory=asyncio.Event, compare=False)
    rng: random.Random = field(default_factory=random.Random, compare=False)

    def breaks(self) -> bool:
        """Whether a connection is reset: asked once for each that is open at the onset, and for each new one."""
        return False

    def aborts(self, chunk: bytes) -> bool:
        """Whether the proxy itself answers the request that these bytes begin."""
        del chunk
        return False

    def answer(self, request: bytes, *, keeps: bool) -> bytes:
        """What it answers then; `keeps`: whether the connection goes on."""
        return answer(request, 503, self.id, keeps=keeps)

    def holds_s(self, chunk: bytes, direction: Direction) -> float | None:
        """How many seconds a chunk is held back before it goes on; None for one that is not touched.

        An empty chunk is the end of what that side sends.
        """
        del chunk, direction
        return None

    def slices(self, chunk: bytes) -> Iterator[tuple[bytes, float]]:
        """A chunk that is touched, in the parts that go on at once, each with the seconds that it takes the line."""
        yield chunk, 0.0

    def _chosen(self, share: float) -> bool:
        return share >= 1 or self.rng.random() < share


@dataclass(frozen=True, kw_only=True)
class Delay(Fault):
    """Latency for what clients send: `latency_ms`, plus or minus up to `jitter_ms`.

    With a `share` below 1 only for that share of HTTP requests.
    """

    kind = "delay"
    latency_ms: float = parameter(_LONGEST)
    jitter_ms: float = parameter(_LONGEST, default=0.0)
    share: float = parameter(_SHARE, default=1.0)

    def holds_s(self, chunk: bytes, direction: Direction) -> float | None:
        """The delay of this chunk, never below 0."""
        if direction == "down" or not (self.share >= 1 or (begins_request(chunk) and self._chosen(self.share))):
            return None
        return max(0.0, self.latency_ms + self.rng.uniform(-self.jitter_ms, self.jitter_ms)) / 1000


@dataclass(frozen=True, kw_only=True)
class Throttle(Fault):
    """At most `bytes_per_s` on each connection: in each `direction`, or in one."""

    kind = "throttle"
    bytes_per_s: float = parameter(Number(1, 1e9))
    direction: str = parameter(OneOf(("both", "up", "down")), default="both")

    def holds_s(self, chunk: bytes, direction: Direction) -> float | None:
        """Not at all: a throttled chunk waits for those before it, and for the line."""
        del chunk
        return 0.0 if self.direction in {"both", direction} else None

    def slices(self, chunk: bytes) -> Iterator[tuple[bytes, float]]:
        """Small parts, each as long as it takes at that rate."""
        size = max(1, int(self.bytes_per_s * _SLICE_S))
        for start in range(0, len(chunk), size):
            part = chunk[start : start + size]
            yield part, len(part) / self.bytes_per_s


@dataclass(frozen=True, kw_only=True)
class Reset(Fault):
    """Resets a `share` of the connections: of those that are open, and of each new one as it comes."""

    kind = "reset"
    share: float = parameter(_SHARE, default=1.0)

    def breaks(self) -> bool:
        """By the share."""
        return self._chosen(self.share)


@dataclass(frozen=True, kw_only=True)
class Blackhole(Fault):
    """Nothing passes, either way, on any connection, its end neither; a connect succeeds, and then nobody answers."""

    kind = "blackhole"

    def holds_s(self, chunk: bytes, direction: Direction) -> float | None:
        """Until the fault ends: what was held then goes on."""
        del chunk, direction
        return math.inf


@dataclass(frozen=True, kw_only=True)
class Abort(Fault):
    """A `share` of HTTP requests is answered with `status`, and never reaches the upstream.

    `body` and `headers` are what the answer has beside that; without a body it is problem+json that names the fault.
    """

    kind = "abort"
    status: int = parameter(Number(400, 599, whole=True))
    share: float = parameter(_SHARE, default=1.0)
    body: str | None = parameter(_BODY, default=None)
    headers: Mapping[str, str] | None = parameter(_HEADERS, default=None)

    def aborts(self, chunk: bytes) -> bool:
        """By the share, of what begins a request."""
        return begins_request(chunk) and self._chosen(self.share)

    def answer(self, request: bytes, *, keeps: bool) -> bytes:
        """The status, with body and headers as they were given."""
        return answer(request, self.status, self.id, keeps=keeps, body=self.body, headers=self.headers)


KINDS: dict[str, type[Fault]] = {kind.kind: kind for kind in (Delay, Throttle, Reset, Blackhole, Abort)}
_OWN = {"ended", "rng"}


def read(data: Any) -> Fault:
    """A fault from JSON: `kind`, `id`, `ttl_s`, and what its kind has. Raises FaultError unless all is understood."""
    if not isinstance(data, dict) or not isinstance(data.get("id"), str) or not data["id"]:
        raise FaultError("a fault is a mapping with a text `id`")
    kind = KINDS.get(str(data.get("kind")))
    if kind is None:
        raise FaultError(f"kind is {data.get('kind')!r}, expected one of {', '.join(KINDS)}")
    known = {one.name: one for one in fields(kind) if one.name not in _OWN}
    unknown = data.keys() - known.keys() - {"kind"}
    if unknown:
        raise FaultError(f"unknown fields {sorted(unknown)}, {kind.kind} has {', '.join(known)}")
    values = {name: data.get(name, one.default) for name, one in known.items()}
    for name, one in known.items():
        expected = checked(one.metadata, values[name]) if name != "id" else None
        if expected is not None:
            raise FaultError(f"{name} is {values[name] if name in data else 'missing'!r}, expected {expected}")
    return kind(**values, rng=random.Random(values["seed"]))  # noqa: S311  # reproducible, not secret


def described(fault: Fault) -> dict[str, Any]:
    """The kind and the parameters, as JSON-ready data."""
    own = {one.name for one in fields(fault)} - _OWN - {"id", "ttl_s", "seed"}
    return {"kind": fault.kind, **{name: getattr(fault, name) for name in sorted(own)}}
