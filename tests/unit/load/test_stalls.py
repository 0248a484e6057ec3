"""A machine that has too much to do is noticed, by really giving it too much to do."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from gameday.ledger.calls import wait_until
from gameday.load import stalls
from gameday.load.stalls import Heartbeat, Pressure, Stall, waited_for_processor_s

BUSY = (
    "import os, sys; os.nice(19); os.sched_setaffinity(0, {int(sys.argv[1])})\n"
    "while os.getppid() == int(sys.argv[2]): pass"
)
"""On one processor: left to itself the kernel may give one of them to a single program, and nobody waits for that.

As nice as can be to other tests: whoever waits for a processor counts, however nice.
"""


@pytest.mark.skipif(not Path("/proc/pressure/cpu").exists(), reason="this kernel does not tell the pressure")
def test_programs_that_queue_for_processors_are_a_stall() -> None:
    """With four busy programs on each processor, windows are noted as stalls."""
    heartbeat = Heartbeat()
    places = [str(cpu) for cpu in os.sched_getaffinity(0) for _ in range(4)]
    crowd = [subprocess.Popen([sys.executable, "-c", BUSY, place, str(os.getpid())]) for place in places]
    heartbeat.start()
    try:
        assert wait_until(lambda: bool(heartbeat.stalls()), 30)
    finally:
        for program in crowd:
            program.kill()
            program.wait()
        heartbeat.stop()


def test_a_clock_that_is_set_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back by eight seconds, in which nobody would shop; no beat is missed by that."""
    real, heartbeat = time.time, Heartbeat()
    heartbeat.start()
    try:
        assert heartbeat.stepped_s == 0
        monkeypatch.setattr("gameday.load.stalls.time.time", lambda: real() - 8)
        assert wait_until(lambda: heartbeat.stepped_s != 0, 20)
    finally:
        heartbeat.stop()
    assert heartbeat.stepped_s == pytest.approx(-8, abs=0.5)


def test_waiting_for_a_processor_only_grows() -> None:
    """The kernel's count never falls; without one there is nothing to tell."""
    first, second = waited_for_processor_s(), waited_for_processor_s()

    assert first is None or (second is not None and second >= first)


def test_a_stall_touches_what_overlaps_it() -> None:
    """What ended before it began, or began after it ended, was not hurt."""
    stall = Stall(10, 12)

    assert stall.touches(9, 10.5)
    assert stall.touches(11, 20)
    assert not stall.touches(5, 9.9)
    assert not stall.touches(12.1, 13)


def test_stalls_that_overlap_are_one() -> None:
    """However late one is told of: what began earlier, or lies within, widens what is known and drops nothing."""
    heartbeat = Heartbeat()
    for start, end in ((10, 11), (10.2, 10.4), (5, 9), (8, 12)):
        heartbeat.note(start, end, "a test")

    assert heartbeat.stalls() == [Stall(5, 12)]


def test_the_seconds_of_stalls_are_counted_once() -> None:
    """Those between two times, however many overlap there."""
    heartbeat = Heartbeat()
    for start, end in [(10, 12), (20, 21), (11, 13), (30, 40)]:
        heartbeat.note(start, end, "shoppers")
    assert heartbeat.stalled_s(0, 9) == 0
    assert heartbeat.stalled_s(0, 25) == 4  # 10 to 13, 20 to 21
    assert heartbeat.stalled_s(12.5, 32) == 3.5


def test_how_crowded_a_machine_was_is_known_for_any_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the looks in it: of ten seconds, in the later five of which somebody always waited."""
    pressure, clock = Pressure(), [100.0]
    monkeypatch.setattr("gameday.load.stalls.time", SimpleNamespace(time=lambda: clock[0], monotonic=lambda: clock[0]))
    monkeypatch.setattr(stalls, "waited_for_processor_s", lambda: max(0.0, clock[0] - 105))
    for second in range(11):
        clock[0] = 100.0 + second
        pressure.too_high(clock[0])
    assert pressure.share(100, 105) == 0
    assert pressure.share(105, 110) == pytest.approx(1)
    assert pressure.share(100, 110) == pytest.approx(0.5)
    assert pressure.share(110, 120) == 0
