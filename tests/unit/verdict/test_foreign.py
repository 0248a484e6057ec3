"""What the journal tells of activities that are not ours: nothing done, not undone, seen to be broken."""

from __future__ import annotations

from typing import Any

import pytest

from gameday.activities.foreign import calls_others, failed_rollbacks, idle_actions, violated_looks
from gameday.activities.proof import in_force_throughout

THEIRS = {"type": "python", "module": "chaosk8s.pod.actions", "func": "terminate_pods"}
OURS = {"type": "python", "module": "gameday.activities.undo", "func": "revert_faults"}
PROCESS, HTTP = {"type": "process", "path": "false"}, {"type": "http", "url": "http://shop/"}


def run(provider: dict[str, Any], output: Any = None, *, kind: str = "action", **more: Any) -> dict[str, Any]:
    """One activity as a journal has it."""
    return {
        "activity": {"name": "it", "type": kind, "provider": provider},
        "status": "succeeded",
        "output": output,
    } | more


@pytest.mark.parametrize(
    ("provider", "output", "why"),
    [
        (THEIRS, [], "it matched nothing"),
        (PROCESS, {"status": 1, "stdout": ""}, "its process exited with 1"),
        (PROCESS, {"status": -9}, "its process exited with -9"),
        (HTTP, {"status": 404}, "it was answered 404"),
    ],
)
def test_an_action_that_did_nothing_says_so(provider: dict[str, Any], output: Any, why: str) -> None:
    """By what it returned, for it did not raise."""
    assert idle_actions({"run": [run(provider, output)]}) == (f"the action it did nothing: {why}",)


@pytest.mark.parametrize(
    "harmless",
    [
        run(THEIRS, ["web-1"]),
        run(THEIRS, None),
        run(PROCESS, {"status": 0}),
        run(HTTP, {"status": 201}),
        run(THEIRS, [], kind="probe"),
        run(OURS, []),
        run(THEIRS, None, status="failed"),
    ],
)
def test_other_activities_are_not_idle(harmless: dict[str, Any]) -> None:
    """They did something, only looked, are ours, or raised, which is told elsewhere."""
    assert idle_actions({"run": [harmless]}) == ()
    assert idle_actions({}) == ()


def test_a_rollback_that_failed_says_why() -> None:
    """It raised, was cut short by a signal, or exited with 1."""
    raised = run(THEIRS, status="failed", exception=["chaoslib.ActivityFailed: no such pod\n"])
    cut_short = {"activity": raised["activity"], "output": None}
    found = failed_rollbacks({"rollbacks": [raised, cut_short, run(PROCESS, {"status": 1})]})
    assert [line.removeprefix("the rollback it failed: ") for line in found] == [
        "chaoslib.ActivityFailed: no such pod",
        "it was cut short",
        "its process exited with 1",
    ]


def test_a_rollback_of_ours_is_told_by_the_ledger() -> None:
    """And one that found nothing left to undo has not failed."""
    assert failed_rollbacks({"rollbacks": [run(OURS, status="failed"), run(THEIRS, []), run(THEIRS)]}) == ()


def test_what_only_calls_ours_needs_no_look_at_the_objects() -> None:
    """Any other may have set what our ledger does not know."""
    ours = {"name": "a", "type": "action", "provider": OURS}
    control = {"type": "python", "module": "gameday.activities.control"}
    assert not calls_others({"method": [ours], "controls": [{"name": "c", "provider": control}]})
    for other in (THEIRS, PROCESS, {"type": "python", "module": "gameday.activities_of_others"}):
        call = {"name": "b", "type": "probe", "provider": other}
        for place in (
            {"rollbacks": [call]},
            {"steady-state-hypothesis": {"probes": [{**ours, "tolerance": call}]}},
            {"configuration": {"x": call}},
            {"method": [{**ours, "controls": [call]}]},
        ):
            assert calls_others({"method": [ours], **place}), place


def test_a_look_that_was_not_content_is_remembered() -> None:
    """Not one that was content or raised, nor one of ours, which keep their own account."""
    moments = {"start": "2026-01-01T00:00:10+00:00", "end": "2026-01-01T00:00:11"}
    looks = [
        run(THEIRS, 0, kind="probe", tolerance_met=False, **moments),
        run(THEIRS, 2, kind="probe", tolerance_met=True, **moments),
        run(THEIRS, kind="probe", tolerance_met=False, **moments, status="failed"),
        run({**OURS, "module": "gameday.activities.probes.pages"}, kind="probe", tolerance_met=False, **moments),
    ]
    during = [{"probes": [look]} for look in looks] + [None]
    (look,) = violated_looks({"steady_states": {"during": during}})
    assert (look.probe, look.output, look.ended - look.began) == ("it", "0", 1)
    assert violated_looks({"steady_states": {"during": []}}) == []


@pytest.mark.parametrize(("start", "end", "within"), [(10, 19, True), (9, 19, False), (10, 21, False)])
@pytest.mark.parametrize("ending", ["fault-undone", "fault-reverted"])
def test_a_look_counts_while_a_fault_is_in_force(start: float, end: float, ending: str, *, within: bool) -> None:
    """From its first moment to its last."""
    events = [{"at": 10, "event": "fault-in-force", "fault": "f"}, {"at": 20, "event": ending, "fault": "f"}]
    assert in_force_throughout(events, start, end) is within
    assert in_force_throughout(events[:1], start, end) is (start >= 10)
