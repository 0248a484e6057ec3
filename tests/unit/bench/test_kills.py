"""Where runs are killed, and how what came of it is told."""

from __future__ import annotations

import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import yaml

from gameday.activities.sampling import expected_samples
from tests.bench.kills import signals
from tests.bench.kills.interruption import BEGINS_S, Stopped, how
from tests.bench.kills.line import Write
from tests.bench.kills.matrix import Matrix
from tests.bench.kills.points import Moment, Point, draw, shortened
from tests.bench.kills.report import page
from tests.bench.kills.trial import OBJECTS_S, Result, takes_guardian
from tests.e2e.runs import EXPERIMENTS, FAULT_KINDS

if TYPE_CHECKING:
    from pathlib import Path

LEDGER = "/api/v1/namespaces/shop/configmaps/gameday-ledger?x=1"
WRITES = {name: [Write(n, "PATCH", LEDGER) for n in range(1, size + 1)] for name, size in (("a", 2), ("b", 3))}


def test_every_moment_is_hit_before_any_is_hit_again() -> None:
    """Of the shorter experiment's four moments each comes up as often as the others."""
    points = draw(WRITES, 16, seed=7)
    of_a = Counter((point.number, point.when) for point in points if point.experiment == "a")
    assert set(of_a.values()) == {2}
    assert len(of_a) == 4
    assert sum(takes_guardian(point) for point in points) == 4


@pytest.mark.parametrize("file", [*EXPERIMENTS, *FAULT_KINDS], ids=lambda file: file.stem)
def test_what_is_left_of_a_shortened_experiment_is_not_refused(file: Path, tmp_path: Path) -> None:
    """Its window gives the samples that its hypothesis needs: else the run would end before it writes anything."""
    left = expected_samples(yaml.safe_load(shortened(file, tmp_path).read_text()))
    assert left
    assert [one.refusal for one in left if one.refusal] == []


def test_a_seed_repeats_the_points() -> None:
    """And another seed draws others."""
    assert draw(WRITES, 12, seed=1) == draw(WRITES, 12, seed=1) != draw(WRITES, 12, seed=2)


def test_the_page_tells_of_what_came_too_late_and_of_what_was_left() -> None:
    """Each has a line of its own, and is counted."""
    point = Point("a", 1, "sent", turn=0)
    write = str(WRITES["a"][0])
    fine = Result(point, write, 1, OBJECTS_S - 1, 0.1, ())
    late = Result(point, write, 1, OBJECTS_S + 1, 0.1, ())
    dirty = Result(point, write, 1, 1.0, 0.1, ("deployment web: replicas",))
    text = page(Matrix([], WRITES, [fine, late, dirty]), "x", 60.0)
    assert "a, write 1 sent (PATCH configmaps/gameday-ledger): restored after 16.0 s, at most 15 s" in text
    assert "left: deployment web: replicas" in text
    assert "| a | 2 | 3 | 1 | 3 | 14.0, 16.0 | 0.1 | 2 |" in text


def test_four_turns_bring_both_signals_to_both_addressees() -> None:
    """And the same point is interrupted in the same manner each time."""
    points = [Point("a", 1, "sent", turn) for turn in range(4)]
    assert {(how(point).number, how(point).group) for point in points} == {
        (number, group) for number in (signal.SIGINT, signal.SIGTERM) for group in (False, True)
    }
    assert how(points[0]) == how(points[0])


def test_the_page_of_interruptions_tells_of_an_undo_that_began_too_late() -> None:
    """It is counted, and has a line of its own; one under way already is not among the times."""
    point = Point("a", 1, "sent", turn=0)
    fine = Stopped(point, how(point), "PATCH x", 0.5, 1.0, 2.0, ())
    undoing = Stopped(point, how(point), "PATCH x", None, 1.0, 2.0, ())
    late = Stopped(point, how(point), "PATCH x", BEGINS_S + 0.5, 1.0, 2.0, ("no index.html",))
    text = signals.page(Matrix([], WRITES, [fine, undoing, late]), "x", 60.0)
    assert "| SIGINT to the runner | 3 | 1 | 1 | 1.00, 1.50 | 1.00, 1.00 | 2.00, 2.00 | 1 |" in text
    assert "no index.html; undo began after 1.5 s, at most 1 s" in text


def test_a_moment_counts_the_writes_that_it_asks_for() -> None:
    """The second eviction is one, however many writes came before it; it is hit once, on its way there or back."""
    pods = "/api/v1/namespaces/shop/pods"
    writes = [
        Write(n, "POST", f"{pods}/{name}") for n, name in enumerate(("a/eviction", "b", "c/eviction", "d/eviction"))
    ]
    for when in ("sent", "answered"):
        moment = Moment("a", 2, when, turn=0, what="POST .*/eviction")
        hits = [(w.number, at) for w in writes for at in ("sent", "answered") if moment.hit(w, at)]
        assert hits == [(2, when)]


def test_a_write_is_told_by_its_path_in_its_namespace_or_by_all_of_it() -> None:
    """A node is in none."""
    assert str(Write(1, "PATCH", LEDGER)) == "PATCH configmaps/gameday-ledger"
    assert str(Write(1, "PATCH", "/api/v1/nodes/n?x=1")) == "PATCH /api/v1/nodes/n"
