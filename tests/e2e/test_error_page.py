"""The promises of the error page, all broken at once: each is reported as broken, under its own name."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.e2e.rows import KUBECTL
from tests.e2e.runs import GAMEDAY, ROOT, command

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.kube import Kube

pytestmark = pytest.mark.alone

PROMISES = ROOT / "experiments" / "prime-day" / "the-error-page-keeps-every-promise.yaml"
WEAK = "weak"
AFTERWARDS = {"its-request-id-is-in-the-log", "it-is-gone-5-s-after-the-undo"}
"""What can be told only at the end of the window, or later."""
NOT_TOGETHER = {"no-error-page", "error-page-says-200", "error-page-without-request-id", "slow-retries"}
"""Weaknesses that would hide others, or that take longer to show."""


@pytest.fixture(scope="module")
def declared() -> dict[str, str]:
    """The weaknesses that the experiment must find, and by which hypothesis."""
    experiment = yaml.safe_load(PROMISES.read_text())
    return {one["name"]: one["violates"] for one in experiment["extensions"][0]["weaknesses"]}


@pytest.fixture(scope="module")
def run(
    lasting: Kube, environment: dict[str, str], declared: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Runs an experiment in a shop that has all the weaknesses at once; returns what its journal says."""
    del lasting
    shell = {**environment, "KUBECONFIG": str(Path(environment["GAMEDAY_STATE"]) / "local" / "kubeconfig")}
    folder = tmp_path_factory.mktemp("weak")
    k8s = os.path.relpath(ROOT / "k8s", folder.resolve())
    components = [f"{k8s}/weaknesses/{name}" for name in declared if name not in NOT_TOGETHER]
    composed = {"resources": [f"{k8s}/overlays/embedded"], "components": components}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(composed))
    for words in (
        ["create", "namespace", WEAK],
        ["label", "namespace", WEAK, "gameday.dev/allowed=true"],
        ["-n", WEAK, "apply", "-k", str(folder)],
        ["-n", WEAK, "wait", "--for=condition=Available", "deployment", "--all", "--timeout=50s"],
    ):
        command([KUBECTL, *words], shell)
    command([GAMEDAY, "guardian", "install", "--namespace", WEAK], shell)

    def run(experiment: dict[str, Any]) -> dict[str, Any]:
        place = tmp_path_factory.mktemp("run")
        file = place / "promises.yaml"
        file.write_text(yaml.safe_dump(experiment))
        argv = [GAMEDAY, "run", str(file), "--context", "gameday-local", "--namespace", WEAK, "--report", str(place)]
        done = subprocess.run(argv, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 1, done.stdout + done.stderr
        journal: dict[str, Any] = json.loads((place / "promises" / "journal.json").read_text())["gameday"]
        return journal

    return run


def test_each_broken_promise_is_reported_by_its_name(
    run: Callable[[dict[str, Any]], dict[str, Any]], declared: dict[str, str]
) -> None:
    """Baseline met, fault proven, every hypothesis violated whose weakness is there: one violation hides no other.

    The first ends the window, so all kinds of visitors come at once.
    """
    experiment = yaml.safe_load(PROMISES.read_text())
    experiment["controls"][0]["provider"]["arguments"]["shoppers"] |= {"mix": {"product": 1, "head": 1, "cart": 1}}
    hypothesis = experiment["steady-state-hypothesis"]
    hypothesis["probes"] = [probe for probe in hypothesis["probes"] if probe["name"] != "it-comes-within-300-ms"]
    del experiment["extensions"]
    for probe in hypothesis["probes"]:
        if "at_least" in probe["provider"]["arguments"]:
            probe["provider"]["arguments"]["at_least"] = 20
    journal = run(experiment)
    assert (journal["verdict"], journal["baseline_met"]) == ("failed", True)
    broken = {violates for name, violates in declared.items() if name not in NOT_TOGETHER}
    # The first certain violation ends the window: what else was seen by then may have been seen during a stall.
    seen = {finding["probe"] for finding in journal["findings"] if finding["verdict"] == "violated"}
    assert set(journal["violated"]) <= seen
    assert broken - seen <= AFTERWARDS
    assert seen <= set(declared.values()) | AFTERWARDS
    assert all(fault["in_force"] and fault["undone"] for fault in journal["faults"])


def test_what_only_the_end_shows_is_reported_too(run: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Ids that the log does not know, and a page that caches keep when all is undone and the shop has recovered."""
    experiment = yaml.safe_load(PROMISES.read_text())
    hypothesis = experiment["steady-state-hypothesis"]
    del experiment["extensions"]
    hypothesis["probes"] = [probe for probe in hypothesis["probes"] if probe["name"] in AFTERWARDS]
    journal = run(experiment)
    assert (journal["verdict"], journal["baseline_met"]) == ("failed", True)
    assert set(journal["violated"]) == AFTERWARDS
    assert journal["recovery"]["recovered"]
    reasons = {finding["probe"]: finding["reason"] for finding in journal["findings"]}
    assert "are not in the log of app=edge" in reasons["its-request-id-is-in-the-log"]
    assert "may be shown by caches" in reasons["it-is-gone-5-s-after-the-undo"]
