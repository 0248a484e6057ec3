"""A probe's wait for what is on its way: calm seconds count, and the last look comes after them."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from gameday.activities.session import Reading, View
from gameday.activities.waiting import settled
from gameday.load.calm import PATIENCE
from gameday.load.stalls import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.activities.session import Session

WITHIN_S = 0.5
LATE = Reading("violated", "1 of 1 mails has not come")
THERE = Reading("holds", "the mail has come")


@pytest.fixture
def heartbeat() -> Heartbeat:
    """One that does not beat: it knows of the stalls that it is told."""
    return Heartbeat()


@pytest.fixture
def view(heartbeat: Heartbeat) -> View:
    """A fault window of ten seconds that has just ended."""
    session = SimpleNamespace(shoppers=SimpleNamespace(heartbeat=heartbeat), violation=threading.Event())
    now = time.time()
    return View(False, now - 10, now, (), (), (), True, cast("Session", session))


def mail(comes_at: float) -> Callable[[], tuple[Reading, bool]]:
    """A look for a mail that comes at that time."""
    return lambda: (THERE, False) if time.time() >= comes_at else (LATE, True)


def never() -> tuple[Reading, bool]:
    """A look for one that never comes."""
    return LATE, True


def test_what_does_not_come_in_time_is_a_violation(view: View) -> None:
    """And says how long was waited for it."""
    assert settled(view, view.end, WITHIN_S, never) == Reading("violated", f"{LATE.reason} after 0.5 s")
    assert time.time() - view.end > WITHIN_S


def test_what_comes_in_time_holds(view: View) -> None:
    """As soon as it is there."""
    assert settled(view, view.end, 30, mail(view.end + 0.3)) == THERE


def test_a_stall_gives_it_more_time(view: View, heartbeat: Heartbeat) -> None:
    """A mail that was late by no more than this machine stood still has come in time."""
    heartbeat.note(view.end, view.end + 0.6, "heartbeat")
    assert settled(view, view.end, WITHIN_S, mail(view.end + 0.9)) == THERE


def test_a_stall_is_no_excuse_for_what_never_comes(view: View, heartbeat: Heartbeat) -> None:
    """One before the wait, one in it, one that is told twice: the violation stands all the same."""
    heartbeat.note(view.end - 5, view.end - 4, "heartbeat")
    heartbeat.note(view.end - 0.2, view.end + 0.3, "heartbeat")
    heartbeat.note(view.end + 0.45, view.end + 0.5, "processor pressure")
    heartbeat.note(view.end + 0.2, view.end + 0.5, "shoppers")
    assert settled(view, view.end, WITHIN_S, never).verdict == "violated"
    assert time.time() - view.end > WITHIN_S + 0.5


def test_of_a_machine_that_stalls_all_the_time_nobody_can_tell(view: View, heartbeat: Heartbeat) -> None:
    """The wait ends in any case, and says why it was of no use."""
    heartbeat.note(view.end, view.end + 60, "heartbeat")
    found = settled(view, view.end, WITHIN_S, never)
    assert found.verdict == "undecided"
    assert "this machine, or the way to the cluster, stalled" in found.reason
    assert time.time() - view.end > PATIENCE * WITHIN_S


def test_a_machine_that_slept_looks_once_more(view: View) -> None:
    """It wakes up in a look whose answer is of before its sleep: nothing was looked at after all the time was over."""
    looks: list[Reading] = []

    def look() -> tuple[Reading, bool]:
        if looks:
            return THERE, False
        looks.append(LATE)
        time.sleep(WITHIN_S + 0.2)
        return LATE, True

    assert settled(view, time.time(), WITHIN_S, look) == THERE


@pytest.mark.parametrize("ended", [False, True], ids=["the window is open", "a violation has ended it"])
def test_nothing_is_waited_for(view: View, *, ended: bool) -> None:
    """What is on its way is undecided then, at once."""
    if ended:
        view.session.violation.set()
    else:
        view = View(False, view.start, view.end, (), (), (), False, view.session)
    assert settled(view, view.end, 30, never) == Reading("undecided", LATE.reason)
    assert time.time() - view.end < 15
