"""How the runner's own findings change an experiment's verdict: only ever for the worse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gameday.ledger import Outcome
from gameday.runner.outcome import Ending, exit_code, fold

PLANNED = {"event": "fault-planned", "fault": "f1", "at": 1.0}
IN_FORCE = {"event": "fault-in-force", "fault": "f1", "at": 2.0}
VIOLATION = {"event": "violation", "probe": "p", "detail": "too slow", "at": 3.0}
UNDONE = {"event": "fault-undone", "fault": "f1", "at": 4.0}
PASSED = Ending(
    exit_code=0,
    said={"verdict": "passed", "reason": "held"},
    status="completed",
    events=[PLANNED, IN_FORCE, UNDONE],
)
STUCK = Outcome("f1", ok=False, detail="refused", mend_command="kubectl mend")


def test_passed_stays_passed_when_everything_agrees() -> None:
    """Journal, process, evidence and proof say the same."""
    judged = fold(PASSED)
    assert (judged.verdict, judged.reason) == ("passed", "held")


@pytest.mark.parametrize(
    "change",
    [
        {"exit_code": 1},
        {"exit_code": None},
        {"exit_code": -9},
        {"status": "interrupted"},
        {"status": None},
        {"deviated": True},
        {"undone": (Outcome("f1", ok=True, detail="undone"),)},
        {"events": []},
        {"events": [PLANNED]},
        {"events": [PLANNED, IN_FORCE, {**PLANNED, "fault": "f2"}]},
        {"events": [PLANNED, IN_FORCE, VIOLATION, UNDONE]},
    ],
)
def test_a_pass_that_something_contradicts_is_inconclusive(change: dict[str, Any]) -> None:
    """Never a false pass: one contradiction is enough."""
    assert fold(replace(PASSED, **change)).verdict == "inconclusive"


@pytest.mark.parametrize("verdict", ["passed", "failed", "inconclusive", "invalid", "error"])
def test_dirt_beats_every_verdict(verdict: str) -> None:
    """What is left behind matters most, and the mending command is said."""
    said = {"verdict": verdict, "reason": "r"}
    stuck = fold(replace(PASSED, said=said, undone=(STUCK,)))
    assert (stuck.verdict, stuck.mend) == ("dirty", ("kubectl mend",))
    differs = fold(replace(PASSED, said=said, differences=("service web: spec was 1, is 2",), mend=("patch",)))
    assert (differs.verdict, differs.mend) == ("dirty", ("patch",))
    assert "service web" in differs.reason
    assert fold(replace(PASSED, said=said, unproven="no answer")).verdict == "dirty"


def test_a_crash_is_an_error_that_says_how() -> None:
    """No journal: the signal and the last line tell the story."""
    judged = fold(Ending(exit_code=-9, last_line="Killed"))
    assert judged.verdict == "error"
    assert "signal 9" in judged.reason
    assert "Killed" in judged.reason


def test_a_verdict_nobody_knows_is_an_error() -> None:
    """A journal with a word of its own is not believed."""
    assert fold(replace(PASSED, said={"verdict": "splendid"})).verdict == "error"


def test_stopped_is_inconclusive_even_when_the_journal_says_otherwise() -> None:
    """A run that was cut short cannot have passed."""
    assert fold(replace(PASSED, stopped="interrupted by SIGINT")).verdict == "inconclusive"


def test_a_violation_in_force_stays_failed_after_a_crash_or_a_stop() -> None:
    """What was seen while the fault was proven in force was seen."""
    events = [PLANNED, IN_FORCE, VIOLATION]
    assert fold(Ending(exit_code=-9, events=events)).verdict == "failed"
    assert fold(Ending(exit_code=-15, stopped="deadline", events=events)).verdict == "failed"


def test_a_violation_outside_the_fault_is_no_failure() -> None:
    """Before the onset and after the undo it proves nothing."""
    assert fold(Ending(exit_code=-9, events=[PLANNED, VIOLATION, IN_FORCE])).verdict == "error"
    assert fold(Ending(exit_code=-9, events=[IN_FORCE, UNDONE, VIOLATION])).verdict == "error"


def test_trouble_of_the_runner_is_an_error_with_its_reason() -> None:
    """A storefront that did not come up says so."""
    judged = fold(Ending(trouble="storefront gd-1: web: 0 of 2 pods available after 60 s"))
    assert (judged.verdict, judged.reason) == ("error", "storefront gd-1: web: 0 of 2 pods available after 60 s")


@pytest.mark.parametrize(
    ("verdicts", "signal_number", "expected"),
    [
        (["passed", "passed"], None, 0),
        (["passed", "failed", "inconclusive"], None, 1),
        (["passed", "inconclusive"], None, 3),
        (["invalid", "passed"], None, 2),
        (["failed", "dirty", "error"], None, 4),
        (["failed", "error"], None, 5),
        (["inconclusive"], 2, 130),
        (["failed"], 15, 143),
        (["dirty", "passed"], 2, 4),
        ([], None, 5),
    ],
)
def test_exit_code_is_the_worst_verdict_or_the_signal(
    verdicts: list[str], signal_number: int | None, expected: int
) -> None:
    """Dirty beats even the signal."""
    assert exit_code(verdicts, signal_number) == expected


@pytest.mark.parametrize("verdict", ["error", "invalid"])
def test_a_violation_in_force_survives_a_bug_of_ours(verdict: str) -> None:
    """What was seen while the fault was proven in force stays failed, whatever broke later."""
    said = {"verdict": verdict, "reason": "closing raised"}
    broken = replace(PASSED, said=said, events=[PLANNED, IN_FORCE, VIOLATION])
    assert fold(broken).verdict == "failed"
    assert fold(replace(broken, events=[PLANNED, IN_FORCE])).verdict == verdict
