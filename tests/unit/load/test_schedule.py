"""The schedule is fixed by its seed, even, and fairly dealt."""

from collections import Counter
from itertools import pairwise

import pytest

from gameday.load.schedule import arrivals, check_mix


def test_the_same_seed_gives_the_same_schedule() -> None:
    """So that a run can be played again."""
    assert list(arrivals(3, 10, {"home": 1, "buy": 2}, 20)) == list(arrivals(3, 10, {"home": 1, "buy": 2}, 20))
    assert list(arrivals(3, 10, {"home": 1}, 20)) != list(arrivals(4, 10, {"home": 1}, 20))


def test_visits_keep_their_rate_and_order() -> None:
    """One in each slot of 1/rate."""
    plan = list(arrivals(1, 10, {"home": 1}, 20))
    assert len(plan) == 200
    assert all(earlier.at_s < later.at_s for earlier, later in pairwise(plan))
    assert all(slot / 10 <= visit.at_s <= (slot + 1) / 10 for slot, visit in enumerate(plan))


def test_any_short_stretch_has_its_share_of_each_behaviour() -> None:
    """Behaviours are dealt, not drawn."""
    plan = list(arrivals(1, 10, {"home": 5, "product": 3, "buy": 2}, 60))
    for start in range(0, 600, 50):
        share = Counter(visit.behaviour for visit in plan[start : start + 50])
        assert abs(share["home"] - 25) <= 2
        assert abs(share["buy"] - 10) <= 2


@pytest.mark.parametrize(
    "mix", [{"steal": 1.0}, {"home": -1.0}, {"home": 0.0}, {}, {"home": float("nan")}, {"home": float("inf")}]
)
def test_a_senseless_mix_is_refused(mix: dict[str, float]) -> None:
    """With the reason."""
    with pytest.raises(ValueError, match=r"behaviour|weights"):
        check_mix(mix)
