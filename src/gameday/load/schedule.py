"""Who comes when: the whole schedule of a run, fixed in advance by a seed. Pure.

Open loop: a shopper comes when the schedule says so, however slow the shop is, as
shoppers do; a slow shop thus cannot slow down its own measurement.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["BEHAVIOURS", "DEFAULT_MIX", "LANGUAGES", "Arrival", "arrivals", "check_mix"]

BEHAVIOURS = ("home", "product", "head", "buy", "cart", "gift", "join")
DEFAULT_MIX: dict[str, float] = {"home": 5, "product": 5, "buy": 3, "cart": 2}
LANGUAGES = ("en-GB,en;q=0.8", "fr-FR,fr;q=0.9,en;q=0.5", "en", "fr", "de,fr;q=0.7,en;q=0.3", "ja")
"""What browsers send; the last two prefer French by q-value and fall back to English."""


@dataclass(frozen=True)
class Arrival:
    """One shopper's visit: `at_s` after the start, what for, and the seed of its choices."""

    at_s: float
    behaviour: str
    accept_language: str
    seed: int


def check_mix(mix: Mapping[str, float]) -> dict[str, float]:
    """The mix as weights by behaviour; raises ValueError naming what is wrong with it."""
    unknown = sorted(set(mix) - set(BEHAVIOURS))
    if unknown:
        raise ValueError(f"shoppers do not know the behaviour {unknown[0]!r}; they know {', '.join(BEHAVIOURS)}")
    if not all(0 <= weight < math.inf for weight in mix.values()) or not sum(mix.values()):
        raise ValueError("the weights of a mix are 0 or more, and not all 0")
    return {name: float(weight) for name, weight in mix.items() if weight}


def arrivals(seed: int, rate_per_s: float, mix: Mapping[str, float], max_duration_s: float) -> Iterator[Arrival]:
    """The visits of a run: `rate_per_s` of them, one in each slot of 1/rate at a random point in it.

    The same seed gives the same schedule. Behaviours are dealt, not drawn: in any stretch of
    time each has its share, so that small windows hold enough of every kind.
    """
    dice = random.Random(seed)  # noqa: S311  # a schedule, not a secret
    weights = check_mix(mix)
    total = sum(weights.values())
    credit = {name: dice.random() * weight / total for name, weight in weights.items()}
    for slot in range(int(rate_per_s * max_duration_s)):
        for name, weight in weights.items():
            credit[name] += weight / total
        behaviour = max(credit, key=lambda name: credit[name])
        credit[behaviour] -= 1
        at_s = (slot + dice.random()) / rate_per_s
        yield Arrival(at_s, behaviour, dice.choice(LANGUAGES), dice.getrandbits(48))
