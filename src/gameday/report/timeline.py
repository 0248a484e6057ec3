"""What shoppers lived through, second by second, beside what was done to the shop. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["BUCKET_S", "Bucket", "Mark", "Span", "Timeline", "build_timeline", "quantile"]

BUCKET_S = 1.0
_UNDONE = ("fault-effective-undone", "fault-undone", "fault-reverted")


@dataclass(frozen=True)
class Bucket:
    """One second of traffic, by when requests were due. Latencies in ms; None without requests.

    `friendly` counts failed page views that got an honest and friendly error page, `failed` all other failures.
    """

    at_s: float
    good: int = 0
    fallback: int = 0
    friendly: int = 0
    failed: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    mails: int = 0

    @property
    def total(self) -> int:
        """All requests of this second."""
        return self.good + self.fallback + self.friendly + self.failed


@dataclass(frozen=True)
class Span:
    """Something that lasted, in seconds since the start."""

    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True)
class Mark:
    """Something that happened at one moment."""

    at_s: float
    label: str


@dataclass(frozen=True)
class Timeline:
    """The data of one chart; all times in seconds since `origin` (Unix seconds)."""

    origin: float
    length_s: float
    buckets: tuple[Bucket, ...]
    faults: tuple[Span, ...]
    stalls: tuple[Span, ...]
    phases: tuple[Mark, ...]
    violations: tuple[Mark, ...]

    @property
    def requests(self) -> int:
        """All requests."""
        return sum(bucket.total for bucket in self.buckets)

    @property
    def failed(self) -> int:
        """Requests that did not give their shopper what was asked for."""
        return sum(bucket.failed + bucket.friendly for bucket in self.buckets)

    @property
    def mails(self) -> int:
        """Mails that were received."""
        return sum(bucket.mails for bucket in self.buckets)


def build_timeline(
    samples: list[dict[str, Any]],
    events: list[dict[str, Any]],
    mails: list[dict[str, Any]],
    stalls: list[dict[str, Any]] | None = None,
) -> Timeline | None:
    """The timeline of one run; None when nothing at all is known. Stalls have `start` and `end` (Unix seconds)."""
    timed = [one for one in samples if isinstance(one.get("scheduled_at"), int | float)]
    moments = [float(one["scheduled_at"]) for one in timed]
    moments += [float(one["at"]) for one in events if isinstance(one.get("at"), int | float)]
    if not moments:
        return None
    origin, end = min(moments), max([*moments, *(float(one.get("done_at") or 0) for one in timed)])
    length = max(end - origin, BUCKET_S)
    arrived = [float(one["at"]) - origin for one in mails if isinstance(one.get("at"), int | float)]
    return Timeline(
        origin=origin,
        length_s=length,
        buckets=tuple(_buckets(timed, arrived, origin, length)),
        faults=tuple(_faults(events, origin, length)),
        stalls=tuple(_stalls(stalls or [], origin)),
        phases=tuple(Mark(one["at"] - origin, str(one.get("phase"))) for one in events if one.get("event") == "phase"),
        violations=tuple(
            Mark(one["at"] - origin, f"{one.get('probe')}: {one.get('detail')}")
            for one in events
            if one.get("event") == "violation"
        ),
    )


def quantile(values: list[float], share: float) -> float | None:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]


def _buckets(samples: list[dict[str, Any]], mails: list[float], origin: float, length: float) -> list[Bucket]:
    count = int(length // BUCKET_S) + 1
    groups: list[list[dict[str, Any]]] = [[] for _ in range(count)]
    for sample in samples:
        groups[min(count - 1, int((float(sample["scheduled_at"]) - origin) // BUCKET_S))].append(sample)
    arrived = [0] * count
    for at in mails:
        if 0 <= at <= length:
            arrived[min(count - 1, int(at // BUCKET_S))] += 1
    return [_bucket(index * BUCKET_S, group, arrived[index]) for index, group in enumerate(groups)]


def _bucket(at_s: float, group: list[dict[str, Any]], mails: int) -> Bucket:
    bad = [one for one in group if one.get("error") is not None]
    friendly = sum(one.get("status") is not None and not one.get("friendly_problems") for one in bad)
    fallback = sum(bool(one.get("fallback")) and one.get("error") is None for one in group)
    latencies = [float(one["latency_ms"]) for one in group if isinstance(one.get("latency_ms"), int | float)]
    return Bucket(
        at_s,
        good=len(group) - len(bad) - fallback,
        fallback=fallback,
        friendly=friendly,
        failed=len(bad) - friendly,
        p50_ms=quantile(latencies, 0.5),
        p95_ms=quantile(latencies, 0.95),
        mails=mails,
    )


def _faults(events: list[dict[str, Any]], origin: float, length: float) -> list[Span]:
    """From proven in force to undone, or to when it was over and showed no more; else it lasts to the end."""
    spans = []
    for event in events:
        if event.get("event") == "fault-in-force":
            fault = event.get("fault")
            ends = [one["at"] for one in events if one.get("fault") == fault and _is_end(one)]
            kind = str(event.get("kind") or fault)
            spans.append(Span(event["at"] - origin, (min(ends) - origin) if ends else length, kind))
    return spans


def _is_end(event: dict[str, Any]) -> bool:
    return event.get("event") in _UNDONE or (event.get("event") == "fault-over" and not event.get("shows_on"))


def _stalls(stalls: list[dict[str, Any]], origin: float) -> list[Span]:
    return [
        Span(
            max(0.0, one["start"] - origin),
            one["end"] - origin,
            f"this machine, or the way to the cluster, stalled for {one['end'] - one['start']:.1f} s",
        )
        for one in stalls
        if isinstance(one.get("start"), int | float) and isinstance(one.get("end"), int | float)
    ]
