"""Calm seconds: what was a stall does not count, and what is waited for ends in any case."""

from __future__ import annotations

import time

from gameday.load.calm import PATIENCE, TOLD_S, CalmTime
from gameday.load.stalls import Heartbeat


def test_what_waits_for_calm_seconds_waits_for_no_stall_for_ever() -> None:
    """It is over after so many calm ones, and after three times as many in any case."""
    heartbeat, now = Heartbeat(), time.time()
    assert CalmTime(heartbeat, now - 11).is_over(10)
    heartbeat.note(now - 5, now - 3, "a test")
    assert not CalmTime(heartbeat, now - 11).is_over(10)
    assert CalmTime(heartbeat, now - 13).is_over(10)
    heartbeat.note(now - 100, now + 100, "a test")
    assert not CalmTime(heartbeat, now - 20).is_over(10)
    assert CalmTime(heartbeat, now - 10 * PATIENCE - 1).is_over(10)


def test_a_stall_that_is_told_late_counts() -> None:
    """The processors' pressure of a second is known at its end: who is about to call something late waits for that."""
    heartbeat, now = Heartbeat(), time.time()
    gone = CalmTime(heartbeat, now - 11)
    asked = time.monotonic()
    assert gone.is_late(11, 10)
    assert time.monotonic() - asked >= TOLD_S
    assert not gone.is_late(9, 10)

    class Late(Heartbeat):
        """Notes a stall when it is asked for the second time."""

        asked = 0

        def stalled_s(self, start: float, end: float) -> float:
            """What is known."""
            self.asked += 1
            if self.asked > 1:
                self.note(now - 5, now - 3, "a test")
            return super().stalled_s(start, end)

    assert not CalmTime(Late(), now - 11).is_late(11, 10)
