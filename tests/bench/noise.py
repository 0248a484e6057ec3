"""Game day after game day, on the sound storefront and on weaknesses: does a verdict ever lie?

    python -m tests.bench.noise [--runs 50] [--output docs/noise.md]

Runs the command as a user would, with its default jobs, one game day at a time. On the sound
storefront anything but `passed` is noise; on its weakness an experiment must be `failed`, on the
hypothesis that the weakness is meant to break. The table is written after every game day, so that
an interrupted soak still leaves what it saw.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = sorted((ROOT / "experiments").rglob("*.yaml"))


@dataclass
class Tally:
    """What the game days of one kind said so far."""

    verdicts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    exits: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)


def weaknesses_of_turn(turn: int) -> dict[str, str]:
    """One weakness for each experiment, and the probe that it must violate; turn by turn all that are declared."""
    found = {}
    for path in EXPERIMENTS:
        for extension in yaml.safe_load(path.read_text())["extensions"]:
            if extension["name"] == "gameday":
                chosen = extension["weaknesses"][turn % len(extension["weaknesses"])]
                found[chosen["name"]] = chosen["violates"]
    return found


def game_day(weaknesses: list[str], seed: int) -> tuple[int, float, dict[str, dict[str, Any]]]:
    """Run one; return its exit code, its seconds, and what each journal says of gameday."""
    options = [word for name in weaknesses for word in ("--weakness", name)]
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
        said = {p.parent.name: json.loads(p.read_text())["gameday"] for p in Path(folder).glob("*/journal.json")}
    return done.returncode, seconds, said


def count(tally: Tally, weaknesses: dict[str, str], seed: int, *, sound: bool) -> None:
    """Run one game day and add it to the tally; note whatever was not as it must be."""
    code, seconds, said = game_day([] if sound else list(weaknesses), seed)
    tally.exits[code] += 1
    tally.seconds.append(seconds)
    if len(said) != len(EXPERIMENTS):
        tally.surprises.append(f"seed {seed}: {len(said)} journals, exit {code}")
    for run, gameday in sorted(said.items()):
        verdict = gameday["verdict"]
        tally.verdicts[run][verdict] += 1
        _, _, weakness = run.partition("--")
        caught = verdict == "failed" and gameday["baseline_met"] and weaknesses.get(weakness) in gameday["violated"]
        if not (verdict == "passed" if sound else caught):
            tally.surprises.append(f"seed {seed}: {run}: {verdict}: {gameday['reason']}")


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


def main() -> int:
    """Run the soak, and exit 1 when any verdict was not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=50, help="game days of each kind")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "noise.md")
    options = parser.parse_args()
    tallies = {"On the sound storefront": Tally(), "On weaknesses, one for each experiment": Tally()}
    for turn in range(options.runs):
        for (title, tally), sound in zip(tallies.items(), (True, False), strict=True):
            count(tally, weaknesses_of_turn(turn), options.first_seed + turn, sound=sound)
            print(
                f"{turn + 1}/{options.runs} {title}: {tally.seconds[-1]:.0f} s; "
                f"{len(tally.surprises)} not as it must be",
                flush=True,
            )
        head = [
            "# Noise",
            "",
            (
                f"`make soak`, Python {platform.python_version()}, seeds from {options.first_seed} on, "
                "the jobs that are the default. A weakness counts as caught only when the run failed on the hypothesis "
                "that it is meant to break, with its baseline met."
            ),
            "",
        ]
        body = [line for title, tally in tallies.items() for line in table(title, tally)]
        options.output.write_text("\n".join([*head, *body]).rstrip() + "\n")
    return int(any(tally.surprises for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
