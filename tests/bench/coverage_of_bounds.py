"""How often the judge of rates is wrong, and how soon it decides: a simulation with a look at each sample.

    python -m tests.bench.coverage_of_bounds [--runs 10000] [--seed 1] [--output docs/statistics.md]

The true rate is the limit itself, the worst case: each "holds" and each "violated" at any look counts as false.
Failures are independent, or come in bursts: a two-state Markov chain in its stationary law, with no failures outside
of a burst. Exits with 1 when what `gameday.stats` claims is not so: at most 5 % of runs with a false judgement of
either kind, independent or, in bursts, against the mean of the window itself; and 90 % decided within the samples
stated. Bursts against the long-run rate are measured too, and are no gate, for nothing is claimed of them.

A run is told by its failures: between two of them the count stands still, so that judgements
change only at numbers of samples that are worked out beforehand.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from gameday.stats import ALPHA, most_samples_violated, samples_needed, samples_to_decide
from tests.bench.arguments import at_least_one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LIMITS = (0.001, 0.01, 0.1)
POWER = 0.9
BURSTS = ((5, 1.0), (20, 1.0), (5, 0.5), (20, 0.5), (20, 0.2))
"""Mean number of samples in a burst, and the share of them that fail."""


@dataclass(frozen=True)
class Failures:
    """A law of failures: their long-run rate, and the bursts they come in; independent when `burst` is None."""

    rate: float
    burst: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        """As the table calls it."""
        if self.burst is None:
            return "independent"
        return f"bursts of {self.burst[0]:.0f}, {self.burst[1]:.0%} failing"

    def stretches(self, dice: random.Random, samples: int) -> Iterator[tuple[bool, int]]:
        """Quiet (False) and failing (True) stretches in turn, with their lengths, until there are so many samples."""
        length, failing = self.burst or (1 / (1 - self.rate), 1.0)
        share = self.rate / failing
        leave, enter = 1 / length, share / (length * (1 - share))
        inside, seen = dice.random() < share, 0
        while seen < samples:
            long = min(_geometric(dice, leave if inside else enter), samples - seen)
            yield inside, long
            inside, seen = not inside, seen + long


class Boundaries:
    """For each number of failures: from how many samples on a limit holds, up to how many it is violated."""

    def __init__(self, limit: float) -> None:
        """Of this limit, worked out as they are asked for."""
        self.limit = limit
        self.smallest = samples_needed(limit)
        self.holds_from = cache(lambda errors: samples_needed(limit, errors=errors))
        self.violated_until = cache(lambda errors: most_samples_violated(limit, errors))

    def holds(self, errors: int, samples: int) -> bool:
        """As `judge_rate`."""
        return samples >= self.holds_from(errors)

    def violated(self, errors: int, samples: int) -> bool:
        """As `judge_rate`."""
        return samples <= self.violated_until(errors)

    def violated_so_far(self, errors: int, samples: int) -> bool:
        """As `judge_so_far`."""
        return self.violated(errors, samples) and errors > self.limit * max(self.smallest, samples)


@dataclass
class Watch:
    """A window that is looked at: its samples, its failures, and how many were to be expected of its rates so far.

    `said` has the judgements ever made. Those with `mean: ` before them contradict the mean of the rate up to then.
    """

    bounds: Boundaries
    samples: int = 0
    errors: int = 0
    expected: float = 0.0
    said: set[str] = field(default_factory=set)

    def fail(self, dice: random.Random, failing: float, samples: int) -> None:
        """A stretch in which such a share of the samples fail, one by one."""
        for _ in range(samples):
            self.samples, self.expected = self.samples + 1, self.expected + failing
            self.errors += failing >= 1 or dice.random() < failing
            self._look(self.samples)

    def rest(self, samples: int) -> None:
        """A stretch without failures: the mean falls, the count stands; no judgement is more wrong than at these."""
        end = self.samples + samples
        turns = (self.bounds.holds_from(self.errors), self.bounds.violated_until(self.errors))
        for at in (self.samples + 1, *turns, end):
            if self.samples < at <= end:
                self._look(at)
        self.samples = end

    def _look(self, at: int) -> None:
        mean = self.expected / at
        if self.bounds.holds(self.errors, at):
            self.said |= {"holds", "mean: holds"} if mean >= self.bounds.limit else {"holds"}
        if self.bounds.violated(self.errors, at):
            self.said |= {"violated", "mean: violated"} if mean <= self.bounds.limit else {"violated"}
        if self.bounds.violated_so_far(self.errors, at):
            self.said.add("violated so far")


def run(dice: random.Random, failures: Failures, bounds: Boundaries, samples: int) -> set[str]:
    """One window, looked at after each sample: what was ever said."""
    watch = Watch(bounds)
    failing = failures.burst[1] if failures.burst else 1.0
    for inside, long in failures.stretches(dice, samples):
        if inside:
            watch.fail(dice, failing, long)
        else:
            watch.rest(long)
    return watch.said


def shares(runs: int, seed: int, failures: Failures, bounds: Boundaries, samples: int) -> dict[str, float]:
    """In which share of the runs each judgement was ever made."""
    dice, seen = random.Random(f"{seed} {failures} {bounds.limit}"), Counter[str]()
    for _ in range(runs):
        seen.update(run(dice, failures, bounds, samples))
    return {
        name: seen[name] / runs for name in ("holds", "violated", "violated so far", "mean: holds", "mean: violated")
    }


def windows(limit: float) -> tuple[int, int]:
    """How many looks: twice what a clean window needs; and as many as a rate at half the limit needs to decide."""
    return 2 * samples_needed(limit), samples_to_decide(limit, limit / 2, POWER)


def coverage(
    runs: int,
    seed: int,
    faults: list[str],
    limits: Iterable[float] = LIMITS,
    judge: Callable[[float], Boundaries] = Boundaries,
) -> Iterator[str]:
    """The rows about false judgements; what is claimed and not so is added to the faults."""
    for limit, burst in product(limits, (None, *BURSTS)):
        failures, bounds = Failures(limit, burst), judge(limit)
        claimed = ("mean: holds", "mean: violated") if burst else ("holds", "violated")
        for looks in windows(limit):
            seen = shares(runs, seed, failures, bounds, looks)
            faults += [
                f"{limit:.1%}, {failures.name}: false {name!r} in {seen[name]:.2%}, expected {ALPHA:.0%} at most"
                for name in claimed
                if seen[name] > ALPHA
            ]
            own = [_percent(seen[name]) for name in ("mean: holds", "mean: violated")] if burst else ["the same"] * 2
            long_run = [_percent(seen[name]) for name in ("holds", "violated", "violated so far")]
            yield f"| {limit:.1%} | {failures.name} | {looks:,} | {' | '.join(long_run + own)} |"


def power(runs: int, seed: int, faults: list[str]) -> Iterator[str]:
    """The rows about decisions; too few of them are added to the faults."""
    for limit in LIMITS:
        for factor, right, wrong in ((0.5, "holds", "violated"), (2, "violated", "holds")):
            rate = factor * limit
            samples = samples_to_decide(limit, rate, POWER)
            seen = shares(runs, seed, Failures(rate), Boundaries(limit), samples)
            if seen[right] < POWER:
                faults.append(
                    f"{rate:.2%} beside {limit:.1%}: {seen[right]:.1%} decided within {samples}, expected 90 %"
                )
            cells = [_percent(seen[right]), _percent(seen[wrong])]
            if right == "violated":
                cells[0] += f" (window still open: {_percent(seen['violated so far'])})"
            yield f"| {limit:.1%} | {rate:.2%} | {right} | {samples:,} | {' | '.join(cells)} |"


def page(runs: int, seed: int) -> tuple[str, list[str]]:
    """The page, and what is claimed and not so."""
    faults: list[str] = []
    false, soon = "\n".join(coverage(runs, seed, faults)), "\n".join(power(runs, seed, faults))
    text = _PAGE.format(runs=runs, seed=seed, confidence=1 - ALPHA, alpha=ALPHA, power=POWER, false=false, soon=soon)
    if faults:
        text += "\n## Not as claimed\n\n" + "".join(f"- {fault}\n" for fault in faults)
    return text, faults


_PAGE = """\
# What the judge of rates promises, by simulation

