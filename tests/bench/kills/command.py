"""The command lines of the benches that end runs at points: the same options, a page at the end."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.arguments import at_least_one
from tests.bench.kills.matrix import run
from tests.e2e.processes import hear_sigint

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.kills.matrix import Matrix

__all__ = ["command"]


def command(
    program: str, points: int, trial: Callable[..., Any], page: Callable[[Matrix[Any], str, float], str]
) -> int:
    """Read the options, try all points, write and print the page; returns the exit code."""
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("--points", type=at_least_one, default=points)
    parser.add_argument("--shops", type=at_least_one, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--context", default="", help="of a real cluster, in $KUBECONFIG; one shop there")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    hear_sigint()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gameday-ends-") as folder:
        matrix: Matrix[Any] = run(
            trial, Path(folder), points=given.points, shops=given.shops, seed=given.seed, context=given.context
        )
    where = f" --context {given.context}" if given.context else ""
    text = page(matrix, f"{program} --points {given.points} --seed {given.seed}{where}", time.monotonic() - began)
    if given.output:
        given.output.write_text(text)
    print(text)
    for problem in matrix.broken:
        print(f"broken: {problem}")
    return 0 if matrix.passed else 1
