"""Calm seconds: those in which neither this machine nor the way to the cluster stalled.

How long something took on a machine that stood still says nothing of it. The seconds are those of the clock that nobody
sets; a stall is known only once it is over, one of the processors up to a second later.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gameday.load.stalls import BEAT_S, PRESSURE_WINDOW_S

if TYPE_CHECKING:
    from gameday.load.stalls import Heartbeat

__all__ = ["PATIENCE", "TOLD_S", "CalmTime"]

PATIENCE = 3
"""What waits for calm seconds ends after so many times as many, however much of it was a stall."""

TOLD_S = PRESSURE_WINDOW_S + 4 * BEAT_S
"""So long after its end a stall is known."""


class CalmTime:
    """The time from a moment on: `since`, in Unix seconds, default now."""

    def __init__(self, heartbeat: Heartbeat, since: float | None = None) -> None:
        """By the stalls that this heartbeat knows of."""
        now = time.time()
        self._heartbeat, self._since = heartbeat, now if since is None else since
        self._began = time.monotonic() - (now - self._since)

    def gone_s(self) -> float:
        """Seconds gone by, calm or not."""
        return time.monotonic() - self._began

    def calm_s(self, gone_s: float) -> float:
        """How many of the first `gone_s` seconds were calm, by what is known now."""
        return gone_s - self._heartbeat.stalled_s(self._since, self._since + gone_s)

    def is_over(self, seconds: float) -> bool:
        """Whether so many calm seconds have gone by, or PATIENCE times as many of whatever kind."""
        gone_s = self.gone_s()
        return gone_s > PATIENCE * seconds or self.calm_s(gone_s) > seconds

    def is_late(self, gone_s: float, seconds: float) -> bool:
        """Whether more than `seconds` of the first `gone_s` were calm; waits for what is told of them late."""
        if self.calm_s(gone_s) <= seconds:
            return False
        time.sleep(TOLD_S)
        return self.calm_s(gone_s) > seconds
