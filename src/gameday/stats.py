"""Rates judged at every look: confidence sequences for a share of failures.

An interval made for one look at a fixed number of samples is wrong when one looks
again and again and stops at will, which is what watching a fault window is. These
bounds hold at all looks at once.

The bound is Robbins' beta-binomial mixture with a uniform prior (H. Robbins,
"Statistical methods related to the law of the iterated logarithm", 1970; Howard,
Ramdas, McAuliffe, Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence
sequences", Annals of Statistics 49(2), 2021, section 3). Of the mixture only the part
on the side of the alternative is kept:

    W(p) = integral over t in (0, p) of t^e (1-t)^(n-e) dt  /  ( p^e (1-p)^(n-e) )

for e failures in n samples. While the running mean of the failure rate is at least p,
W(p) is dominated by a non-negative martingale that starts at p <= 1 (log(1-q+q*x) is
concave in q, so a mean that moves does no harm), hence by Ville's inequality it ever
reaches 1/alpha with a chance of at most alpha. What is estimated is thus the mean of
the rate over the window, be it steady or not. Of the long run a window with few bursts
of failures says less than these bounds do: docs/statistics.md has how much less.
Pure arithmetic, no I/O.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["ALPHA", "Judgement", "Outcome", "judge_rate", "limit_of_share", "lower_bound", "samples_needed"]
__all__ += ["judge_so_far", "most_samples_violated", "percentile", "samples_to_decide", "upper_bound"]

ALPHA = 0.05
"""Chance of a wrong bound, over all looks together, when nothing else is said."""

Outcome = Literal["holds", "violated", "undecided"]
_MOST_SAMPLES = 10_000_000


@dataclass(frozen=True)
class Judgement:
    """What `errors` in `samples` say about a limit, and the bounds it rests on.

    `needed` is how many more samples, all clean, would make it hold (0 unless undecided).
    """

    outcome: Outcome
    errors: int
    samples: int
    limit: float
    lower: float
    upper: float
    needed: int = 0


def upper_bound(errors: int, samples: int, alpha: float = ALPHA) -> float:
    """The largest mean failure rate still credible: one-sided, valid at every look."""
    _check(errors, samples, alpha)
    if errors == samples:
        return 1.0
    low, high = errors / samples, 1.0
    while high - low > 1e-9:  # noqa: PLR2004  # far below any limit worth judging
        middle = (low + high) / 2
        if _log_evidence(errors, samples, middle) >= -math.log(alpha):
            high = middle
        else:
            low = middle
    return high


def lower_bound(errors: int, samples: int, alpha: float = ALPHA) -> float:
    """The smallest mean failure rate still credible: one-sided, valid at every look."""
    _check(errors, samples, alpha)
    return 1.0 - upper_bound(samples - errors, samples, alpha)


def judge_rate(errors: int, samples: int, limit: float, alpha: float = ALPHA) -> Judgement:
    """Is the mean failure rate below `limit` (0 < limit < 1)?

    holds: its upper bound is below; violated: its lower bound is above; undecided otherwise.
    """
    if not 0 < limit < 1:
        raise ValueError(f"a limit is between 0 and 1, not {limit}")
    lower, upper = lower_bound(errors, samples, alpha), upper_bound(errors, samples, alpha)
    if upper < limit:
        return Judgement("holds", errors, samples, limit, lower, upper)
    if lower > limit:
        return Judgement("violated", errors, samples, limit, lower, upper)
    needed = samples_needed(limit, alpha, errors=errors) - samples
    return Judgement("undecided", errors, samples, limit, lower, upper, max(needed, 1))


def limit_of_share(share: float) -> float:
    """A percentile as a share: "p95 is at most T" is "less than 1 - 0.95 take longer than T" (0 < share < 1)."""
    return round(1.0 - share, 12)


def percentile(values: Sequence[float], share: float, alpha: float = ALPHA) -> tuple[float, float, float]:
    """The `share` quantile of a series (0 < share < 1), and the bounds between which it is credible: low, seen, high.

    Each bound is the value at which `upper_bound` or `lower_bound` of the share of larger values comes to 1 - share, so
    it holds at every look, one-sided, as those do. Of what never came the value is infinity. Raises ValueError when
    empty.
    """
    if not values:
        raise ValueError("a series without values has no quantile")
    ordered, of, above = sorted(values), len(values), limit_of_share(share)
    seen = ordered[min(max(math.ceil(share * of) - 1, 0), of - 1)]
    surely_above = _first(lambda n: n == of or lower_bound(of - n, of, alpha) <= above, -1, of)
    surely_below = _first(lambda n: n > of or upper_bound(of - n, of, alpha) < above, 0, of + 1)
    low = ordered[surely_above - 1] if surely_above > 0 else 0.0
    high = ordered[surely_below - 1] if surely_below <= of else math.inf
    return low, seen, high


def judge_so_far(errors: int, samples: int, limit: float, alpha: float = ALPHA) -> Judgement:
    """As `judge_rate`, for a window that is still open: a burst of failures at its beginning is not its mean.

    violated only when the failures seen would be too many even in the smallest window that could
    pass at all, the rest of it being clean.
    """
    judgement = judge_rate(errors, samples, limit, alpha)
    smallest = samples_needed(limit, alpha)
    if judgement.outcome == "violated" and errors <= limit * max(smallest, samples):
        return replace(judgement, outcome="undecided", needed=max(smallest - samples, 1))
    return judgement


def samples_needed(limit: float, alpha: float = ALPHA, *, errors: int = 0) -> int:
    """How many samples, `errors` of them failed, make the upper bound fall below `limit`."""
    if not 0 < limit < 1:
        raise ValueError(f"a limit is between 0 and 1, not {limit}")
    low = max(math.ceil(errors / limit), 1)
    high = low + 1
    while _log_evidence(errors, high, limit) < -math.log(alpha):
        low, high = high, high * 2
        if high > _MOST_SAMPLES:
            return _MOST_SAMPLES
    return _first(lambda samples: _log_evidence(errors, samples, limit) >= -math.log(alpha), low, high)


def most_samples_violated(limit: float, errors: int, alpha: float = ALPHA) -> int:
    """The most samples in which so many failures are still a violation of `limit`; 0 when there are none."""
    if errors < 1 or lower_bound(errors, errors, alpha) <= limit:
        return 0
    at_limit = math.ceil(errors / limit)  # there nothing is violated
    return _first(lambda n: _log_evidence(n - errors, n, 1 - limit) < -math.log(alpha), errors, at_limit) - 1


def samples_to_decide(limit: float, rate: float, power: float = 0.9, alpha: float = ALPHA) -> int:
    """Independent failures at `rate`, 0 <= rate < 1: how many samples decide about `limit` with a chance of `power`.

    The last look alone has that chance; looks before it add to it. Raises ValueError when the rate
    is the limit, or so near to it that ten million samples would not do.
    """
    if not (0 < limit < 1 and 0 <= rate < 1 and 0 < power < 1):
        raise ValueError(f"expected shares between 0 and 1, not limit {limit}, rate {rate}, power {power}")
    errors, samples = 0, 0
    while samples < _MOST_SAMPLES and rate != limit:
        if rate < limit:
            samples = samples_needed(limit, alpha, errors=errors)
            chance = 1 - _chance_of(errors + 1, samples, rate)
        else:
            samples = most_samples_violated(limit, errors, alpha)
            chance = _chance_of(errors, samples, rate) if samples else 0.0
        if chance >= power:
            return samples
        errors += 1
    raise ValueError(f"a rate of {rate} is too near to the limit of {limit} to be told from it")


def _first(passes: Callable[[int], bool], below: int, at_most: int) -> int:
    """The first number above `below` that passes, by halves; `at_most` is known to, and `below` not to."""
    while at_most - below > 1:
        middle = (below + at_most) // 2
        if passes(middle):
            at_most = middle
        else:
            below = middle
    return at_most


def _chance_of(at_least: int, samples: int, rate: float) -> float:
    """P(Binomial(samples, rate) >= at_least), for at_least >= 1."""
    return math.exp(_log_binomial_tail(at_least, samples, rate)) if rate else 0.0


def _log_evidence(errors: int, samples: int, p: float) -> float:
    """Log W(p) of the module's formula, for p at or above the observed rate."""
    clean = samples - errors
    if p >= 1.0:
        return math.inf if clean else -math.log(samples + 1)
    log_likelihood = (errors * math.log(p) if errors else 0.0) + clean * math.log1p(-p)
    log_beta = math.lgamma(errors + 1) + math.lgamma(clean + 1) - math.lgamma(samples + 2)
    return log_beta + _log_binomial_tail(errors + 1, samples + 1, p) - log_likelihood


