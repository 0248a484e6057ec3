"""A game day on the real kind at hand, from nothing to nothing, each step timed.

    python -m tests.bench.kind [--output docs/kind.md] [--only NAME…]

`gameday up --cluster kind`; the same again; two weaknesses, which must be caught; a run that is killed and leaves
nothing; every experiment, with the verdicts that the embedded cluster gives; one by `.ci/game-day kind`, as pipelines
run it, with `down`, after which nothing is left. The user's own kubeconfig must be what it was, byte for byte. Exits
with 1 at the first step that is not as it must be.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gameday.verdict import EXIT_CODES, worst
from tests.bench.noise import EXPERIMENTS, declared, is_caught
from tests.bench.turns import until_told
from tests.e2e import realkind
from tests.e2e.kindsite import Site, site
from tests.e2e.runs import journals

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

CLUSTER = ("--cluster", "kind")
GAME_DAY = (".ci/game-day", "kind")
"""What pipelines run."""
CONTEXT = "kind-gameday"
WEAKNESSES = {"slow-catalog-falls-back": "no-deadline", "no-gift-alert-without-a-registry": "no-event-join"}
"""By the one experiment that must fail on it."""
PIPELINE = "slow-catalog-falls-back"
KILLED = "friendly-page-when-every-backend-is-dead"
IN_FORCE = {"experiment": KILLED, "turn": 0, "what": "PATCH .*/deployments/", "number": 2, "when": "answered"}
OWN = """apiVersion: v1
kind: Config
current-context: work
contexts: [{name: work, context: {cluster: work, user: work}}]
clusters: [{name: work, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: work, user: {token: none}}]
"""


class NotAsItMustBe(Exception):  # noqa: N818  # named for what is said of a step
    """A step did not show what it must; the message says what it showed."""


@dataclass
class Day:
    """What was done so far: each step, its seconds, and what was seen."""

    where: Site
    only: list[str]
    steps: list[tuple[str, float, str]] = field(default_factory=list)

    def step(self, what: str, do: Callable[[], str]) -> None:
        """Do a step and note it."""
        began = time.monotonic()
        seen = do()
        self.steps.append((what, time.monotonic() - began, seen))
        print(f"{self.steps[-1][1]:7.1f} s  {what}: {seen}", flush=True)

    def gameday(self, *words: str, code: int = 0, timeout_s: float = 600) -> str:
        """What `gameday` says, which must exit with that code."""
        done = self.where.gameday(*words, timeout_s=timeout_s)
        said = done.stdout + done.stderr
        if done.returncode != code:
            raise NotAsItMustBe(f"gameday {' '.join(words)}: exit {done.returncode}, expected {code}: {said[-4000:]}")
        return said

    def up(self) -> str:
        """From nothing, to a shop that serves by its mapped port."""
        self.gameday("up", *CLUSTER)
        if "</html>" not in self.where.served():
            raise NotAsItMustBe("the shop is not served at the mapped port")
        return f"{len(self.where.nodes())} nodes; the shop is served at 127.0.0.1:8080"

    def up_again(self) -> str:
        """The same cluster stays."""
        before = self.where.docker("ps", "--quiet", "--no-trunc")
        self.gameday("up", *CLUSTER)
        if self.where.docker("ps", "--quiet", "--no-trunc") != before:
            raise NotAsItMustBe("its nodes are other ones")
        return "the same nodes, nothing made anew"

    def weaknesses(self) -> str:
        """Two that must be caught, each on its hypothesis. One that could not be told is run again."""
        violates = declared()

        def run(left: list[str], turn: int) -> dict[str, dict[str, Any]]:
            report = self.where.folder / f"weaknesses-{turn}"
            chosen = [word for one in left for word in ("--weakness", one.partition("--")[2])]
            done = self.where.gameday("run", *CLUSTER, *chosen, "--report", str(report))
            return agreed(done, journals(report), left)

        said, again = until_told([f"{e}--{w}" for e, w in WEAKNESSES.items()], run)
        if missed := {name: one for name, one in said.items() if not is_caught(one, violates[name])}:
            raise NotAsItMustBe(f"not caught: {in_words(missed)}")
        return ", ".join(f"{one.partition('--')[2]} failed on {violates[one]}" for one in said) + run_again(again)

    def killed(self) -> str:
        """All processes of a run at once, its fault in force: the guardian undoes it."""
        (file,) = [one for one in EXPERIMENTS if one.stem == KILLED]
        there = self.where.but(KUBECONFIG=str(self.where.state / "kubeconfig"))
        cluster = realkind.RealKind(realkind.TOOL, CONTEXT, there.environment, ())
        with realkind.routes(cluster):  # so that Service addresses tell whether the shop serves
            ended = (sys.executable, "-m", "tests.e2e.ended", "kill", CONTEXT, str(file), json.dumps(IN_FORCE))
            done = there.run(*ended, timeout_s=400)
        if done.returncode != 0:
            raise NotAsItMustBe(done.stderr[-2000:])
        seen = json.loads(done.stdout)
        if seen["problem"]:
            raise NotAsItMustBe(f"{seen['problem']}: {seen['said']}")
        self.gameday("ledger", "--context", CONTEXT, "--namespace", "shop")
        return str(seen["said"])

    def everything(self) -> str:
        """Every experiment; each must pass, as on the embedded cluster. One that could not be told is run again."""

        def run(left: list[str], turn: int) -> dict[str, dict[str, Any]]:
            report = self.where.folder / f"everything-{turn}"
            self.where.gameday("run", *CLUSTER, *left, "--report", str(report), timeout_s=3000)
            return journals(report)

        names = [one.stem for one in EXPERIMENTS if not self.only or one.stem in self.only]
        said, again = until_told(names, run)
        if wrong := {name: one for name, one in said.items() if one["verdict"] != "passed"}:
            raise NotAsItMustBe(in_words(wrong))
        return f"{len(names)} of {len(names)} passed" + (run_again(again) or " at once")

    def pipeline(self) -> str:
        """As pipelines do it: preflight, up, run, down. What is up is used, and goes with it.

        One that could not be told is run again, on a cluster made anew.
        """

        def run(left: list[str], turn: int) -> dict[str, dict[str, Any]]:
            report = self.where.folder / f"pipeline-{turn}"
            done = self.where.run(*GAME_DAY, "--report", str(report), "--", *left, timeout_s=900)
            return agreed(done, journals(report), left)

        said, again = until_told([PIPELINE], run)
        if said[PIPELINE]["verdict"] != "passed":
            raise NotAsItMustBe(in_words(said))
        return f"{PIPELINE} passed{run_again(again)}"

    def nothing_left(self) -> str:
        """No container, no volume, no state; and `down` once more is fine."""
        if left := self.where.left():
            raise NotAsItMustBe(f"left: {left}")
        if "nothing is up" not in self.gameday("down", *CLUSTER):
            raise NotAsItMustBe("down once more does not say that nothing is up")
        return "no container, no volume, no state; once more: nothing is up"


def agreed(done: CompletedProcess[str], said: dict[str, dict[str, Any]], runs: list[str]) -> dict[str, dict[str, Any]]:
    """What the journals say: there is one of each of these runs and no other, and the exit code is the worst's."""
    expected = EXIT_CODES[worst(one["verdict"] for one in said.values())]
    if done.returncode != expected or sorted(said) != sorted(runs):
        told = f"exit {done.returncode}, journals of {sorted(said)}; expected {expected}, of {sorted(runs)}"
        raise NotAsItMustBe(f"{told}: {(done.stdout + done.stderr)[-4000:]}")
    return said


