"""Every weakness that the catalogue declares, in one game day: does each fail, on the very hypothesis?

    python -m tests.bench.weaknesses [--sample] [--seed N] [--output docs/weaknesses.md]

Runs the command as a user would. A weakness is caught when its run failed on the hypothesis that it is meant to break,
with its baseline met. What could not be told beside others (inconclusive: this machine had too much to do) is run
again, with nothing beside it, and said so. Exits with 1 when one was not caught.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.noise import declared, game_day, is_caught, runs_of_turn
from tests.bench.turns import until_told


def table(runs: dict[str, str], said: dict[str, dict[str, Any]]) -> list[str]:
    """A row for each weakness of each experiment."""
    lines = ["| weakness | experiment | must violate | verdict | violated |", "| --- | --- | --- | --- | --- |"]
    for run, violates in sorted(runs.items(), key=lambda one: one[0].partition("--")[::-1]):
        experiment, _, weakness = run.partition("--")
        gameday = said.get(run, {"verdict": "no journal", "baseline_met": False, "violated": []})
        violated = ", ".join(f"`{probe}`" for probe in gameday["violated"])
        unlike = "" if is_caught(gameday, violates) else " (**not as it must be**)"
        lines.append(f"| `{weakness}` | {experiment} | `{violates}` | {gameday['verdict']}{unlike} | {violated} |")
    return lines


def main() -> int:
    """Run them all, write the page if asked to, and exit 1 when a verdict was not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sample", action="store_true", help="one weakness of each experiment, by the seed")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 24))
    parser.add_argument("--output", type=Path, help="write the page to this file")
    options = parser.parse_args()
    runs = runs_of_turn(options.seed) if options.sample else declared()
    print(f"weaknesses: {len(runs)} runs, seed {options.seed}", flush=True)
    began = time.monotonic()

    def run(left: list[str], turn: int) -> dict[str, dict[str, Any]]:
        """All beside each other at first; then each by itself."""
        pairs = [one.partition("--") for one in left]
        if turn == 0:
            return game_day(sorted({weakness for _, _, weakness in pairs}), options.seed)[2]
        days = [game_day([weakness], options.seed, "--only", name)[2] for name, _, weakness in pairs]
        return {name: gameday for said in days for name, gameday in said.items()}

    said, again = until_told(runs, run)
    seconds = time.monotonic() - began
    missed = [run for run, violates in runs.items() if not is_caught(said[run], violates)]
    for name in missed:
        print(f"not caught: {name}: {said[name]['verdict']}: {said[name]['reason']}")
    print(f"{len(runs) - len(missed)} of {len(runs)} weaknesses caught, each on its hypothesis, in {seconds:.0f} s")
    if options.output:
        words = (
            f"`make weaknesses`: {seconds:.0f} s, Python {platform.python_version()}, {os.cpu_count()} "
            f"processors, seed {options.seed}. {len(runs) - len(missed)} of {len(runs)} were caught: the run failed on "
            "the hypothesis that the weakness is meant to break, with its baseline met. The first "
            "violation ends a window, so that others may not show. Could not be told beside others, and were run "
            f"again by themselves: {'; '.join(again) or 'none'}."
        )
        head = ["# Every weakness is caught", "", words, ""]
        options.output.write_text("\n".join([*head, *table(runs, said)]) + "\n")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
