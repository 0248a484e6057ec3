"""What the recorded evidence proves about the faults of an experiment. Pure: events in, facts out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gameday.verdict import MIN_WINDOW_S, FaultFacts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from gameday.evidence import Event

__all__ = ["FaultWindow", "OwnWindow", "fault_facts", "fault_window", "faults_set_since", "in_force_throughout"]
__all__ += ["own_windows"]

_GONE = ("fault-undone", "fault-reverted")


@dataclass(frozen=True)
class FaultWindow:
    """When faults were applied: from the first moment one was begun, and from when one was proven in force.

    `proven_from` is None while none is; Unix seconds.
    """

    begun_at: float
    proven_from: float | None

    def watched_s(self, until: float | None) -> float:
        """For how many seconds until then a fault was proven in force."""
        return max(0.0, until - self.proven_from) if until and self.proven_from else 0.0


@dataclass(frozen=True)
class OwnWindow:
    """From when one fault was proven in force until it was over, undone, or found to be no longer as it was set.

    One that is over before it is undone (pods that were hit, a crowd) has two: what it did may show on.
    """

    fault: str
    start: float
    end: float


def faults_set_since(events: Iterable[Event], since: float) -> list[str]:
    """The ids of the faults begun at or after `since`, in order: those of the method, not of the setup."""
    ids = [e["fault"] for e in events if e["event"] == "fault-planned" and e["fault"] and e["at"] >= since]
    return list(dict.fromkeys(ids))


def fault_window(events: Sequence[Event], since: float) -> FaultWindow:
    """The window in which the method's faults were at work; begins at `since` while there is none."""
    ids = set(faults_set_since(events, since))
    begun = [e["at"] for e in events if e["event"] == "fault-planned" and e["fault"] in ids]
    proven = [e["at"] for e in events if e["event"] == "fault-in-force" and e["fault"] in ids]
    return FaultWindow(min(begun, default=since), min(proven, default=None))


def own_windows(events: Sequence[Event], since: float, until: float) -> list[OwnWindow]:
    """The windows of the method's faults, up to `until`, that are shorter than the one in which any was in force.

    One of less than MIN_WINDOW_S has not been watched, and is left out.
    """
    ids = set(faults_set_since(events, since))
    spans = [(fault, *span) for ends in (_GONE, ("fault-over", *_GONE)) for fault, span in _spans(events, ends).items()]
    first = min((start for fault, start, _ in spans if fault in ids), default=until)
    found = [
        OwnWindow(fault, start, min(end, until))
        for fault, start, end in spans
        if fault in ids and min(end, until) - start >= MIN_WINDOW_S and (start > first or end < until)
    ]
    return list(dict.fromkeys(found))


def in_force_throughout(events: Iterable[Event], start: float, end: float) -> bool:
    """Whether some fault was proven in force before `start` and neither undone nor reverted before `end`."""
    return any(since <= start and until >= end for since, until in _spans(events, _GONE).values())


def _spans(events: Iterable[Event], ends: Collection[str]) -> dict[str, tuple[float, float]]:
    """By fault: when it was first proven in force, and when the first event of `ends` came, if ever."""
    since: dict[str, float] = {}
    until: dict[str, float] = {}
    for event in events:
        match event["event"]:
            case "fault-in-force":
                since.setdefault(event["fault"], event["at"])
            case name if name in ends:
                until.setdefault(event["fault"], event["at"])
    return {fault: (at, until.get(fault, float("inf"))) for fault, at in since.items()}


def fault_facts(events: Sequence[Event], since: float) -> tuple[FaultFacts, ...]:
    """What is proven about each fault begun at or after `since`.

    A touch counts only from the moment the fault was proven in force: what happened before
    proves nothing about it.
    """
    facts = [_facts(fault, [e for e in events if e["fault"] == fault]) for fault in faults_set_since(events, since)]
    unborn = [e for e in events if e["event"] == "fault-failed" and not e["fault"] and e["at"] >= since]
    facts += [FaultFacts("none", str(e.get("kind")), matched=0, failed=str(e.get("reason"))) for e in unborn]
    return tuple(facts)


def _facts(fault: str, events: list[Event]) -> FaultFacts:
    planned = _last(events, "fault-planned") or {}
    in_force = _last(events, "fault-in-force")
    touched = 0
    if in_force is not None:
        after = [e for e in events if e["event"] == "fault-touched" and e["at"] >= in_force["at"]]
        touched = max((int(e.get("count") or 0) for e in after), default=0)
    acting = [e for e in events if not e.get("undo")]  # an undo that failed is told by what remains
    failed, reverted = _last(acting, "fault-failed"), _last(events, "fault-reverted")
    return FaultFacts(
        fault=fault,
        kind=str(planned.get("kind", "unknown")),
        matched=int(planned.get("matched", 1)),
        in_force=in_force is not None,
        touched=touched,
        unseen=tuple(map(str, (_last(events, "fault-touched") or {}).get("unseen") or ())),
        failed=str(failed.get("reason", "no reason given")) if failed else None,
        reverted_by=str(reverted.get("by", "somebody else")) if reverted else None,
        undone=_last(events, "fault-undone") is not None,
        effective_undone=_last(events, "fault-effective-undone") is not None,
    )


def _last(events: list[Event], name: str) -> dict[str, Any] | None:
    return next((e for e in reversed(events) if e["event"] == name), None)
