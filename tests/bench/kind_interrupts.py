"""`gameday up --cluster kind` interrupted at random moments and repeated: the outcome is right every time.

    python -m tests.bench.kind_interrupts [--moments 10] [--seed N] [--output docs/kind-interrupts.md]

A whole `up` is timed first; the moments are spread over as long, and one that comes too late is drawn anew. Of any
three one is SIGINT, one SIGTERM, one SIGKILL. Whoever hears the signal must leave no node behind; after SIGKILL, and
whatever that leaves, the next `up` must cope. At the end `up` is let through: the shop must be served, and `down` must
leave nothing. Exits with 1 when one is not so.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import platform
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from gameday.ledger.calls import wait_until
from tests.bench.arguments import at_least_one
from tests.e2e import realkind
from tests.e2e.kindsite import DOWN, UP, Site, site
from tests.e2e.processes import hear_sigint

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
ORPHAN_S = 180.0
"""So long a kind that has lost its gameday may go on."""


@dataclass(frozen=True)
class Trial:
    """One interruption: which signal and when, what `up` was at, how it ended after how many seconds, what was left."""

    number: signal.Signals
    after_s: float
    at: str
    code: int
    seconds: float
    nodes: int

    @property
    def wrong(self) -> str:
        """What is not as it must be; empty when all is."""
        if self.number == signal.SIGKILL:  # nobody heard it
            return ""
        expected = 128 + self.number
        return "" if (self.code, self.nodes) == (expected, 0) else f"exit {self.code}, {self.nodes} nodes left"

    def row(self) -> str:
        """As a row of the page."""
        left = f"{self.nodes} nodes" if self.nodes else "nothing"
        how = f"{self.code} | {self.seconds:.1f} s"
        return f"| {self.number.name} | {self.after_s:.1f} s | {self.at} | {how} | {left} |"


def interrupt(where: Site, number: signal.Signals, after_s: float) -> Trial | None:
    """Begin an `up` and interrupt it; returns once it has ended, None when it had before."""
    with where.start(*UP, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as up:
        try:
            up.communicate(timeout=after_s)
        except subprocess.TimeoutExpired:
            os.kill(up.pid, number)
            ended = time.monotonic()
            _, said = up.communicate(timeout=ORPHAN_S)
        else:
            assert up.returncode == 0, f"nobody has interrupted it, and it ended with {up.returncode}"
            return None
    steps = [line.split(" s  ", 1)[1] for line in said.splitlines() if " s  " in line]
    at = next((one for one in reversed(steps) if not one.startswith(("taking down", "nothing of"))), "its start")
    at = "loading images" if at.startswith("loading ") else at  # without their names
    return Trial(number, after_s, at, up.returncode, time.monotonic() - ended, len(where.nodes()))


def is_free(where: Site) -> bool:
    """Whether nobody is at the cluster: no gameday, and no kind that has lost its own."""
    lock = where.state / "lock"
    if not lock.exists():
        return True
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def whole_up(where: Site) -> float:
    """One that nobody interrupts; returns its seconds, and raises AssertionError unless the shop is served then."""
    began = time.monotonic()
    done = where.gameday(*UP)
    assert done.returncode == 0, done.stderr
    assert "</html>" in where.served()
    return time.monotonic() - began


def down(where: Site) -> None:
    """Take it down; raises AssertionError when anything is left."""
    done = where.gameday(*DOWN)
    assert done.returncode == 0, done.stderr
    assert where.left() == []


def page(trials: list[Trial], whole_s: float, last_s: float, seed: int) -> str:
    """All of it as Markdown."""
    head = (
        f"`make kind-interrupts`: {len(trials)} times on the real kind, seed {seed}, {os.cpu_count()} processors, "
        f"Python {platform.python_version()}. A whole `up` took {whole_s:.0f} s. Whoever heard a signal left no node; "
        f"after SIGKILL its kind goes on and holds the next `gameday` off until it ends. The last `up`, which came "
        f"upon what these had left, took {last_s:.0f} s and served the shop; `down` left nothing."
    )
    rows = ["| Signal | After | It was at | Exit | Ended after | Left |", "| --- | --- | --- | --- | --- | --- |"]
    return "\n".join(["# `up --cluster kind`, interrupted", "", head, "", *rows, *(one.row() for one in trials), ""])


def main() -> int:
    """Do all of it; returns 1 when something is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--moments", type=at_least_one, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 24))
    parser.add_argument("--output", type=Path, help="write the page to this file")
    options = parser.parse_args()
    if missing := realkind.why_not():
        print(missing, file=sys.stderr)
        return 2
    hear_sigint()
    rng = random.Random(options.seed)
    trials: list[Trial] = []
    with site() as where:
        whole_s = whole_up(where)
        down(where)
        print(f"seed {options.seed}; a whole up: {whole_s:.0f} s", flush=True)
        while len(trials) < options.moments:
            assert wait_until(lambda: is_free(where), ORPHAN_S), "a kind that was left alone does not end"
            if (where.state / "made.json").exists():  # it is whole: the next would find nothing to do
                down(where)
            trial = interrupt(where, SIGNALS[len(trials) % len(SIGNALS)], rng.uniform(0, whole_s))
            if trial is None:
                continue
            trials.append(trial)
            print(trial.row(), trial.wrong, flush=True)
        assert wait_until(lambda: is_free(where), ORPHAN_S), "a kind that was left alone does not end"
        last_s = whole_up(where)
        down(where)
    wrong = [one for one in trials if one.wrong]
    if options.output:
        options.output.write_text(page(trials, whole_s, last_s, options.seed))
    print(f"{len(trials) - len(wrong)} of {len(trials)} as they must be; up again in {last_s:.0f} s, down to nothing")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
