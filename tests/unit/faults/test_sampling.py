"""Windows that are too short for what their probes ask, and those that are not."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gameday.activities.sampling import Sampling, expected_samples
from gameday.stats import samples_needed
from tests.e2e.runs import EXPERIMENTS, FAULT_KINDS, GAMEDAY

if TYPE_CHECKING:
    from pathlib import Path

PAGES = "gameday.activities.probes.pages"


def experiment(window_s: Any = 10, rate_per_s: float = 16, **arguments: Any) -> dict[str, Any]:
    """A window in which one probe looks at error rates, and half the shoppers look at pages."""
    shoppers = {"rate_per_s": rate_per_s, "mix": {"home": 1, "buy": 1}}
    control = {"module": "gameday.activities.control", "arguments": {"namespace": "${x}", "shoppers": shoppers}}
    probe = {"module": PAGES, "func": "page_error_rate_below", "arguments": {"limit": 0.1, **arguments}}
    observe = {"module": "gameday.activities.traffic", "func": "observe", "arguments": {"duration_s": window_s}}
    return {
        "controls": [{"provider": control}],
        "steady-state-hypothesis": {"probes": [{"name": "few-errors", "provider": probe}]},
        "method": [{"type": "action", "name": "wait", "provider": observe}],
    }


def sampled(given: dict[str, Any]) -> Sampling:
    """The only one."""
    (found,) = expected_samples(given)
    return found


def test_a_window_is_refused_one_page_view_short_of_what_a_limit_needs() -> None:
    """80 page views are enough for 10 percent; for a limit that needs 81 they are not, and it says what would do."""
    assert sampled(experiment()).expected == 80
    assert sampled(experiment()).refusal is None
    limit = next(n / 1000 for n in range(100, 1, -1) if samples_needed(n / 1000) > 80)
    refusal = sampled(experiment(limit=limit)).refusal
    assert refusal is not None
    assert refusal.startswith("few-errors: a window of 10 s gives about 80 page views, and with fewer than 8")
    assert sampled(experiment(limit=limit, window_s=11)).refusal is None, "as the refusal says"
    assert "keep it open for 11 s, or let 17 shoppers come a second" in refusal


def test_pauses_and_defaults_count_and_what_runs_in_the_background_does_not() -> None:
    """The window is as long as the method's own words say."""
    given = experiment()
    killing = {"module": "gameday.activities.pods", "func": "terminate_pods", "arguments": {}}
    given["method"] += [
        {"name": "kill", "provider": killing, "pauses": {"after": 2}},
        {"name": "kill-too", "provider": killing, "background": True},
    ]
    assert sampled(given).window_s == 10 + 8 + 2


UNSOUND = {"controls": 3, "method": [3], "steady-state-hypothesis": {"probes": [3]}}


@pytest.mark.parametrize(
    "given",
    [
        *(experiment(window_s=window_s) for window_s in ("${window}", float("inf"), float("nan"))),
        *(experiment(limit=limit) for limit in ("${limit}", 2)),
        *(experiment(rate_per_s=-1), {**experiment(), "steady-state-hypothesis": "nonsense"}, {}, UNSOUND),
    ],
)
def test_what_a_file_leaves_open_or_has_wrong_is_not_judged_here(given: dict[str, Any]) -> None:
    """Chaos Toolkit fills it in later, or lint complains of it elsewhere."""
    assert expected_samples(given) == []


def test_every_experiment_of_ours_gets_what_it_needs() -> None:
    """And each of them is judged."""
    for file in (*EXPERIMENTS, *FAULT_KINDS):
        found = expected_samples(yaml.safe_load(file.read_text()))
        assert found, file
        assert [one.refusal for one in found if one.refusal] == []


def test_a_run_is_refused_by_file_and_line(tmp_path: Path) -> None:
    """With what is there, what is needed, and what to change."""
    file = tmp_path / "short.yaml"
    file.write_text(
        FAULT_KINDS[0].read_text().replace("duration_s: 5", "duration_s: 1").replace("rate_per_s: 15", "rate_per_s: 9")
    )
    done = subprocess.run([GAMEDAY, "run", str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert ": home-falls-back: a window of 1 s gives about 9 home pages, and with fewer than 29 it" in done.stderr
