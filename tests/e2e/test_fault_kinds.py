"""Every kind of fault, from onset to undo, in a game day of its own on a private cluster."""

from __future__ import annotations

import json
import os
import random
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.e2e.runs import FAULT_KINDS, GAMEDAY

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.alone
@pytest.mark.timeout(600)
def test_each_kind_of_fault_is_proven_in_force_felt_undone_and_passed_by_a_sound_shop(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """One experiment a kind: passed says all of it, and the journal names the fault and what it touched.

    One after the other: while a neighbour's fifteen pods start, a home page or two comes as its fallback on two cores.
    $GAMEDAY_TEST_FAULT_KINDS: so many of them, drawn at random.
    """
    some = int(os.environ.get("GAMEDAY_TEST_FAULT_KINDS") or len(FAULT_KINDS))
    kinds = random.SystemRandom().sample(FAULT_KINDS, some)
    argv = [GAMEDAY, "run", *map(str, kinds), "--jobs", "1", "--report", str(tmp_path / "report")]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=590, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for file in kinds:
        journal = json.loads((tmp_path / "report" / file.stem / "journal.json").read_text())["gameday"]
        faults = journal["faults"]
        assert faults, file.stem
        assert all(one["in_force"] and one["touched"] and one["undone"] for one in faults), (file.stem, faults)


@pytest.mark.timeout(300)
def test_a_fault_that_takes_more_down_than_the_caps_allow_is_undone_at_once(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """The database is one pod; the services that are not ready without it are three more: no verdict on the shop."""
    experiment = yaml.safe_load(FAULT_KINDS[0].read_text())
    arguments = experiment["controls"][0]["provider"]["arguments"]
    arguments["guard"] = {"max_pods": 1}
    arguments.pop("faultproxies", None)
    pages = {"module": "gameday.activities.probes.pages", "func": "page_error_rate_below", "arguments": {"limit": 0.9}}
    experiment["steady-state-hypothesis"]["probes"][0]["provider"] |= pages
    gone = {"namespace": "${namespace}", "label_selector": "app=db"}
    scale = {"module": "gameday.activities.pods", "func": "scale_to_zero", "arguments": gone}
    experiment["method"][0]["provider"] |= scale
    experiment["method"][1]["provider"]["arguments"]["duration_s"] = 90
    file = tmp_path / "cascade.yaml"
    file.write_text(yaml.safe_dump(experiment))
    argv = [GAMEDAY, "run", str(file), "--report", str(tmp_path / "report")]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    whole = json.loads((tmp_path / "report" / "cascade" / "journal.json").read_text())
    journal = whole["gameday"]
    assert "pods that were ready are down, at most 1 may be" in journal["reason"]
    assert all(one["undone"] and one["effective_undone"] for one in journal["faults"])
    (watched,) = [one["output"] for one in whole["run"] if one["activity"]["name"] == "shoppers-go-on"]
    assert watched["observed_s"] < 80  # of 90
