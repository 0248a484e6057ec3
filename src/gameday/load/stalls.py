"""Did this machine stand still? A heartbeat thread that notices when it was not let run.

What shoppers saw while the machine that plays them stood still says nothing about the shop.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from gameday import evidence

__all__ = ["MAX_GAP_S", "Heartbeat", "Stall"]

BEAT_S = 0.05
MAX_GAP_S = 0.75
"""A gap between heartbeats above this is a stall."""


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
        self._stalls: list[Stall] = []
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Stop beating, and wait for the last beat."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def note(self, start: float, end: float, seen_by: str) -> None:
        """Record a stall; called by the heartbeat and by shoppers that were sent late."""
        with self._lock:
            last = self._stalls[-1] if self._stalls else None
            if last is not None and start <= last.end:
                if end <= last.end:
                    return
                self._stalls[-1] = Stall(last.start, end)
            else:
                self._stalls.append(Stall(start, end))
        evidence.record("stall", gap_s=round(end - start, 3), seen_by=seen_by, start=start, end=end)

    def stalls(self) -> list[Stall]:
        """The stalls seen so far."""
        with self._lock:
            return list(self._stalls)

    def _beat(self) -> None:
        last = time.monotonic()
        while not self._stop.wait(BEAT_S):
            now = time.monotonic()
            if now - last > MAX_GAP_S:
                wall = time.time()
                self.note(wall - (now - last), wall, "heartbeat")
            last = now
