"""Game day after game day, on the sound storefront and on weaknesses: does a verdict ever lie?

    python -m tests.bench.noise [--runs 50] [--output docs/noise.md]

Runs the command as a user would, with its default jobs, one game day at a time. On the sound
storefront anything but `passed` is noise; on its weakness an experiment must be `failed`, on the
hypothesis that the weakness is meant to break. The table is written after every game day, so that
an interrupted soak still leaves what it saw.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from tests.bench.arguments import at_least_one
from tests.e2e.runs import journals

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = sorted((ROOT / "experiments").rglob("*.yaml"))


@dataclass
class Tally:
    """What the game days of one kind said so far."""

    verdicts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    exits: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)


def declared() -> dict[str, str]:
    """By run (experiment--weakness): the hypothesis that it must violate. All that the catalogue declares."""
    found: dict[str, str] = {}
    for path in EXPERIMENTS:
        for extension in yaml.safe_load(path.read_text())["extensions"]:
            if extension["name"] == "gameday":
                found |= {f"{path.stem}--{one['name']}": one["violates"] for one in extension["weaknesses"]}
    return found


def runs_of_turn(turn: int) -> dict[str, str]:
    """The runs on one weakness of each experiment; turn by turn on all that are declared."""
    everything, names = declared(), set()
    for path in EXPERIMENTS:
        known = [run.partition("--")[2] for run in everything if run.startswith(f"{path.stem}--")]
        names.add(known[turn % len(known)])
    return {run: violates for run, violates in everything.items() if run.partition("--")[2] in names}


def game_day(weaknesses: list[str], seed: int, *more: str) -> tuple[int, float, dict[str, dict[str, Any]]]:
    """Run one, with `more` options; return its exit code, its seconds, and what each journal says of gameday."""
    options = [*(word for name in weaknesses for word in ("--weakness", name)), *more]
    with tempfile.TemporaryDirectory(prefix="gameday-noise-") as folder:
        began = time.monotonic()
        done = subprocess.run(
            [Path(sys.executable).parent / "gameday", "run", "--seed", str(seed), "--report", folder, *options],
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
        )
        seconds = time.monotonic() - began
        said = journals(Path(folder))
    return done.returncode, seconds, said


def count(tally: Tally, runs: dict[str, str], seed: int) -> None:
    """Run one game day, on the sound storefront when no `runs` are named, and note whatever was not as it must be."""
    code, seconds, said = game_day(sorted({run.partition("--")[2] for run in runs}), seed)
    tally.exits[code] += 1
    tally.seconds.append(seconds)
    for run in sorted(set(runs or (path.stem for path in EXPERIMENTS)) - said.keys()):
        tally.surprises.append(f"seed {seed}: {run}: no journal, exit {code}")
    for run, gameday in sorted(said.items()):
        tally.verdicts[run][gameday["verdict"]] += 1
        if not (is_caught(gameday, runs.get(run)) if runs else gameday["verdict"] == "passed"):
            tally.surprises.append(f"seed {seed}: {run}: {gameday['verdict']}: {gameday['reason']}")


def is_caught(gameday: dict[str, Any], violates: str | None) -> bool:
    """Whether a run failed on this very hypothesis, with its baseline met."""
    return gameday["verdict"] == "failed" and gameday["baseline_met"] and violates in gameday["violated"]


def table(title: str, tally: Tally) -> list[str]:
    """One tally as Markdown."""
    lines = [f"## {title}", ""]
    if not tally.seconds:
        return [*lines, "None yet.", ""]
    exits = ", ".join(f"{code} ({n} times)" for code, n in sorted(tally.exits.items()))
    lines += [
        (
            f"{len(tally.seconds)} game days; exit codes: {exits}; seconds: median {median(tally.seconds):.1f}, "
            f"{min(tally.seconds):.1f} to {max(tally.seconds):.1f}."
        ),
        "",
        "| experiment | passed | failed | inconclusive | other |",
        "| --- | --- | --- | --- | --- |",
    ]
    for run, verdicts in sorted(tally.verdicts.items()):
        known = [verdicts[name] for name in ("passed", "failed", "inconclusive")]
        lines.append(
            f"| {run.replace('--', ' on `')}{'`' if '--' in run else ''} | "
            + " | ".join(map(str, [*known, verdicts.total() - sum(known)]))
            + " |"
        )
    lines += ["", "Not as it must be: " + ("none." if not tally.surprises else ""), ""]
    return lines + [f"- {one}" for one in tally.surprises] + ([""] if tally.surprises else [])


def summary(sound: Tally, weak: Tally) -> str:
    """What it comes to, in a sentence."""
    false_failures = sum(counts["failed"] for counts in sound.verdicts.values())
    false_passes = sum(counts["passed"] for counts in weak.verdicts.values())
    both = [*sound.verdicts.values(), *weak.verdicts.values()]
    undecided, all_runs = sum(c["inconclusive"] for c in both), sum(c.total() for c in both)
    return (
        f"**False failures: {false_failures}. False passes: {false_passes}. Inconclusive: {undecided} of {all_runs}.**"
    )


def document(options: argparse.Namespace, sound: Tally, weak: Tally) -> str:
    """Everything so far, as Markdown."""
    beside = "a sound and a weak game day side by side" if options.side_by_side else "one game day at a time"
    head = [
        "# Noise",
        "",
        (
            f"`make soak`, Python {platform.python_version()}, {os.cpu_count()} processors, seeds from "
            f"{options.first_seed} on, {beside}, the jobs that are the default. A weakness counts as caught only when "
            "the run failed on the hypothesis that it is meant to break, with its baseline met."
        ),
        "",
        summary(sound, weak),
        "",
    ]
    titles = ("On the sound storefront", "On weaknesses, one for each experiment")
    body = [line for title, tally in zip(titles, (sound, weak), strict=True) for line in table(title, tally)]
    return "\n".join([*head, *body]).rstrip() + "\n"


def main() -> int:
    """Run the soak, and exit 1 when any verdict was not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=at_least_one, default=50, help="game days of each kind")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--side-by-side", action="store_true", help="a sound and a weak game day at a time: harder")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "noise.md")
    options = parser.parse_args()
    sound, weak = Tally(), Tally()
    with ThreadPoolExecutor(max_workers=2 if options.side_by_side else 1) as pool:
        for turn in range(options.runs):
            seed = options.first_seed + turn
            futures = [pool.submit(count, sound, {}, seed), pool.submit(count, weak, runs_of_turn(turn), seed)]
            for future in futures:
                future.result()
            options.output.write_text(document(options, sound, weak))
            print(
                f"{turn + 1}/{options.runs}: {sound.seconds[-1]:.0f} and {weak.seconds[-1]:.0f} s; "
                f"{summary(sound, weak)}",
                flush=True,
            )
    return int(any(tally.surprises for tally in (sound, weak)))


if __name__ == "__main__":
    sys.exit(main())
