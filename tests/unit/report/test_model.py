"""What the report says of a hand-made game day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gameday.report.folder import read_gameday
from gameday.report.model import GameDayReport, build_report
from gameday.report.timeline import build_timeline, quantile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def report(gameday_folder: Path) -> GameDayReport:
    """The model of the hand-made game day."""
    return build_report(*read_gameday(gameday_folder))


def test_counts_list_the_good_news_first(report: GameDayReport) -> None:
    """One passed, one failed, one error."""
    assert report.counts() == [("passed", 1), ("failed", 1), ("error", 1)]


def test_timeline_counts_failures_fallbacks_and_mails(report: GameDayReport) -> None:
    """40 requests were hurt: failed in one run, fallback in the other."""
    sound, weak = report.runs[0].timeline, report.runs[1].timeline
    assert sound is not None
    assert weak is not None
    assert (sound.failed, sum(bucket.fallback for bucket in sound.buckets)) == (0, 40)
    assert (weak.failed, weak.requests, weak.mails) == (40, 200, 6)


def test_fault_window_ends_when_the_undo_was_seen(report: GameDayReport) -> None:
    """From proven in force at 5 s to undone at 13 s."""
    timeline = report.runs[0].timeline
    assert timeline is not None
    assert [(span.start_s, span.end_s) for span in timeline.faults] == [(5.0, 13.0)]
    fault = report.runs[0].faults[0]
    assert (fault.in_force_s, fault.undone_s, fault.effective_s, fault.touched) == (5.0, 13.0, 14.0, "40")
    assert fault.problem == ""


def test_a_fault_that_was_never_proven_says_so(report: GameDayReport) -> None:
    """Planned alone is no proof."""
    from gameday.report.model import _faults

    rows = _faults([{"at": 1.0, "event": "fault-planned", "fault": "f", "kind": "k", "matched": 1}], 0.0)
    assert rows[0].problem == "never proven in force"


def test_probes_show_baseline_and_window(report: GameDayReport) -> None:
    """A violated probe was not held; its numbers are readable."""
    probe = report.runs[1].probes[0]
    assert probe.held is False
    assert probe.window.startswith("violated:")
    assert dict(probe.numbers)["share"] == "0.1235"


def test_no_samples_and_no_events_is_no_timeline() -> None:
    """Nothing known, nothing drawn."""
    assert build_timeline([], [], []) is None


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([1.0], 0.95, 1.0), (list(range(1, 101)), 0.95, 95), ([3.0, 1.0, 2.0], 0.5, 2.0)],
)
def test_quantile_is_the_smallest_value_that_covers_the_share(
    values: list[float], share: float, expected: float | None
) -> None:
    """Nearest rank: no value is made up."""
    assert quantile(values, share) == expected
