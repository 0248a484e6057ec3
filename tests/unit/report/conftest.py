"""A game day's folder, written by hand: one run that failed, one that passed, one that left nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

T0 = 1_700_000_000.0


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def samples(*, failing: bool) -> list[dict[str, Any]]:
    """20 s of traffic, 10 requests a second; between 5 and 13 s half of them fail or fall back."""
    found = []
    for number in range(200):
        at = T0 + number / 10
        hurt = 5 <= number / 10 < 13 and number % 2 == 0
        found.append(
            {
                "scheduled_at": at,
                "sent_at": at,
                "done_at": at + 0.05,
                "behaviour": "home",
                "method": "GET",
                "path": "/",
                "status": 503 if hurt and failing else 200,
                "latency_ms": 400.0 + number % 7 * 30 if hurt else 20.0 + number % 5,
                "error": "status 503" if hurt and failing else None,
                "fallback": hurt and not failing,
            }
        )
    return found


def events(*, failing: bool) -> list[dict[str, Any]]:
    """One fault from 5 to 13 s, and a violation when failing."""
    fault, target = "scale-1", {"kind": "Deployment", "name": "web", "uid": "u", "namespace": "n"}
    found: list[dict[str, Any]] = [
        {"at": T0, "event": "phase", "phase": "baseline"},
        {"at": T0 + 4.5, "event": "phase", "phase": "method"},
        {
            "at": T0 + 4.6,
            "event": "fault-planned",
            "fault": fault,
            "kind": "scale-to-zero",
            "target": target,
            "matched": 6,
        },
        {
            "at": T0 + 5,
            "event": "fault-in-force",
            "fault": fault,
            "kind": "scale-to-zero",
            "target": target,
            "proof": {"endpoints": 0},
        },
        {"at": T0 + 12, "event": "fault-touched", "fault": fault, "count": 40},
    ]
    if failing:
        found.append({"at": T0 + 7, "event": "violation", "probe": "pages-are-friendly", "detail": "<b>blank</b> page"})
    return [
        *found,
        {"at": T0 + 13, "event": "fault-undone", "fault": fault},
        {"at": T0 + 14, "event": "fault-effective-undone", "fault": fault},
        {"at": T0 + 14.5, "event": "phase", "phase": "recovery"},
    ]


def journal(*, failing: bool) -> dict[str, Any]:
    """As the experiment and the runner leave it."""

    def state(verdict: str, *, met: bool) -> dict[str, Any]:
        said = {
            "verdict": verdict,
            "probe": "pages-are-friendly",
            "reason": f"{verdict} indeed",
            "numbers": {"n": 80, "share": 0.123456},
        }
        return {
            "probes": [
                {
                    "activity": {"name": "pages-are-friendly"},
                    "output": said,
                    "tolerance_met": met,
                    "status": "succeeded",
                }
            ]
        }

    verdict = "failed" if failing else "passed"
    return {
        "status": "completed",
        "deviated": failing,
        "experiment": {
            "title": "Friendly",
            "description": "Every backend is taken away.",
            "steady-state-hypothesis": {
                "title": "Pages stay friendly",
                "probes": [{"name": "pages-are-friendly", "tolerance": {"type": "jsonpath", "path": "$.verdict"}}],
            },
        },
        "steady_states": {
            "before": state("holds", met=True),
            "after": state("violated" if failing else "holds", met=not failing),
        },
        "gameday": {
            "verdict": verdict,
            "reason": "pages-are-friendly: 40 of 80 were not" if failing else "held over the whole window",
            "violated": ["pages-are-friendly"] if failing else [],
            "baseline_met": True,
            "stalls": [{"start": T0 + 15, "end": T0 + 16.2}],
            "mend": [],
            "run": {"namespace": "gd-1", "context": "gameday-x", "seed": 7, "storefront_ready_s": 3.2},
        },
    }


@pytest.fixture
def gameday_folder(tmp_path: Path) -> Path:
    """The folder as the runner leaves it."""
    runs: list[dict[str, Any]] = []
    for name, failing in (("friendly", False), ("friendly--no-error-page", True)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "journal.json").write_text(json.dumps(journal(failing=failing)))
        write_lines(folder / "evidence.jsonl", events(failing=failing))
        write_lines(folder / "samples.jsonl", samples(failing=failing))
        write_lines(folder / "mails.jsonl", [{"at": T0 + 3 + n, "subject": "s", "to": ["a"]} for n in range(6)])
        verdict = "failed" if failing else "passed"
        runs.append(
            {
                "name": name,
                "experiment": "friendly",
                "title": "Friendly",
                "weakness": "no-error-page" if failing else None,
                "verdict": verdict,
                "reason": "r",
                "mend": [],
                "seconds": 20.5,
            }
        )
    runs.append(
        {
            "name": "gone",
            "experiment": "gone",
            "title": "Gone",
            "weakness": None,
            "verdict": None,
            "reason": None,
            "mend": [],
            "seconds": None,
        }
    )
    summary = {
        "format": 1,
        "version": "0.1.0",
        "run_id": "abc123",
        "seed": 7,
        "context": "gameday-x",
        "started_at": T0,
        "seconds": 41.2,
        "verdict": "error",
        "runs": runs,
    }
    (tmp_path / "gameday.json").write_text(json.dumps(summary))
    return tmp_path
