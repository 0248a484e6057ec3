"""What told nothing is run again, and only that; a bound counts calm seconds, up to a limit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.bench.calm import MOST, Calm, allowed_s, words
from tests.bench.turns import TURNS, until_told

if TYPE_CHECKING:
    import pytest


def of(verdict: str) -> dict[str, Any]:
    """What a journal says of gameday."""
    return {"verdict": verdict, "reason": "so it was"}


def test_only_what_told_nothing_is_run_again(capsys: pytest.CaptureFixture[str]) -> None:
    """A pass and a failure are told at once; the third is told at last, and that it was run again is said."""
    asked: list[list[str]] = []

    def run(left: list[str], turn: int) -> dict[str, dict[str, Any]]:
        asked.append(left)
        return {"a": of("passed"), "b": of("failed"), "c": of("failed" if turn else "inconclusive")}

    said, again = until_told(["a", "b", "c"], run)
    assert asked == [["a", "b", "c"], ["c"]]
    assert {name: one["verdict"] for name, one in said.items()} == {"a": "passed", "b": "failed", "c": "failed"}
    assert again == ["c (inconclusive: so it was)"]
    assert capsys.readouterr().out == "run again: c (inconclusive: so it was)\n"


def test_what_tells_nothing_again_and_again_stays_so() -> None:
    """After so many turns; a run without a journal is told: it is wrong, and is not run again."""
    turns: list[int] = []

    def run(_left: list[str], turn: int) -> dict[str, dict[str, Any]]:
        turns.append(turn)
        return {"a": of("inconclusive")}

    said, again = until_told(["a", "b"], run)
    assert turns == list(range(TURNS))
    assert {name: one["verdict"] for name, one in said.items()} == {"a": "inconclusive", "b": "no journal"}
    assert len(again) == TURNS - 1


def test_a_bound_grows_by_what_was_stalled_up_to_a_limit() -> None:
    """And says so."""
    assert (allowed_s(2, 0), allowed_s(2, 1.5), allowed_s(2, 99)) == (2, 3.5, 2 * MOST)
    assert words(2, 0) == "at most 2 s"
    assert words(2, 1.5) == "at most 2 s and 1.5 s that this machine was not calm"


def test_a_beat_that_was_late_is_a_gap() -> None:
    """The thread that beats waits for whoever holds the lock of the bench's process, as it would for a machine."""
    with Calm() as calm:
        began = time.time()
        with calm._beaten:
            time.sleep(0.4)
        ended = time.time()
        assert calm.gap_within(began, ended)
        assert 0.3 < calm.stalled_s(began, ended) <= ended - began
        assert calm.stalled_s(began - 20, began - 10) == 0
