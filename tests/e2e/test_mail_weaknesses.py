"""The experiments on bulk mail, on storefronts that lack a safeguard: each fails, on the very hypothesis."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.runs import GAMEDAY, ROOT

if TYPE_CHECKING:
    from pathlib import Path

WEAKNESSES = {
    "no-ceiling": ("no-bulk-mail-without-its-ceiling", "newsletter-stays-under-its-ceiling"),
    "no-link-check": ("a-broken-template-never-becomes-a-mail", "links-lead-to-the-item"),
    "no-kill-switch": ("the-kill-switch-stops-the-mail", "kill-switch-stops-mail"),
    "mail-sent-again": ("a-campaign-reaches-whom-it-may-once", "no-mail-arrives-twice"),
    "no-suppression": ("a-campaign-reaches-whom-it-may-once", "nobody-suppressed-is-mailed"),
    "author-approves": ("a-campaign-reaches-whom-it-may-once", "campaigns-are-sent-as-approved"),
}


@pytest.mark.timeout(400)
def test_each_weakness_of_the_mailer_fails_an_experiment_on_the_very_hypothesis(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """In one game day: the baseline was met, the fault was in force, and then the hypothesis did not hold."""
    taken_out = [word for weakness in WEAKNESSES for word in ("--weakness", weakness)]
    argv = [GAMEDAY, "run", *taken_out, "--report", str(tmp_path / "report")]
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=390, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    for weakness, (experiment, probe) in WEAKNESSES.items():
        journal = json.loads((tmp_path / "report" / f"{experiment}--{weakness}" / "journal.json").read_text())[
            "gameday"
        ]
        assert (journal["verdict"], journal["baseline_met"]) == ("failed", True), (weakness, journal["reason"])
        assert probe in journal["violated"], (weakness, journal["violated"])
