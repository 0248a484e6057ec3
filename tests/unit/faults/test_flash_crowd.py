"""When a crowd is in force: once it has come on schedule for the most part, with half of it still to come."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from chaoslib.exceptions import ActivityFailed

from gameday import evidence
from gameday.activities import traffic
from gameday.load.shoppers import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gameday.kube import Kube
    from gameday.load.shoppers import Surge


class Schedule:
    """Lets a crowd in as it is told: so many of so many visits in time, at first and after a while."""

    plan = Plan(seed=1, rate_per_s=10, mix={"home": 1})

    def __init__(self, *counts: tuple[int, int], then: Callable[[], None] = lambda: None) -> None:
        """`counts`: in time and due, one after the other; `then` something else happens."""
        self._counts, self._then = counts, then
        self.surges: list[Surge] = []

    def surge(self, crowd: Surge) -> None:
        """Let it in."""
        self.surges.append(crowd)
        threading.Thread(target=self._let_in, args=[crowd], daemon=True).start()

    def _let_in(self, crowd: Surge) -> None:
        for in_time, due in self._counts:
            crowd.in_time, crowd.due = in_time, due
            if crowd.stop.wait(0.4):
                return
        self._then()


@pytest.fixture
def session(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A session without a shop; a crowd is looked at soon."""
    monkeypatch.setattr(traffic, "_PROOF_S", 0.1)
    monkeypatch.setattr(traffic, "attack", lambda _: kube)
    made = SimpleNamespace(shoppers=None, violation=threading.Event())
    monkeypatch.setattr(traffic, "current", lambda: made)
    evidence.forget()
    yield made
    evidence.forget()


def names() -> list[str]:
    """What was recorded."""
    return [fact["event"] for fact in evidence.events()]


def test_a_crowd_that_began_with_a_stall_is_in_force_once_it_has_made_up_for_it(session: Any) -> None:
    """Eighty of a hundred is too few; then two hundred and eighty of three hundred have come in time."""
    session.shoppers = Schedule((80, 100), (280, 300), then=session.violation.set)
    done = traffic.flash_crowd("shop", 7, 60)
    assert done["proof"] | {"due": 300, "in_time": 280} == done["proof"]
    assert names() == ["fault-planned", "fault-in-force", "fault-over", "fault-touched"]
    assert session.shoppers.surges[0].stop.is_set()


def test_a_crowd_that_is_late_to_the_end_never_was_in_force(session: Any) -> None:
    """No longer than half of its time is waited for: what comes after that would be too short to judge."""
    session.shoppers = Schedule((80, 100))
    began = time.monotonic()
    with pytest.raises(ActivityFailed, match="80 of 100 visits began on schedule"):
        traffic.flash_crowd("shop", 7, 1.4)
    assert time.monotonic() - began >= 0.7
    assert "fault-in-force" not in names()
    assert session.shoppers.surges[0].stop.is_set()


def test_a_window_that_is_ended_meanwhile_says_so(session: Any) -> None:
    """It was not this machine that was too slow."""
    session.shoppers = Schedule((80, 100))
    session.violation.set()
    with pytest.raises(ActivityFailed, match="the window was ended before the crowd was proven in force"):
        traffic.flash_crowd("shop", 7, 60)
