"""On a cluster that lives on, a killed runner leaves a ledger, and `gameday revert` restores every object."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from gameday.activities.targets import deployments_available
from gameday.ledger import Entry, Ledger, NoUndo, differences, snapshot
from gameday.ledger.calls import wait_until
from tests.e2e.runs import (
    EXPERIMENTS,
    GAMEDAY,
    ROOT,
    SHOP,
    UNLIKE,
    await_end,
    command,
    home_comes,
    under_way,
    wait_for_fault,
)

if TYPE_CHECKING:
    from pathlib import Path

    from gameday.kube import Kube
    from tests.e2e.calm import Clock

SHEDDING_S = 10.0
"""The edge may still spare a shop that answered next to nothing: its admission control looks back three seconds."""


@pytest.mark.parametrize("file", UNLIKE, ids=lambda file: file.stem)
def test_after_kill_9_in_mid_fault_revert_restores_every_object(
    file: Path, lasting: Kube, environment: dict[str, str], clock: Clock, tmp_path: Path
) -> None:
    """SIGKILL of all of a run leaves its fault in the ledger; `gameday revert` puts all back and the shop serves."""
    before = snapshot(lasting, "shop")
    experiment = kill_in_mid_fault(file, environment, tmp_path, spare_experiment=False)
    await_end(experiment, 30)

    held = Ledger(lasting, "shop").entries()
    command([GAMEDAY, "revert", *SHOP], environment)

    assert held, "the ledger held nothing although a fault was in force"
    assert differences(before, snapshot(lasting, "shop")) == []
    assert Ledger(lasting, "shop").entries() == []
    every = [one.metadata.name for one in lasting.apps.list_namespaced_deployment("shop").items]
    assert wait_until(lambda: deployments_available(lasting, "shop", every), 60)
    assert clock.comes(lambda: home_comes(lasting), SHEDDING_S)


def test_an_experiment_whose_runner_was_killed_undoes_its_own_fault(
    lasting: Kube, environment: dict[str, str], tmp_path: Path
) -> None:
    """SIGKILL of the runner alone: the orphaned experiment plays its rollbacks, and nobody need revert."""
    before = snapshot(lasting, "shop")
    experiment = kill_in_mid_fault(EXPERIMENTS[0], environment, tmp_path, spare_experiment=True)
    await_end(experiment, 90)

    assert Ledger(lasting, "shop").entries() == []
    assert differences(before, snapshot(lasting, "shop")) == []


def test_a_shop_with_faults_on_record_is_not_attacked(
    lasting: Kube, environment: dict[str, str], tmp_path: Path
) -> None:
    """What an earlier run left in force is no baseline: exit 2, and the words say how to undo it."""
    Ledger(lasting, "shop").write(Entry("old", "terminate-pods", (NoUndo(("web",)),), {}))
    argv = [GAMEDAY, "run", str(EXPERIMENTS[0]), *SHOP, "--report", str(tmp_path)]
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    command([GAMEDAY, "revert", *SHOP], environment)

    assert done.returncode == 2
    assert "undo them first: gameday revert" in " ".join((done.stdout + done.stderr).split())
    assert Ledger(lasting, "shop").entries() == []


def kill_in_mid_fault(file: Path, environment: dict[str, str], report: Path, *, spare_experiment: bool) -> int:
    """Run an experiment in the shop, and kill -9 its runner once a fault is in force; returns the experiment's pid."""
    with under_way(file, environment, report) as runner:
        experiment = wait_for_fault(runner, report, 60)
        runner.kill()
        if not spare_experiment:
            os.kill(experiment, signal.SIGKILL)
    return experiment
