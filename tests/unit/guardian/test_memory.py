"""What a guardian makes of what it sees: whose run lives, and which faults are due. Times come in."""

from __future__ import annotations

import pytest

from gameday.guardian import FOUND_DEAD_S, Memory
from gameday.ledger import Entry, NoUndo
from gameday.ledger.lease import DURATION_S


def entry(name: str, *, holder: str = "", ttl_s: float = 600) -> Entry:
    """A fault of that run."""
    return Entry(name, "terminate-pods", (NoUndo(),), ttl_s=ttl_s, holder=holder)


def test_a_run_lives_while_its_lease_changes() -> None:
    """Whatever the times in it say: they are another machine's."""
    memory = Memory()
    assert [memory.alive("a", second, float(second)) for second in range(0, 60, 5)] == ["a"] * 12


def test_a_run_is_dead_when_its_lease_stands_still() -> None:
    """By the guardian's own clock, and from when it saw it first."""
    memory = Memory()
    assert memory.alive("a", "2026", 100.0) == "a"
    assert memory.alive("a", "2026", 100.0 + DURATION_S - 0.1) == "a"
    assert memory.alive("a", "2026", 100.0 + DURATION_S) == ""
    assert memory.alive("a", "2027", 200.0) == "a", "it was only asleep"


def test_a_lease_that_was_old_when_the_guardian_came_needs_to_stand_still_for_less() -> None:
    """Long enough that a run with a wrong clock would have renewed it twice; and of one that was seen to, never."""
    memory = Memory()
    assert memory.alive("a", "2026", 0.0, age_s=60) == "a"
    assert memory.alive("a", "2026", FOUND_DEAD_S - 0.1, age_s=65) == "a"
    assert memory.alive("a", "2026", FOUND_DEAD_S, age_s=65) == ""
    assert memory.alive("b", "2026", 50.0, age_s=0) == "b"
    assert memory.alive("b", "2026", 59.0, age_s=9) == "b", "it has just taken it"
    assert memory.alive("c", "2026", 100.0, age_s=60) == "c"
    assert memory.alive("c", "2027", 102.0, age_s=60) == "c"
    assert memory.alive("c", "2027", 102.0 + FOUND_DEAD_S, age_s=60) == "c", "its clock is behind, but it goes"
    assert memory.alive("c", "2027", 102.0 + DURATION_S, age_s=60) == ""


def test_nobody_is_nobody() -> None:
    """A lease that was given back has no holder to live."""
    assert Memory().alive("", None, 0.0) == ""


@pytest.mark.parametrize(("holder", "alive", "due"), [("a", "a", []), ("a", "b", ["f"]), ("a", "", ["f"]),
                                                      ("", "", []), ("", "b", [])])  # fmt: skip
def test_faults_of_a_run_that_does_not_live_are_due(holder: str, alive: str, due: list[str]) -> None:
    """Those that no run set are left to their time to live."""
    assert Memory().due([entry("f", holder=holder)], alive, 0.0) == due


def test_a_fault_is_due_when_its_time_is_over() -> None:
    """Also one of a run that lives: counted from when the guardian saw it."""
    memory, faults = Memory(), [entry("f", holder="a", ttl_s=30), entry("g", ttl_s=90)]
    assert [memory.due(faults, "a", now) for now in (0.0, 30.0, 30.1, 91.0)] == [[], [], ["f"], ["f", "g"]]


def test_a_fault_that_was_undone_is_forgotten() -> None:
    """The same id seen anew has its whole time again."""
    memory, faults = Memory(), [entry("f", ttl_s=30)]
    assert memory.due(faults, "", 0.0) == memory.due([], "", 20.0) == memory.due(faults, "", 40.0) == []
