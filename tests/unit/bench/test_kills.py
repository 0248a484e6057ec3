"""Where runs are killed, and how what came of it is told."""

from __future__ import annotations

from collections import Counter

from tests.bench.kills.line import Write
from tests.bench.kills.points import Point, draw
from tests.bench.kills.report import page
from tests.bench.kills.trial import OBJECTS_S, Result

LEDGER = "/api/v1/namespaces/shop/configmaps/gameday-ledger?x=1"
WRITES = {name: [Write(n, "PATCH", LEDGER) for n in range(1, size + 1)] for name, size in (("a", 2), ("b", 3))}


def test_every_moment_is_hit_before_any_is_hit_again() -> None:
    """Of the shorter experiment's four moments each comes up as often as the others."""
    points = draw(WRITES, 16, seed=7)
    of_a = Counter((point.number, point.when) for point in points if point.experiment == "a")
    assert set(of_a.values()) == {2}
    assert len(of_a) == 4
    assert sum(point.guardian_too for point in points) == 4


def test_a_seed_repeats_the_points() -> None:
    """And another seed draws others."""
    assert draw(WRITES, 12, seed=1) == draw(WRITES, 12, seed=1) != draw(WRITES, 12, seed=2)


def test_the_page_tells_of_what_came_too_late_and_of_what_was_left() -> None:
    """Each has a line of its own, and is counted."""
    point = Point("a", 1, "sent", guardian_too=False)
    write = str(WRITES["a"][0])
    fine = Result(point, write, 1, OBJECTS_S - 1, 0.1, ())
    late = Result(point, write, 1, OBJECTS_S + 1, 0.1, ())
    dirty = Result(point, write, 1, 1.0, 0.1, ("deployment web: replicas",))
    text = page([fine, late, dirty], [], WRITES, 1, 60.0)
    assert "a, write 1 sent (PATCH configmaps/gameday-ledger): restored after 16.0 s, at most 15 s" in text
    assert "left: deployment web: replicas" in text
    assert "| a | 2 | 3 | 1 | 3 | 14.0, 16.0 | 0.1 | 2 |" in text
