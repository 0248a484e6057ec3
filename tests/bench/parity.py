"""The same experiments on the embedded cluster and on a real one: are the verdicts the same?

    python -m tests.bench.parity --context NAME [--sample N --seed S] [--output docs/parity.md]

Every experiment of the catalogue runs on the sound storefront and on each weakness it declares, on both clusters,
one run after the other. A run that is inconclusive told nothing: it is tried again, and every verdict is shown.
Exits with 1 unless all verdicts are equal and as they must be: passed on the sound storefront, failed on a weakness,
on the hypothesis that the weakness is meant to break. The table is written after every pair.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import VersionApi

import gameday
from gameday.kube import connect
from gameday.load.stalls import waited_for_processor_s
from tests.bench.arguments import at_least_one

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = sorted((ROOT / "experiments").rglob("*.yaml"))
ATTEMPTS = 3
"""How often a run is tried that tells nothing, for this machine may be busy with other things."""
CALM_S, CALM_BOUND_S = 5.0, 120.0
"""Before trying again: programs waited for a processor in less than half of so long; and how long that is awaited."""


@dataclass(frozen=True)
class Pair:
    """An experiment on one storefront, and the probe that it must violate there; None on the sound one."""

    experiment: str
    weakness: str | None = None
    violates: str | None = None

    @property
    def name(self) -> str:
        """As the reports call it."""
        return f"{self.experiment} on {self.weakness or 'the sound storefront'}"


@dataclass(frozen=True)
class Said:
    """What a run came to: every verdict in turn, the last one's probes, reason and seconds."""

    verdicts: tuple[str, ...]
    violated: tuple[str, ...]
    reason: str
    seconds: float

    def as_it_must_be(self, pair: Pair) -> bool:
        """Whether this is the verdict that the catalogue promises."""
        if pair.violates is None:
            return self.verdicts[-1] == "passed"
        return self.verdicts[-1] == "failed" and pair.violates in self.violated

    def words(self) -> str:
        """The verdicts, and the probes that were violated, as a cell of the table."""
        probes = f": {', '.join(f'`{probe}`' for probe in self.violated)}" if self.violated else ""
        return ", then ".join(self.verdicts) + probes


@dataclass
class Table:
    """All pairs so far, on both clusters."""

    clusters: tuple[str, str]
    rows: list[tuple[Pair, Said, Said]] = field(default_factory=list)

    def surprises(self) -> list[str]:
        """Each verdict that is not as it must be, and each difference between the clusters, in words."""
        found = []
        for pair, *both in self.rows:
            for cluster, said in zip(self.clusters, both, strict=True):
                if not said.as_it_must_be(pair):
                    found.append(f"{pair.name}, {cluster}: {said.words()}: {said.reason}")
        return found


def pairs() -> list[Pair]:
    """Every experiment with the sound storefront and with each weakness that it declares."""
    found = []
    for path in EXPERIMENTS:
        declared = [e for e in yaml.safe_load(path.read_text())["extensions"] if e["name"] == "gameday"]
        weaknesses = [Pair(path.stem, w["name"], w["violates"]) for e in declared for w in e["weaknesses"]]
        found += [Pair(path.stem), *weaknesses]
    return found


def sample(every: list[Pair], count: int, seed: int) -> list[Pair]:
    """`count` pairs on the sound storefront and as many on weaknesses, by a seed."""
    dice = random.Random(seed)  # a choice to be repeated, not a secret
    sound, weak = [p for p in every if p.weakness is None], [p for p in every if p.weakness]
    return [*dice.sample(sound, min(count, len(sound))), *dice.sample(weak, min(count, len(weak)))]


def run(pair: Pair, options: list[str], seed: int) -> Said:
    """Run a pair on one cluster, again while it is inconclusive."""
    verdicts: list[str] = []
    while not verdicts or (verdicts[-1] == "inconclusive" and len(verdicts) < ATTEMPTS):
        if verdicts:
            _await_calm()
        said = _once(pair, options, seed)
        verdicts.append(said["verdict"])
    return Said(tuple(verdicts), tuple(said.get("violated") or ()), said["reason"], said.get("seconds", 0.0))


def _await_calm() -> None:
    """Wait until others leave this machine some time, but not for ever: another try in the crowd tells nothing."""
    until = time.monotonic() + CALM_BOUND_S
    while time.monotonic() < until:
        before = waited_for_processor_s()
        time.sleep(CALM_S)
        after = waited_for_processor_s()
        if before is None or after is None or after - before < CALM_S / 2:
            return