def _log_binomial_tail(at_least: int, of: int, p: float) -> float:
    """Log P(Binomial(of, p) >= at_least), which is the regularised incomplete beta I_p(at_least, of-at_least+1).

    Summed from the complement, which has few terms when failures are few.
    """
    if at_least <= 0:
        return 0.0
    mode = of * p
    log_p, log_q = math.log(p), math.log1p(-p)

    def log_term(k: int) -> float:
        return math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1) + k * log_p + (of - k) * log_q

    if at_least <= mode:
        term, total, k = math.exp(log_term(at_least - 1)), 0.0, at_least - 1
        while k >= 0 and term > 1e-18:  # noqa: PLR2004  # below double precision
            total += term
            term *= k * (1 - p) / ((of - k + 1) * p)
            k -= 1
        return math.log1p(-min(total, 1 - 1e-16))
    base, total, ratio, k = log_term(at_least), 0.0, 1.0, at_least
    while k <= of and ratio > 1e-18:  # noqa: PLR2004
        total += ratio
        ratio *= (of - k) * p / ((k + 1) * (1 - p))
        k += 1
    return base + math.log(total)


def _check(errors: int, samples: int, alpha: float) -> None:
    """Raise ValueError on numbers that cannot be counts of one series."""
    if samples < 0 or not 0 <= errors <= samples:
        raise ValueError(f"{errors} errors in {samples} samples cannot be")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is between 0 and 1, not {alpha}")
