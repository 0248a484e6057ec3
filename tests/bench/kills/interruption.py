"""One interruption: a run gets a signal at a point, another while it undoes; then how soon all is as it was."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gameday import evidence
from tests.bench.calm import Calm, allowed_s, words
from tests.bench.kills.shop import END_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.bench.kills.line import When, Write
    from tests.bench.kills.points import Point
    from tests.bench.kills.shop import Shop

__all__ = ["AGAIN_S", "BEGINS_S", "LATER_S", "RESTORED_S", "Stopped", "stop"]

BEGINS_S, RESTORED_S = 1.0, 7.0
"""Bounds, from the signal on, in calm seconds."""
LATER_S, AGAIN_S = 1.0, 2.0
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True)
class How:
    """How a run is interrupted; times in seconds: from the point to the signal, and from that to the other one."""

    number: signal.Signals
    group: bool
    later_s: float
    again: signal.Signals
    again_s: float

    def __str__(self) -> str:
        """`SIGINT to the group, SIGTERM 0.3 s later`."""
        whom = "the group" if self.group else "the runner"
        return f"{self.number.name} to {whom}, {self.again.name} {self.again_s:.1f} s later"


def how(point: Point) -> How:
    """The two signals and the two addressees in turn, the times at random, the same each time. Pure."""
    rng = random.Random(str(point))  # reproducible, not secret
    both = (signal.SIGINT, signal.SIGTERM)
    later_s = rng.choice((0.0, rng.uniform(0, LATER_S)))
    return How(both[point.turn % 2], point.turn // 2 % 2 == 1, later_s, rng.choice(both), rng.uniform(0, AGAIN_S))


@dataclass(frozen=True)
class Stopped:
    """What came of one interruption; times in seconds since the signal.

    `stalled_s`: until the undo began, and until all was restored, for how long this machine was not calm.
    """

    point: Point
    how: How
    write: str
    begins_s: float | None
    """None when the run was undoing already."""
    restored_s: float
    took_s: float
    wrong: tuple[str, ...]
    stalled_s: tuple[float, float] = (0.0, 0.0)

    @property
    def problem(self) -> str:
        """What is not as it must be, in words; empty when nothing is."""
        late = [
            f"{what} after {took_s:.1f} s, {words(bound_s, stalled_s)}"
            for what, took_s, bound_s, stalled_s in (
                ("undo began", self.begins_s or 0.0, BEGINS_S, self.stalled_s[0]),
                ("restored", self.restored_s, RESTORED_S, self.stalled_s[1]),
            )
            if took_s > allowed_s(bound_s, stalled_s)
        ]
        return "; ".join([*self.wrong, *late])

    def __str__(self) -> str:
        """For whoever waits."""
        begins = "at once" if self.begins_s is None else f"after {self.begins_s:.2f} s"
        told = f"undo {begins}, restored after {self.restored_s:.2f} s, over after {self.took_s:.1f} s"
        return f"{self.how}: {self.problem or told}"


class _Interruption:
    """Sends the two signals to a run when told to, once."""

    def __init__(self, pid: int, manner: How) -> None:
        self._pid, self._how = pid, manner
        self.sent_at: float | None = None
        self.unheard = False

    def begin(self) -> None:
        """Send the first now or a little later, then the second."""
        if self._how.later_s:
            threading.Timer(self._how.later_s, self._first).start()
        else:
            self._first()

    def _first(self) -> None:
        self.unheard = not self._send(self._how.number)
        self.sent_at = time.time()
        threading.Timer(self._how.again_s, self._send, [self._how.again]).start()

    def _send(self, number: signal.Signals) -> bool:
        """Whether the runner was there to get it: one that has ended takes a signal too, until it is waited for."""
        try:
            runner = os.pidfd_open(self._pid)
        except ProcessLookupError:
            return False
        try:
            ended = bool(select.select([runner], [], [], 0)[0])
            os.killpg(self._pid, number) if self._how.group else signal.pidfd_send_signal(runner, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(runner)
        return not ended


def stop(shop: Shop, file: Path, point: Point) -> Stopped | None:
    """Interrupt a run at the point; None when it was over before that."""
    before, manner = shop.snapshot(), how(point)
    hit: Write | None = None

    def cuts(write: Write, when: When) -> bool:
        nonlocal hit
        if hit is None and point.hit(write, when):
            hit = write
            interruption.begin()
        return False

    with Calm() as calm:
        with shop.begun(file, cuts) as (runner, report, _):
            interruption = _Interruption(runner.pid, manner)
            restored_at = _watch(shop, before, interruption, lambda: runner.poll() is None)
            runner.wait(END_S)
            over_at = time.time()
        if interruption.sent_at is None or interruption.unheard:
            return None
        sent_at = interruption.sent_at
        begins_s = _undo_began(report, sent_at)
        stalled_s = calm.stalled_s(sent_at, sent_at + (begins_s or 0.0)), calm.stalled_s(sent_at, restored_at)
    wrong = [*_files_amiss(report), *(f"left: {one}" for one in shop.left(before))]

    expected = 128 + manner.number
    if runner.returncode != expected:
        said = (report / "said").read_text()[-300:]
        wrong.append(f"exit code {runner.returncode}, expected {expected}: {said}")
    return Stopped(point, manner, str(hit), begins_s, restored_at - sent_at, over_at - sent_at, tuple(wrong), stalled_s)


def _watch(shop: Shop, before: dict[str, Any], interruption: _Interruption, runs: Callable[[], bool]) -> float:
    """When something was last seen that is not as before, or the moment of the signal; ends with the run."""
    last, ends = 0.0, time.monotonic() + END_S
    while runs() and time.monotonic() < ends:
        if interruption.sent_at is not None and shop.left(before):
            last = time.time()
        time.sleep(_LOOK_EVERY_S)  # others' objects: to look is all that one can do
    return max(last, interruption.sent_at or 0.0)


def _undo_began(report: Path, sent_at: float) -> float | None:
    """How long after the signal the undo began: the experiment's own, or the runner's after it; None when before."""
    began = []
    for journal in report.glob("*/journal.json"):
        began.append(float(json.loads(journal.read_text())["gameday"]["run"].get("runner_undo_began_at", sent_at)))
        events = evidence.read(journal.parent / evidence.FILE_NAME)
        began += [float(e["at"]) for e in events if e["event"] == "phase" and e["phase"] == "rollback"]
    first = min(began, default=sent_at)
    return first - sent_at if first > sent_at else None


def _files_amiss(report: Path) -> list[str]:
    """What of journal and report is missing or half."""
    amiss = [] if (report / "index.html").exists() else ["no index.html"]
    journals = list(report.glob("*/journal.json"))
    for journal in journals:
        try:
            json.loads(journal.read_text())["gameday"]["verdict"]
        except (ValueError, KeyError) as problem:
            amiss.append(f"{journal.name}: {type(problem).__name__}")
    return amiss if journals else [*amiss, "no journal.json"]