def _once(pair: Pair, options: list[str], seed: int) -> dict[str, Any]:
    weakness = ["--weakness", pair.weakness] if pair.weakness else []
    with tempfile.TemporaryDirectory(prefix="gameday-parity-") as folder:
        command = [str(Path(sys.executable).parent / "gameday"), "run", pair.experiment, *weakness, *options]
        command += ["--jobs", "1", "--seed", str(seed), "--report", folder]
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        journals = list(Path(folder).glob("*/journal.json"))
        if not journals:
            return {"verdict": f"exit {done.returncode}", "reason": " ".join(done.stderr.split())[-300:]}
        said: dict[str, Any] = json.loads(journals[0].read_text())["gameday"]
    return said | {"seconds": said["run"]["seconds"]}


def document(table: Table, about: list[str]) -> str:
    """Everything so far, as Markdown."""
    first, second = table.clusters
    surprises = table.surprises()
    lines = [
        "# The same verdicts on both clusters",
        "",
        *about,
        "",
        (
            f"**{len(table.rows)} pairs of experiment and storefront; verdicts that are not as they must be: "
            f"{len(surprises)}.**"
        ),
        "",
        f"| experiment | storefront | {first} | s | {second} | s | same |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for pair, one, other in table.rows:
        same = "yes" if one.as_it_must_be(pair) and other.as_it_must_be(pair) else "**no**"
        storefront = f"`{pair.weakness}`" if pair.weakness else "sound"
        cells = [pair.experiment, storefront, one.words(), f"{one.seconds:.0f}", other.words(), f"{other.seconds:.0f}"]
        lines.append(f"| {' | '.join([*cells, same])} |")
    return "\n".join([*lines, "", *(f"- {one}" for one in surprises)]).rstrip() + "\n"


def about(options: argparse.Namespace, version: str) -> list[str]:
    """What was compared with what, for whoever reads the table later."""
    return [
        (
            f"`make parity`: gameday {gameday.__version__}, Python {platform.python_version()}, {os.cpu_count()} "
            f"processors, seed {options.seed}, one run after the other. The embedded cluster beside context "
            f"`{options.context}`, Kubernetes {version}, the shop there reached by `--reach {options.reach}`. An "
            "inconclusive run (this machine was too busy to tell) is repeated, and said so. On a weakness the same "
            "verdict means: failed, and on the hypothesis that the weakness is meant to break."
        )
    ]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--context", required=True, help="the real cluster, as the kubeconfig calls it")
    parser.add_argument("--reach", default="auto", help="how the shop is reached there (gameday run --reach)")
    parser.add_argument("--image", help="the storefront's image there (gameday run --image)")
    parser.add_argument(
        "--sample", type=at_least_one, metavar="N", help="only N sound and N weak storefronts, by the seed"
    )
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 24))
    parser.add_argument("--output", type=Path, help="where the table goes (default: docs/parity.md; none of a sample)")
    options = parser.parse_args()
    if options.output is None and not options.sample:
        options.output = ROOT / "docs" / "parity.md"
    return options


def main() -> int:
    """Compare, and exit 1 when any verdict was not as it must be."""
    options = arguments()
    there = ["--context", options.context, "--reach", options.reach]
    there += ["--image", options.image] if options.image else []
    version = VersionApi(connect(context=options.context).client).get_code().git_version
    table = Table(("embedded", f"Kubernetes {version}"))
    chosen = sample(pairs(), options.sample, options.seed) if options.sample else pairs()
    print(f"parity: {len(chosen)} pairs, seed {options.seed}, embedded and {options.context}", flush=True)
    for pair in chosen:
        table.rows.append((pair, run(pair, [], options.seed), run(pair, there, options.seed)))
        _, one, other = table.rows[-1]
        print(f"{pair.name}: {one.words()} ({one.seconds:.0f} s) | {other.words()} ({other.seconds:.0f} s)", flush=True)
        if options.output:
            options.output.write_text(document(table, about(options, version)))
    surprises = table.surprises()
    print("\n".join([*surprises, f"parity: {len(table.rows)} pairs, {len(surprises)} not as they must be"]))
    return int(bool(surprises))


if __name__ == "__main__":
    sys.exit(main())
