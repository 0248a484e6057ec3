"""Bounds that count calm seconds: what this machine stood still for is added to a bound, up to a limit.

What a bench looks at runs on the machine that the bench runs on; while that stands still neither gets on, and how long
it took says nothing of what was looked at. A thread beats in the bench's own process: where it was late by more than
GAP_S, the machine was not calm. That programs queue for the processors is not asked, other than by gameday's own
heartbeat: a bench fills them itself, and what is slower for that is what its bounds are for.
"""

from __future__ import annotations

import threading
import time
from typing import Self

from gameday.load.stalls import Stall

__all__ = ["BEAT_S", "GAP_S", "MOST", "Calm", "allowed_s", "words"]

BEAT_S, GAP_S = 0.01, 0.05
"""How often it beats, and the gap that counts: finer than gameday's, for bounds of a second and less."""
MOST = 3
"""A bound is never more than so many times itself: what is as late as that is late, however busy the machine was."""


class Calm:
    """Beats while it is entered. Times are Unix seconds, which evidence has too."""

    def __init__(self) -> None:
        """Not beating yet."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="bench-beat", daemon=True)
        self._gaps: list[Stall] = []
        self._beats = 0
        self._beaten = threading.Condition()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with self._beaten:
            self._beaten.notify_all()
        self._thread.join()

    def stalled_s(self, start: float, end: float) -> float:
        """For how many seconds between `start` and `end`, of the past, it was not calm."""
        return sum(max(min(one.end, end) - max(one.start, start), 0.0) for one in self._known())

    def gap_within(self, start: float, end: float) -> bool:
        """Whether it was late for a beat, be it in part, between `start` and `end`, of the past."""
        return any(one.touches(start, end) for one in self._known())

    def _known(self) -> list[Stall]:
        """The gaps until now: one is known at its end only, so a whole beat is waited for."""
        with self._beaten:
            wanted = self._beats + 2  # one may be under way
            self._beaten.wait_for(lambda: self._beats >= wanted or self._stop.is_set())
            return list(self._gaps)

    def _beat(self) -> None:
        last = time.monotonic()
        while not self._stop.wait(BEAT_S):
            now, wall = time.monotonic(), time.time()
            if now - last > GAP_S:
                self._gaps.append(Stall(wall - (now - last), wall))
            last = now
            with self._beaten:
                self._beats += 1
                self._beaten.notify_all()


def allowed_s(bound_s: float, stalled_s: float) -> float:
    """A bound with the seconds added for which the machine was not calm, at most MOST times itself. Pure."""
    return min(bound_s + stalled_s, MOST * bound_s)


def words(bound_s: float, stalled_s: float) -> str:
    """`at most 15 s`, and what was added to that. Pure."""
    more = allowed_s(bound_s, stalled_s) - bound_s
    return f"at most {bound_s:g} s" + (f" and {more:.1f} s that this machine was not calm" if more >= BEAT_S else "")
