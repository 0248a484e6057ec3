"""On a cluster that lives on, a killed runner leaves a ledger, and `gameday revert` restores every object."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gameday import evidence
from gameday.ledger import Entry, Ledger, NoUndo, differences, snapshot

if TYPE_CHECKING:
    from gameday.kube import Kube

ROOT = Path(__file__).resolve().parents[2]
GAMEDAY = str(Path(sys.executable).parent / "gameday")
EXPERIMENTS = sorted((ROOT / "experiments").rglob("*.yaml"))
SHOP = ["--context", "gameday-local", "--namespace", "shop"]


def command(argv: list[str], environment: dict[str, str]) -> str:
    """Run a command that must succeed; returns what it printed."""
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def home_status(kube: Kube) -> int:
    """The status of the shop's home page, through the edge."""
    address = kube.core.read_namespaced_service("edge", "shop").spec.cluster_ip
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://{address}:8080/", timeout=10) as reply:
        return int(reply.status)


def wait_for_fault(runner: subprocess.Popen[bytes], report: Path, timeout_s: float) -> int:
    """Wait until the run has proven a fault in force; returns the experiment's process id."""
    ends = time.monotonic() + timeout_s
    while time.monotonic() < ends:
        assert runner.poll() is None, f"the run ended with {runner.returncode} before its fault was in force"
        for file in report.glob("*/evidence.jsonl"):
            if any(fact["event"] == "fault-in-force" for fact in evidence.read(file)):
                return child_of(runner.pid)
        time.sleep(0.05)  # the file belongs to another process: there is no event to await
    raise AssertionError(f"no fault in force within {timeout_s} s")


def child_of(pid: int) -> int:
    """The experiment's process below the runner's."""
    children = [int(c) for t in Path(f"/proc/{pid}/task").iterdir() for c in (t / "children").read_text().split()]
    return next(c for c in children if b"gameday.runner.experiment" in Path(f"/proc/{c}/cmdline").read_bytes())


def await_end(pid: int, timeout_s: float) -> None:
    """Wait for the end of a process that is not our child; fail when it lives on."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ready, _, _ = select.select([handle], [], [], timeout_s)
    os.close(handle)
    assert ready, f"process {pid} outlived its runner by {timeout_s} s"


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.stem)
def test_after_kill_9_in_mid_fault_revert_restores_every_object(
    file: Path, lasting: Kube, environment: dict[str, str], tmp_path: Path
) -> None:
    """SIGKILL of all of a run leaves its fault in the ledger; `gameday revert` puts all back and the shop serves."""
    before = snapshot(lasting, "shop")
    experiment = kill_in_mid_fault(file, environment, tmp_path, spare_experiment=False)
    await_end(experiment, 5)

    held = Ledger(lasting, "shop").entries()
    command([GAMEDAY, "revert", *SHOP], environment)

    assert held, "the ledger held nothing although a fault was in force"
    assert differences(before, snapshot(lasting, "shop")) == []
    assert Ledger(lasting, "shop").entries() == []
    assert home_status(lasting) == 200


def test_an_experiment_whose_runner_was_killed_undoes_its_own_fault(
    lasting: Kube, environment: dict[str, str], tmp_path: Path
) -> None:
    """SIGKILL of the runner alone: the orphaned experiment plays its rollbacks, and nobody need revert."""
    before = snapshot(lasting, "shop")
    experiment = kill_in_mid_fault(EXPERIMENTS[0], environment, tmp_path, spare_experiment=True)
    await_end(experiment, 20)

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
    argv = [GAMEDAY, "run", str(file), *SHOP, "--report", str(report)]
    runner = subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        experiment = wait_for_fault(runner, report, 60)
        runner.kill()
        if not spare_experiment:
            os.kill(experiment, signal.SIGKILL)
    finally:
        runner.kill()
        runner.wait()
    return experiment
