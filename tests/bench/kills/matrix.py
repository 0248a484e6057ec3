"""Many points over several shops: each shop takes one after the other, and each comes to a result."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from tests.bench.kills.points import Point, draw, shortened
from tests.bench.kills.shop import embedded, real
from tests.e2e.runs import EXPERIMENTS, FAULT_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.bench.kills.line import Write
    from tests.bench.kills.shop import Shop

__all__ = ["Judged", "Matrix", "run"]

SPARE = 2
"""So many times as many points are drawn as must be come to: how often pods are killed, and so what is written, varies.
"""


class Judged(Protocol):
    """What came of one point."""

    @property
    def point(self) -> Point:
        """Where it was."""

    @property
    def write(self) -> str:
        """At which write."""

    @property
    def problem(self) -> str:
        """What was not as it must be, in words; empty when nothing was."""


R = TypeVar("R", bound=Judged)


@dataclass
class Matrix(Generic[R]):
    """The points that are left, and what came of the others; `missed` are those to which their runs never came.

    `wanted`: at how many points there must be a result; for each that is missed one more is taken.
    """

    left: list[Point]
    writes: dict[str, list[Write]]
    results: list[R] = field(default_factory=list)
    missed: list[Point] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    wanted: int = 0
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def passed(self) -> bool:
        """Whether there are as many results as were wanted, and nothing was amiss in any."""
        bad = self.broken or any(one.problem for one in self.results)
        return bool(self.results) and not bad and len(self.results) >= self.wanted

    def work(self, shop: Shop, files: dict[str, Path], trial: Callable[[Shop, Path, Point], R | None]) -> None:
        """Take one point after the other."""
        while (point := self._next()) is not None:
            try:
                result = trial(shop, files[point.experiment], point)
            except Exception as problem:  # noqa: BLE001  # a guarded thread: it fails the whole
                self.broken.append(f"{point}: {type(problem).__name__}: {problem}")
                return
            with self._lock:
                self._under_way -= 1
                if result is None:
                    self.missed.append(point)
                else:
                    self.results.append(result)
            if result is None:
                print(f"missed: the run was over before {point}; another is drawn, if any is left", flush=True)
                continue
            print(f"{len(self.results)}: {point.experiment}, {point.when} {result.write}: {result}", flush=True)

    def _next(self) -> Point | None:
        with self._lock:
            if not self.left or len(self.results) + self._under_way >= self.wanted:
                return None
            self._under_way += 1
            return self.left.pop(0)


def run(
    trial: Callable[[Shop, Path, Point], R | None], folder: Path, *, points: int, shops: int, seed: int, context: str
) -> Matrix[R]:
    """Put the shops up (one, in a real cluster that `context` names, if it does), survey, try, take them down.

    Of more experiments than points as many are drawn.
    """
    every = sorted((*EXPERIMENTS, *FAULT_KINDS))
    chosen = random.Random(seed).sample(every, min(points, len(every)))  # reproducible, not secret
    files = {file.stem: shortened(file, folder) for file in chosen}
    with ExitStack() as up:
        there = []
        for number in range(1 if context else shops):
            place = folder / f"shop-{number}"
            place.mkdir()
            there.append(up.enter_context(real(place, context) if context else embedded(place)))
        writes = _survey(there, files)
        for name, seen in writes.items():
            print(f"{name}: {len(seen)} writes: {dict(Counter(map(str, seen)))}", flush=True)
        matrix: Matrix[R] = Matrix(draw(writes, SPARE * points, seed), writes, wanted=points)
        with ThreadPoolExecutor(len(there)) as workers:
            list(workers.map(lambda shop: matrix.work(shop, files, trial), there))
    return matrix


def _survey(shops: Sequence[Shop], files: dict[str, Path]) -> dict[str, list[Write]]:
    """What each of the experiments writes, each shop taking one after the other."""
    free: SimpleQueue[Shop] = SimpleQueue()
    for shop in shops:
        free.put(shop)

    def survey(file: Path) -> list[Write]:
        shop = free.get()
        try:
            return shop.survey(file)
        finally:
            free.put(shop)

    with ThreadPoolExecutor(len(shops)) as workers:
        return dict(zip(files, workers.map(survey, files.values()), strict=True))
