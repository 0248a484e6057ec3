"""Kill runs at many points, on embedded clusters that live on, and see that nothing stays behind.

    python -m tests.bench.kills [--points 200] [--shops 3] [--seed 1] [--output docs/kills.md]

Each experiment of the catalogue runs once unharmed, to know its writes; then runs are killed at points drawn from
these. Fails (exit 1) when anything was left, or restored too late, or when more than a tenth as many runs as were
killed ended before they came to their point: how often pods are killed varies.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gameday.kube import connect
from tests.bench.arguments import at_least_one
from tests.bench.kills.points import Point, draw, shortened
from tests.bench.kills.report import page
from tests.bench.kills.trial import Trials
from tests.e2e.runs import EXPERIMENTS, GAMEDAY, command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.bench.kills.line import Write
    from tests.bench.kills.trial import Result


@contextmanager
def shop(folder: Path) -> Iterator[Trials]:
    """An embedded cluster of its own that lives on, with the storefront and its guardian; taken down at the end."""
    environment = {**os.environ, "GAMEDAY_STATE": str(folder / "state")}
    command([GAMEDAY, "up"], environment)
    try:
        config = folder / "state" / "local" / "kubeconfig"
        yield Trials(connect(kubeconfig=config, context="gameday-local"), config, folder, environment)
    finally:
        command([GAMEDAY, "down"], environment)


class Matrix:
    """The points that are left, shared among the shops, and what came of the others."""

    def __init__(self, files: dict[str, Path], points: Sequence[Point]) -> None:
        self._files, self._left, self._lock = files, list(points), threading.Lock()
        self.results: list[Result] = []
        self.missed: list[Point] = []
        self.broken: list[str] = []

    def work(self, trials: Trials) -> None:
        """Take one point after the other."""
        while (point := self._next()) is not None:
            try:
                result = trials.kill(self._files[point.experiment], point)
            except Exception as problem:  # noqa: BLE001  # a guarded thread: it fails the whole
                self.broken.append(f"{point}: {type(problem).__name__}: {problem}")
                return
            with self._lock:
                if result is None:
                    self.missed.append(point)
                    continue
                self.results.append(result)
            said = result.problem or f"restored after {result.restored_s:.1f} s"
            print(f"{len(self.results)}: {point.experiment}, {point.when} {result.write}: {said}", flush=True)

    def _next(self) -> Point | None:
        with self._lock:
            return self._left.pop(0) if self._left else None


def run(count: int, shops: int, seed: int, folder: Path) -> tuple[Matrix, dict[str, list[Write]]]:
    """Put the shops up, survey, kill, take them down."""
    files = {file.stem: shortened(file, folder) for file in EXPERIMENTS}
    with ExitStack() as up:
        trials = []
        for number in range(shops):
            (folder / f"shop-{number}").mkdir()
            trials.append(up.enter_context(shop(folder / f"shop-{number}")))
        writes = {name: trials[0].survey(file) for name, file in files.items()}
        for name, seen in writes.items():
            print(f"{name}: {len(seen)} writes: {dict(Counter(map(str, seen)))}", flush=True)
        matrix = Matrix(files, draw(writes, count, seed))
        workers = [threading.Thread(target=matrix.work, args=(one,)) for one in trials]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    return matrix, writes


def main() -> int:
    """Run as the module's docstring says."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.kills")
    parser.add_argument("--points", type=at_least_one, default=200)
    parser.add_argument("--shops", type=at_least_one, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gameday-kills-") as folder:
        matrix, writes = run(arguments.points, arguments.shops, arguments.seed, Path(folder))
    text = page(matrix.results, matrix.missed, writes, arguments.seed, time.monotonic() - began)
    if arguments.output:
        arguments.output.write_text(text)
    print(text)
    for problem in matrix.broken:
        print(f"broken: {problem}")
    bad = [one for one in matrix.results if one.problem]
    return 1 if bad or matrix.broken or len(matrix.missed) > len(matrix.results) / 10 or not matrix.results else 0


if __name__ == "__main__":
    sys.exit(main())
