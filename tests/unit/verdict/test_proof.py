"""From evidence to facts about faults."""

from typing import Any

from gameday.activities.proof import fault_facts, fault_window


def _story(*events: tuple[float, str, dict[str, Any]], fault: str | None = "f1") -> list[dict[str, Any]]:
    return [{"at": at, "event": name, "fault": fault, **details} for at, name, details in events]


def test_a_whole_life() -> None:
    """Planned, in force, touched, undone, effective: all of it is seen."""
    events = _story(
        (10, "fault-planned", {"kind": "delay", "matched": 2}),
        (11, "fault-in-force", {}),
        (15, "fault-touched", {"count": 40}),
        (16, "fault-undone", {}),
        (17, "fault-effective-undone", {}),
    )
    (facts,) = fault_facts(events, since=9)
    assert (facts.kind, facts.matched, facts.touched, facts.effective_undone) == ("delay", 2, 40, True)
    window = fault_window(events, since=9)
    assert (window.begun_at, window.proven_from) == (10, 11)


def test_a_touch_before_the_onset_proves_nothing() -> None:
    """Traffic counted before the fault was in force is not its doing."""
    events = _story((10, "fault-planned", {}), (10.5, "fault-touched", {"count": 9}), (11, "fault-in-force", {}))
    assert fault_facts(events, since=9)[0].touched == 0


def test_the_clients_that_were_not_seen_are_those_of_the_last_look() -> None:
    """Whoever came later is no longer missed."""
    missed, less = (12, "fault-touched", {"count": 0, "unseen": ["a", "b"]}), {"count": 0, "unseen": ["b"]}
    events = _story((10, "fault-planned", {}), (11, "fault-in-force", {}), missed, (13, "fault-touched", less))
    (facts,) = fault_facts(events, since=9)
    assert (facts.touched, facts.unseen) == (0, ("b",))


def test_faults_of_the_setup_are_not_the_methods() -> None:
    """What was put in place before the method began is not judged as its fault."""
    assert fault_facts(_story((5, "fault-planned", {})), since=9) == ()


def test_a_fault_that_failed_before_it_was_planned_counts() -> None:
    """A guard's refusal has no fault id yet; it must not vanish."""
    events = _story((10, "fault-failed", {"kind": "delay", "reason": "0 pods match"}), fault=None)
    (facts,) = fault_facts(events, since=9)
    assert facts.failed == "0 pods match"


def test_a_fault_reverted_by_somebody_is_known() -> None:
    """And by whom."""
    events = _story((10, "fault-planned", {}), (12, "fault-reverted", {"by": "kubectl"}))
    assert fault_facts(events, since=9)[0].reverted_by == "kubectl"
