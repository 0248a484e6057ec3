"""What the judge of rates promises, quickly; `make statistics` does the same with many more runs."""

from __future__ import annotations

import random

import pytest

from gameday.stats import judge_rate, judge_so_far, most_samples_violated, samples_to_decide
from tests.bench import coverage_of_bounds as bench


@pytest.mark.parametrize(("limit", "errors"), [(0.1, 2), (0.1, 30), (0.01, 1), (0.01, 15), (0.001, 4)])
def test_so_many_samples_are_the_most_that_are_violated(limit: float, errors: int) -> None:
    """One more sample, and the same failures are no violation."""
    most = most_samples_violated(limit, errors)
    assert judge_rate(errors, most, limit).outcome == "violated"
    assert judge_rate(errors, most + 1, limit).outcome != "violated"


def test_too_few_failures_violate_nothing() -> None:
    """One of one is no violation of 10 %, nor is none."""
    assert (most_samples_violated(0.1, 0), most_samples_violated(0.1, 1)) == (0, 0)


def test_a_clean_rate_decides_with_the_clean_samples_that_are_needed() -> None:
    """No failures leave nothing to chance; the nearer the rate, the more samples."""
    assert samples_to_decide(0.05, 0.0) == 158
    assert 158 < samples_to_decide(0.05, 0.02) < samples_to_decide(0.05, 0.03)
    assert samples_to_decide(0.05, 0.2) < samples_to_decide(0.05, 0.1) < samples_to_decide(0.05, 0.1, power=0.99)


@pytest.mark.parametrize(
    ("limit", "rate", "power"), [(0.1, 0.1, 0.9), (0.0, 0.1, 0.9), (0.1, 1.0, 0.9), (0.1, 0.2, 1.0)]
)
def test_what_cannot_be_decided_is_refused(limit: float, rate: float, power: float) -> None:
    """The rate is the limit, or a share is none."""
    with pytest.raises(ValueError, match=r"too near|expected shares"):
        samples_to_decide(limit, rate, power)


def test_the_simulation_judges_as_the_judge_does() -> None:
    """Its boundaries are those of the functions that experiments call, at each look."""
    bounds = bench.Boundaries(0.1)
    for samples in range(1, 200, 3):
        for errors in range(min(samples, 40) + 1):
            outcome = judge_rate(errors, samples, 0.1).outcome
            assert bounds.holds(errors, samples) == (outcome == "holds"), (errors, samples)
            assert bounds.violated(errors, samples) == (outcome == "violated"), (errors, samples)
            open_ = judge_so_far(errors, samples, 0.1).outcome
            assert bounds.violated_so_far(errors, samples) == (open_ == "violated"), (errors, samples)


@pytest.mark.parametrize("burst", [None, *bench.BURSTS])
def test_the_simulated_failures_have_the_rate_they_should(burst: tuple[float, float] | None) -> None:
    """In the long run 10 % fail."""
    dice, samples = random.Random(3), 400_000
    inside = sum(long for failing, long in bench.Failures(0.1, burst).stretches(dice, samples) if failing)
    assert inside * (burst[1] if burst else 1.0) / samples == pytest.approx(0.1, rel=0.05)


def test_the_claims_hold() -> None:
    """A few hundred runs of each row."""
    text, faults = bench.page(300, 1)
    assert faults == []
    assert text.count("\n| ") == 2 + 36 + 6


class TooBold(bench.Boundaries):
    """Holds by a bound that is right at one look only."""

    def holds(self, errors: int, samples: int) -> bool:
        """From so many samples on."""
        return samples >= 29 + 12 * errors


def test_a_judge_too_bold_is_found_out() -> None:
    """Bounds that are right at one look only are wrong at many, and the simulation says so."""
    faults: list[str] = []
    list(bench.coverage(300, 1, faults, limits=(0.1,), judge=TooBold))
    assert any("independent: false 'holds'" in fault for fault in faults)
