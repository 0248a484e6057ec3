"""A clock for what is promised in seconds: the promise is asked of a machine that runs, so stalls do not count.

Only for bounds that are the product's own word. A guard against a test that never ends is a large number, no clock.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gameday.load.calm import PATIENCE, TOLD_S
from gameday.load.stalls import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Clock:
    """Tells calm seconds. Times are monotonic ones; its stalls become evidence of this process, which nobody judges."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        """Goes by a heartbeat that beats."""
        self._heartbeat = heartbeat

    def kept(self, began: float, limit_s: float, ended: float | None = None) -> bool:
        """Whether from `began` until `ended`, default now, no more than `limit_s` calm seconds have gone by."""
        until = time.monotonic() if ended is None else ended
        if until - began <= limit_s:
            return True
        time.sleep(TOLD_S)  # until then a stall that reaches up to now may not be known
        to_unix = time.time() - time.monotonic()
        stalled_s = self._heartbeat.stalled_s(began + to_unix, until + to_unix)
        return until - began <= min(limit_s + stalled_s, PATIENCE * limit_s)

    def comes(self, holds: Callable[[], bool], within_s: float, *, since: float | None = None) -> bool:
        """Ask until the answer is yes, or it is late: `within_s` calm seconds, from now on or since that moment.

        It is late by an answer that was asked for when all the time was over.
        """
        asked = time.monotonic()
        began = asked if since is None else since
        while not holds():
            if not self.kept(began, within_s, asked):
                return False
            time.sleep(0.1)  # that is other processes' doing: there is no event to await
            asked = time.monotonic()
        return True


@contextmanager
def calm_clock() -> Iterator[Clock]:
    """A clock that goes as long as the block."""
    heartbeat = Heartbeat()
    heartbeat.start()
    try:
        yield Clock(heartbeat)
    finally:
        heartbeat.stop()
