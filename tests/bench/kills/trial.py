"""One kill: a run on a cluster that lives on, killed at a point; then how soon all is as it was."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gameday.ledger.calls import wait_until
from gameday.runner.guardians import NAME
from tests.bench.calm import Calm, allowed_s, words
from tests.bench.kills.shop import END_S, NAMESPACE
from tests.e2e.processes import family, survivors

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.kills.line import When, Write
    from tests.bench.kills.points import Point
    from tests.bench.kills.shop import Shop

__all__ = ["OBJECTS_S", "Result", "kill", "kill_all"]

OBJECTS_S, SERVES_S = 15.0, 30.0
"""Bounds, in calm seconds: until every object is restored, and from then until the shop serves."""
_LOOK_S = 60.0


@dataclass(frozen=True)
class Result:
    """What came of one kill; times in seconds. `left` is what was not as before in the end.

    `stalled_s`: of `restored_s` and of `serves_s`, for how long this machine was not calm.
    """

    point: Point
    write: str
    entries: int
    restored_s: float
    serves_s: float
    left: tuple[str, ...]
    stalled_s: tuple[float, float] = (0.0, 0.0)

    @property
    def guardian_too(self) -> bool:
        """Whether the guardian's pod was killed as well."""
        return takes_guardian(self.point)

    @property
    def problem(self) -> str:
        """What is beyond the bounds, in words; empty when nothing is."""
        if self.left:
            return f"left: {', '.join(self.left)}"
        restoring_s, then_s = self.stalled_s
        if self.restored_s > allowed_s(OBJECTS_S, restoring_s):
            return f"restored after {self.restored_s:.1f} s, {words(OBJECTS_S, restoring_s)}"
        if self.serves_s > allowed_s(SERVES_S, then_s):
            return f"serves after {self.serves_s:.1f} s more, {words(SERVES_S, then_s)}"
        return ""

    def __str__(self) -> str:
        """For whoever waits."""
        return self.problem or f"restored after {self.restored_s:.1f} s"


def takes_guardian(point: Point) -> bool:
    """Whether the guardian's pod is killed with the run: at one of every four points."""
    return point.turn % 4 == 3


def kill(shop: Shop, file: Path, point: Point) -> Result | None:
    """Kill a run at the point; None when it ended before it came there, all undone by itself."""
    before = shop.snapshot()
    hit: Write | None = None

    def cuts(write: Write, when: When) -> bool:
        nonlocal hit
        if hit is None and point.hit(write, when):
            hit = write
            if takes_guardian(point):
                shop.kube.core.delete_collection_namespaced_pod(
                    NAMESPACE, label_selector=f"app={NAME}", grace_period_seconds=0
                )
            kill_all(runner.pid)
        return hit is not None

    with Calm() as calm:
        with shop.begun(file, cuts) as (runner, _, _line):
            runner.wait(END_S)
            began = time.time()
        if hit is None:
            return None
        entries = shop.entries()
        wait_until(lambda: not shop.left(before), _LOOK_S)
        restored, left = time.time(), shop.left(before)
        serving = wait_until(shop.serves, _LOOK_S)
        serves = time.time()
        stalled_s = calm.stalled_s(began, restored), calm.stalled_s(restored, serves)
    if not serving:
        left = (*left, "the shop does not serve")
    return Result(point, str(hit), entries, restored - began, serves - restored, left, stalled_s)


def kill_all(pid: int) -> None:
    """SIGKILL the runner and all below it at once, parents first: nobody of the run is left to undo."""
    with family(pid) as processes:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        alive = survivors(processes, 5)
        assert not alive, alive