def in_words(said: dict[str, dict[str, Any]]) -> str:
    """What runs came to."""
    return "; ".join(f"{name}: {one['verdict']}: {one['reason']}" for name, one in said.items())


def run_again(again: list[str]) -> str:
    """That some were; empty when none was."""
    return f"; run again: {'; '.join(again)}" if again else ""


def as_it_was(own: Path) -> str:
    """The kubeconfig that was there before."""
    if own.read_text() != OWN:
        raise NotAsItMustBe(f"it is not what it was: {own.read_text()}")
    return "as it was, byte for byte"


def page(day: Day) -> str:
    """The steps as Markdown."""
    total = sum(seconds for _, seconds, _ in day.steps)
    rows = [f"| {what} | {seconds:.0f} s | {seen} |" for what, seconds, seen in day.steps]
    head = (
        f"`make kind` on the real kind, with Kubernetes {realkind.IMAGE.rpartition(':')[2]}: {total:.0f} s on "
        f"{os.cpu_count()} processors, Python {platform.python_version()}. Images come from Python wheels, under local "
        "names, as no registry is within reach there."
    )
    return "\n".join(["# A game day on kind", "", head, "", "| Step | Time | Seen |", "| --- | --- | --- |", *rows, ""])


def main() -> int:
    """Do every step; returns 1 at the first that is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, help="write the page to this file")
    parser.add_argument("--only", nargs="*", default=[], help="these experiments instead of all")
    options = parser.parse_args()
    if missing := realkind.why_not():
        print(missing, file=sys.stderr)
        return 2
    with site() as where:
        own = where.folder / "home" / ".kube" / "config"
        own.parent.mkdir(parents=True)
        own.write_text(OWN)
        day = Day(where.but(HOME=str(where.folder / "home")), options.only)
        steps = {
            "up, from nothing": day.up,
            "up once more": day.up_again,
            "two weaknesses": day.weaknesses,
            "a run is killed": day.killed,
            "every experiment": day.everything,
            "`.ci/game-day kind`, and down": day.pipeline,
            "nothing is left": day.nothing_left,
            "the user's own kubeconfig": lambda: as_it_was(own),
        }
        try:
            for what, do in steps.items():
                day.step(what, do)
        except NotAsItMustBe as problem:
            print(f"not as it must be: {what}: {problem}", file=sys.stderr)
            return 1
    if options.output:
        options.output.write_text(page(day))
    print(f"kind: all {len(day.steps)} steps as they must be, in {sum(one[1] for one in day.steps):.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
