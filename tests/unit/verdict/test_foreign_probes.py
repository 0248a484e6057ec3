"""What Chaos Toolkit says of probes that are not ours: it looked once, so it cannot vouch for a window."""

from typing import Any

from gameday.activities.closing import _findings


def _state(*, met: bool) -> dict[str, Any]:
    probe = {"activity": {"name": "home"}, "status": "succeeded", "tolerance_met": met, "output": 200}
    return {"probes": [probe]}


def test_one_contented_look_proves_no_window() -> None:
    """Within tolerance at the end is undecided for a window, and enough for a baseline."""
    (window,) = _findings({}, _state(met=True), proven=True, window=True)
    (baseline,) = _findings({}, _state(met=True), proven=False)
    assert (window.verdict, baseline.verdict) == ("undecided", "holds")


def test_one_violation_is_a_violation() -> None:
    """What it saw broken was broken."""
    (window,) = _findings({}, _state(met=False), proven=True, window=True)
    assert (window.verdict, window.in_force) == ("violated", True)
