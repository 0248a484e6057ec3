"""Did this machine stand still, or had it too much to do? A heartbeat thread that notices.

What shoppers saw while the machine that plays them stood still says nothing about the shop. Nor
does what they saw while programs queued for its processors all the time, which the kernel's
pressure stall information tells (Documentation/accounting/psi.rst: `some` is the share of time in
which at least one runnable task had to wait). Where the kernel does not tell, gaps have to do.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from gameday import evidence

__all__ = ["BEAT_S", "MAX_GAP_S", "PRESSURE_WINDOW_S", "Heartbeat", "Stall"]

BEAT_S = 0.05
MAX_GAP_S = 0.75
"""A gap between heartbeats above this is a stall."""

PRESSURE_WINDOW_S = 1.0
MAX_PRESSURE = 0.95
"""A window in which somebody waited for a processor for a larger share of the time is a stall."""

_PRESSURE = Path("/proc/pressure/cpu")


@dataclass(frozen=True)
class Stall:
    """A stretch of time, in Unix seconds, in which this process was not running as it should."""

    start: float
    end: float

    def touches(self, start: float, end: float) -> bool:
        """Whether something that lasted from `start` to `end` could have been hurt by it."""
        return start <= self.end and end >= self.start


class Heartbeat:
    """Beats until stopped; every gap above MAX_GAP_S becomes evidence `stall` and is kept."""

    def __init__(self) -> None:
        """Not beating yet."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="gameday-heartbeat", daemon=True)
        self._offset = 0.0
        self.stepped_s = 0.0
        """By how much the clock was set at most; whoever goes by it may have been away, or in a hurry, for as long."""
        self._stalls: list[Stall] = []
        self._pressure = Pressure()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to beat; from here on the clock is held against the one that nobody sets."""
        self._offset = time.time() - time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Stop beating, and wait for the last beat."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def note(self, start: float, end: float, seen_by: str) -> None:
        """Record a stall; called by the heartbeat and by shoppers that were sent late, maybe of an earlier one."""
        with self._lock:
            near = [one for one in self._stalls if one.touches(start - 2 * BEAT_S, end + 2 * BEAT_S)]
            if any(one.start <= start and end <= one.end for one in near):
                return
            whole = Stall(min([start, *(one.start for one in near)]), max([end, *(one.end for one in near)]))
            apart = [one for one in self._stalls if one not in near]
            self._stalls = sorted([*apart, whole], key=lambda one: one.start)
        evidence.record("stall", gap_s=round(end - start, 3), seen_by=seen_by, start=start, end=end)

    def stalls(self) -> list[Stall]:
        """The stalls seen so far."""
        with self._lock:
            return list(self._stalls)

    def stalled_s(self, start: float, end: float) -> float:
        """For how many seconds between `start` and `end` there was a stall, of those seen so far."""
        return sum(max(min(stall.end, end) - max(stall.start, start), 0.0) for stall in self.stalls())

    def crowded(self, start: float, end: float) -> float:
        """In which share of the time between these two somebody waited for a processor; 0 when nobody can tell."""
        return self._pressure.share(start, end)

    def _beat(self) -> None:
        last = time.monotonic()
        while not self._stop.wait(BEAT_S):
            now, wall = time.monotonic(), time.time()
            if now - last > MAX_GAP_S:
                self.note(wall - (now - last), wall, "heartbeat")
            last = now
            if abs(step_s := wall - now - self._offset) > MAX_GAP_S:
                self._offset += step_s
                self.stepped_s = max(self.stepped_s, step_s, key=abs)
                evidence.record("note", text=f"this machine's clock was set by {step_s:+.1f} s")
            if self._pressure.too_high(now):
                self.note(wall - PRESSURE_WINDOW_S, wall, "processor pressure")


class Pressure:
    """How much programs on this machine wait for its processors, window by window."""

    def __init__(self) -> None:
        """Nothing known yet; the first window begins with the first look."""
        self._since: tuple[float, float] | None = None
        self._seen: list[tuple[float, float]] = []
        """Unix times, and how long had been waited by then."""

    def too_high(self, now: float) -> bool:
        """Whether a window (PRESSURE_WINDOW_S) has just ended that was too crowded. `now`: monotonic seconds."""
        if self._since is not None and now - self._since[0] < PRESSURE_WINDOW_S:
            return False
        waited_s = waited_for_processor_s()
        if waited_s is None:
            return False
        read_at = time.monotonic()  # not `now`: since then this thread may have had to wait, too
        self._seen.append((time.time(), waited_s))
        before, self._since = self._since, (read_at, waited_s)
        return before is not None and (waited_s - before[1]) / (read_at - before[0]) > MAX_PRESSURE

    def share(self, start: float, end: float) -> float:
        """In which share of that time somebody waited, by the looks in it; 0 with fewer than two."""
        within = [look for look in list(self._seen) if start <= look[0] <= end]
        if len(within) < 2:  # noqa: PLR2004  # a first and a last
            return 0.0
        (first, before), (last, after) = within[0], within[-1]
        return (after - before) / (last - first)


def waited_for_processor_s() -> float | None:
    """For how many seconds since boot somebody waited for a processor; None when the kernel does not tell."""
    try:
        text = _PRESSURE.read_text(encoding="ascii")
        return int(text.splitlines()[0].rpartition("total=")[2]) / 1e6
    except (OSError, ValueError, IndexError):
        return None
