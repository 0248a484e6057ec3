"""The gate on the start of pods: every figure that is beyond its bound is a fault."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.bench.pods import SINGLE_STARTS, Figures

SOUND = Figures(
    single_starts_s=[0.15] * SINGLE_STARTS, single_answers_s=[0.2] * SINGLE_STARTS, burst_starts_s=[3.0] * 200,
    burst_ready_s=[7.0] * 200, pods=200, all_ready_s=7.0, daemon_mb=120, daemon_peak_mb=130, parent_mb=9,
    idle_share=0.01,
)  # fmt: skip


def test_within_its_bounds_it_passes() -> None:
    """A bound itself is allowed; how long one of many takes has none."""
    assert list(SOUND.faults()) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"single_starts_s": [0.01] * (SINGLE_STARTS - 1) + [0.151]}, "1 of them in more than 150 ms"),
        ({"single_starts_s": [0.01] * (SINGLE_STARTS - 1)}, f"{SINGLE_STARTS - 1} of {SINGLE_STARTS} pods started"),
        ({"burst_ready_s": [7.0] * 199}, "199 of 200 pods were Ready"),
        ({"daemon_mb": 120.5}, "more than 120"),
    ],
)
def test_one_figure_beyond_its_bound_is_a_fault(changed: dict[str, Any], words: str) -> None:
    """One slow start of twenty, one pod that is not Ready of 200, a daemon that is too large."""
    (fault,) = replace(SOUND, **changed).faults()
    assert words in fault
