"""The faults that a proxy can apply: a closed set, each with what it does to a connection. No I/O here."""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from gameday.faultproxy.requests import begins_request

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KINDS", "Abort", "Blackhole", "Delay", "Direction", "Fault", "FaultError", "Reset", "Throttle", "described"]
__all__ += ["read"]

MAX_MS = 120_000.0
MAX_TTL_S = 86_400.0
MAX_BYTES_PER_S = 1e9
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
    ttl_s: float = field(metadata={"most": MAX_TTL_S})
    seed: int = field(default=0, metadata={"most": 2**63})
    ended: asyncio.Event = field(default_factory=asyncio.Event, compare=False)
    rng: random.Random = field(default_factory=random.Random, compare=False)

    def breaks(self) -> bool:
        """Whether a connection is reset: asked once for each that is open at the onset, and for each new one."""
        return False

    def aborts(self, chunk: bytes) -> int | None:
        """The status by which the proxy itself answers the request that these bytes begin; None when it does not."""
        del chunk
        return None

    def holds_s(self, chunk: bytes, direction: Direction) -> float | None:
        """How many seconds a chunk is held back before it goes on; None for one that is not touched."""
        del chunk, direction
        return None

    def slices(self, chunk: bytes) -> Iterator[tuple[bytes, float]]:
        """A chunk that is touched, in the parts that go on at once, each with the seconds of silence after it."""
        yield chunk, 0.0

    def _chosen(self, share: float) -> bool:
        return share >= 1 or self.rng.random() < share


def _number(most: float, *, least: float = 0.0, **default: float) -> Any:
    return field(metadata={"least": least, "most": most}, **default)  # type: ignore[call-overload]


def _share() -> Any:
    return _number(1.0, default=1.0)


@dataclass(frozen=True, kw_only=True)
class Delay(Fault):
    """Latency for what clients send: `latency_ms`, plus or minus up to `jitter_ms`.

    With a `share` below 1 only for that share of HTTP requests.
    """

    kind = "delay"
    latency_ms: float = _number(MAX_MS)
    jitter_ms: float = _number(MAX_MS, default=0.0)
    share: float = _share()

    def holds_s(self, chunk: bytes, direction: Direction) -> float | None:
        """The delay of this chunk, never below 0."""
        if direction == "down" or not (self.share >= 1 or (begins_request(chunk) and self._chosen(self.share))):
            return None
        return max(0.0, self.latency_ms + self.rng.uniform(-self.jitter_ms, self.jitter_ms)) / 1000


@dataclass(frozen=True, kw_only=True)
class Throttle(Fault):
    """At most `bytes_per_s` on each connection and in each direction."""

    kind = "throttle"
    bytes_per_s: float = _number(MAX_BYTES_PER_S, least=1.0)

    def holds_s(self, chunk: bytes, direction: Direction) -> float | None:
        """At once: a throttled chunk is slow, not late."""
        del chunk, direction
        return 0.0

    def slices(self, chunk: bytes) -> Iterator[tuple[bytes, float]]:
        """Small parts, and after each as long as it takes at that rate."""
        size = max(1, int(self.bytes_per_s * _SLICE_S))
        for start in range(0, len(chunk), size):
            part = chunk[start : start + size]
            yield part, len(part) / self.bytes_per_s


@dataclass(frozen=True, kw_only=True)
class Reset(Fault):
    """Resets a `share` of the connections: of those that are open, and of each new one as it comes."""

    kind = "reset"
    share: float = _share()

    def breaks(self) -> bool:
        """By the share."""
        return self._chosen(self.share)


@dataclass(frozen=True, kw_only=True)
class Blackhole(Fault):
    """Nothing passes, either way, on any connection; a connect succeeds, and then nobody answers."""

    kind = "blackhole"

    def holds_s(self, chunk: bytes, direction: Direction) -> float | None:
        """Until the fault ends: what was held then goes on."""
        del chunk, direction
        return math.inf


@dataclass(frozen=True, kw_only=True)
class Abort(Fault):
    """A `share` of HTTP requests is answered with `status`, and never reaches the upstream."""

    kind = "abort"
    status: int = field(metadata={"least": 400, "most": 599})
    share: float = _share()

    def aborts(self, chunk: bytes) -> int | None:
        """By the share, of what begins a request."""
        return self.status if begins_request(chunk) and self._chosen(self.share) else None


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
    values: dict[str, Any] = {"id": data["id"]}
    for name, one in known.items():
        if name == "id":
            continue
        given = data.get(name, one.default)
        least, most = one.metadata.get("least", 0), one.metadata["most"]
        whole = one.type == "int"
        if (
            isinstance(given, bool)
            or not isinstance(given, int if whole else int | float)
            or not least <= given <= most
        ):
            expected = f"a {'whole ' if whole else ''}number from {least:g} to {most:g}"
            raise FaultError(f"{name} is {given if name in data else 'missing'!r}, expected {expected}")
        values[name] = given
    return kind(**values, rng=random.Random(values["seed"]))  # noqa: S311  # reproducible, not secret


def described(fault: Fault) -> dict[str, Any]:
    """The kind and the parameters, as JSON-ready data."""
    own = {one.name for one in fields(fault)} - _OWN - {"id", "ttl_s", "seed"}
    return {"kind": fault.kind, **{name: getattr(fault, name) for name in sorted(own)}}