Written by `make statistics`: {runs:,} runs a row, seed {seed}, a look at each sample, confidence {confidence:.0%}.

## False judgements

The true rate is the limit itself, the worst case. Shares of runs with such a judgement at any look. Against the
long-run rate each is false; against the window's own mean it is false when the mean of the rate over the window, up
to that look, contradicts it. "Open" is `judge_so_far`, which experiments use while a window is open. Windows are
twice as long as a clean one must be, and so long that a rate of half the limit is told from it.

| limit | failures | looks | holds | violated | violated, open | own mean: holds | own mean: violated |
|---|---|---|---|---|---|---|---|
{false}

**Claimed**, and the gate: {alpha:.0%} at most, in each direction, for independent failures, and in bursts against the
window's own mean. The latter rests on the proof in `gameday.stats` more than on these figures: with all samples of a
burst failing the own mean is the observed share, which no bound excludes, so that 0 is by construction; with 50% or
20% failing chance has some say, but the own mean is seldom just at the limit, which would be the worst case.

**Not claimed**: the long-run rate when failures come in bursts. Figures above {alpha:.0%} there are real: a window may
have more or fewer bursts than the long run has, and each sample of a burst counts as if it were new evidence. So
"holds" is a word about this window. Where failures come in bursts as long as these, it is none about the windows to
come, and a longer window does not make it one.

**Which window**: from when the first fault begins, for what holds from its proof, to the end of the method. What is not
violated there is judged once more in each fault's own window, if that is shorter
(docs/adr/0016-each-faults-own-window.md). Such a second word can only be "violated", by the same bounds at the same
confidence, uncorrected: of n windows whose rates are all just at the limit, the chance that any is called violated is
up to n times as high.

## Samples until it decides

Independent failures at half and at twice the limit. Stated is `samples_to_decide(limit, rate, {power})`.

| limit | true rate | right is | stated samples | right within them | wrong within them |
|---|---|---|---|---|---|
{soon}

The gate: {power:.0%} at least.
"""


def _percent(share: float) -> str:
    return f"{share:.2%}"


def _geometric(dice: random.Random, chance: float) -> int:
    """How many trials until the first success, that one included."""
    return 1 if chance >= 1 else int(math.log(1 - dice.random()) / math.log1p(-chance)) + 1


def main() -> int:
    """Simulate; say what was found; 1 when a claim is not so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=at_least_one, default=10_000, help="for each row (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of all dice (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="also write the page there")
    args = parser.parse_args()
    text, faults = page(args.runs, args.seed)
    print(text)
    if args.output:
        args.output.write_text(text)
    for fault in faults:
        print(f"NOT AS CLAIMED: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
