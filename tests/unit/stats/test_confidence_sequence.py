"""The bounds' numbers, and that they hold at every look."""

import math
import random

import pytest

from gameday.stats import (
    judge_rate,
    judge_so_far,
    limit_of_share,
    lower_bound,
    percentile,
    samples_needed,
    upper_bound,
)


@pytest.mark.parametrize(("limit", "clean"), [(0.05, 158), (0.01, 984), (0.001, 12_417)])
def test_that_many_clean_samples_are_needed(limit: float, clean: int) -> None:
    """The published counts of clean samples for a uniform mixture, one-sided at 95 %."""
    assert samples_needed(limit) == clean
    assert judge_rate(0, clean, limit).outcome == "holds"
    almost = judge_rate(0, clean - 1, limit)
    assert (almost.outcome, almost.needed) == ("undecided", 1)


def test_bounds_close_in_on_the_observed_rate() -> None:
    """More samples at the same rate mean tighter bounds around it."""
    few, many = (lower_bound(5, 50), upper_bound(5, 50)), (lower_bound(500, 5000), upper_bound(500, 5000))
    assert few[0] < many[0] < 0.1 < many[1] < few[1]


def test_without_samples_nothing_is_known() -> None:
    """No sample, no opinion."""
    assert (lower_bound(0, 0), upper_bound(0, 0)) == (0.0, 1.0)
    assert judge_rate(0, 0, 0.05).outcome == "undecided"


def test_all_failed_is_a_violation_soon() -> None:
    """Two failures out of two are enough against a limit of 5 %."""
    assert judge_rate(2, 2, 0.05).outcome == "violated"
    assert upper_bound(2, 2) == 1.0


def test_needed_counts_the_errors_made_so_far() -> None:
    """With errors among the samples more clean ones are asked for, and that many do."""
    judgement = judge_rate(3, 100, 0.1)
    assert judgement.outcome == "undecided"
    assert judge_rate(3, 100 + judgement.needed, 0.1).outcome == "holds"


def test_a_percentile_is_a_share() -> None:
    """p95 within T is: less than 5 % take longer."""
    assert limit_of_share(0.95) == 0.05
    assert judge_rate(0, 158, limit_of_share(0.95)).outcome == "holds"


def test_a_burst_at_the_beginning_is_not_the_mean_of_the_window() -> None:
    """While the window is open, the failures must be too many for the smallest window that could pass."""
    assert judge_rate(3, 3, 0.1).outcome == "violated"
    early = judge_so_far(3, 3, 0.1)
    assert (early.outcome, early.needed) == ("undecided", 66)
    assert judge_so_far(7, 12, 0.1).outcome == "violated"
    assert judge_so_far(0, 69, 0.1).outcome == "holds"


@pytest.mark.parametrize("bad", [(-1, 3), (4, 3)])
def test_impossible_counts_are_refused(bad: tuple[int, int]) -> None:
    """More errors than samples, or fewer than none, are a bug of the caller."""
    with pytest.raises(ValueError, match="cannot be"):
        upper_bound(*bad)


@pytest.mark.parametrize("limit", [0.0, 1.0, -0.1])
def test_a_limit_is_a_proper_share(limit: float) -> None:
    """0 and 1 cannot be judged by sampling."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        judge_rate(0, 10, limit)


def _ever_wrong(dice: random.Random, rates: list[float]) -> bool:
    """Whether either bound ever excludes the running mean of the true rates, looking after each tenth sample."""
    errors, total = 0, 0.0
    for n, rate in enumerate(rates, 1):
        errors += dice.random() < rate
        total += rate
        if n % 10 == 0 and not lower_bound(errors, n) <= total / n <= upper_bound(errors, n):
            return True
    return False


@pytest.mark.parametrize("kind", ["steady", "moving", "bursts"])
def test_the_truth_stays_inside_at_every_look(kind: str) -> None:
    """Peeking at 20 looks a run, each bound excludes the truth in at most 5 % of runs, whatever the rate does."""
    dice = random.Random(7)
    wrong = 0
    for _ in range(150):
        if kind == "steady":
            rates = [0.05] * 200
        elif kind == "moving":
            rates = [0.01] * 100 + [0.3] * 100
        else:  # correlated: failures come in bursts whose places are random
            rates, rate = [], 0.02
            while len(rates) < 200:
                rates += [rate] * dice.randint(5, 25)
                rate = 0.5 if rate == 0.02 and dice.random() < 0.2 else 0.02
        wrong += _ever_wrong(dice, rates[:200])
    assert wrong <= 15  # two bounds of 5 % each


def test_the_bounds_of_a_percentile_agree_with_the_judgement_of_the_share_above_it() -> None:
    """A latency limit holds exactly when it is at least the upper bound, and is violated below the lower one."""
    values = [float(n) for n in range(1, 1001)]
    low, seen, high = percentile(values, 0.9)
    assert low < seen == 900 < high
    limit = limit_of_share(0.9)

    def outcome(at_most: float) -> str:
        return judge_rate(sum(value > at_most for value in values), len(values), limit).outcome

    assert (outcome(high), outcome(high - 1)) == ("holds", "undecided")
    assert (outcome(low - 1), outcome(low)) == ("violated", "undecided")


def test_a_percentile_of_few_values_has_no_upper_bound() -> None:
    """And none is missed: of a thousand series the true median is outside in at most 10 percent."""
    assert percentile([1.0, 2.0], 0.5)[2] == math.inf
    dice, missed = random.Random(1), 0
    for _ in range(1000):
        low, _, high = percentile([dice.random() for _ in range(200)], 0.5)
        missed += not low <= 0.5 <= high
    assert missed <= 100
