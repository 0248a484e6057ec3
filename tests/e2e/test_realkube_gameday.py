"""Game days on the real Kubernetes: fresh storefronts, a port-forward as the only way, and a runner that is killed."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gameday import evidence
from tests.bench.calm import Calm, allowed_s, words
from tests.bench.kills.trial import OBJECTS_S, kill_all
from tests.bench.turns import until_told
from tests.e2e import realkube
from tests.e2e.runs import GAMEDAY, journals

if TYPE_CHECKING:
    from tests.e2e.realkube import RealKube

PROBE = Path(__file__).with_name("reach_probe.py")
pytestmark = [pytest.mark.realkube, pytest.mark.timeout(1800)]


def test_a_game_day_in_fresh_namespaces_by_port_forward(real_cluster: RealKube, tmp_path: Path) -> None:
    """With nothing but the API a whole game day passes, on shop, mailbox, database and fault proxy; all is deleted."""

    def run(left: list[str], turn: int) -> dict[str, dict[str, Any]]:
        return game_day(real_cluster, left, tmp_path / str(turn), "--reach", "port-forward")

    said, _ = until_told(["no-gift-alert-without-a-registry", "slow-catalog-falls-back"], run)
    for one in said.values():
        assert one["verdict"] == "passed", one["reason"]
    for file in tmp_path.glob("*"):
        for one in journals(file).values():
            assert one["run"]["reach"] == "port-forward"
            left = real_cluster.kubectl("get", "namespace", one["run"]["namespace"], "--ignore-not-found", "-o", "json")
            assert not left or json.loads(left)["metadata"].get("deletionTimestamp")


def test_a_port_forward_outlives_pods_and_tells_its_own_failures_from_theirs(
    real_cluster: RealKube, real_shop: str
) -> None:
    """It finds the pods that are there now; nobody behind a Service is the shop's failure, a lost API never is."""
    real_cluster.kubectl("create", "service", "clusterip", "nobody", "--tcp=8080:8080", "-n", real_shop)
    patch = '[{"op": "replace", "path": "/spec/ports/0/name", "value": "http"}]'
    real_cluster.kubectl("patch", "service", "nobody", "--type=json", "-p", patch, "-n", real_shop)
    seen = json.loads(real_cluster.run(sys.executable, str(PROBE), real_shop))
    real_cluster.kubectl("delete", "service", "nobody", "-n", real_shop)
    assert (seen["answers"], seen["after_all_pods_died"]) == ("200", "200")
    assert seen["with_no_pod_behind"] == "ConnectionResetError"
    assert seen["slow_or_troubled_so_far"] == []
    assert seen["cut_off"] == "ConnectionResetError"
    assert seen["told"]


def test_a_killed_runner_leaves_what_revert_restores(real_cluster: RealKube, real_shop: str, tmp_path: Path) -> None:
    """Killed with its experiment in the middle of a fault, in place: the ledger undoes all of it, on the pods too."""
    real_cluster.wait_ready(real_shop)
    before = real_cluster.objects(real_shop)
    where = ["--context", "realkube", "--namespace", real_shop]
    kill_in_the_middle(["no-gift-alert-without-a-registry", *where, "--without-guardian"], tmp_path)
    assert real_cluster.objects(real_shop) != before
    real_cluster.run(GAMEDAY, "revert", *where)
    assert real_cluster.objects(real_shop) == before
    assert "no fault is on record" in real_cluster.run(GAMEDAY, "ledger", *where)


def test_the_guardian_undoes_what_a_killed_runner_left(real_cluster: RealKube, real_shop: str, tmp_path: Path) -> None:
    """With no rights but its Role's, as a pod of the restricted standard: every object is restored within 15 s.

    Calm ones: a machine that stood still has restored nothing meanwhile.
    """
    where = ["--context", "realkube", "--namespace", real_shop]
    real_cluster.run(GAMEDAY, "guardian", "install", *where)
    real_cluster.wait_ready(real_shop)
    before = real_cluster.objects(real_shop)
    try:
        for experiment in ("no-gift-alert-without-a-registry", "slow-catalog-falls-back"):
            with Calm() as calm:
                kill_in_the_middle([experiment, *where], tmp_path / experiment)
                began = looked = time.time()
                assert real_cluster.objects(real_shop) != before
                while real_cluster.objects(real_shop) != before:
                    stalled_s = calm.stalled_s(began, looked)
                    if looked - began > allowed_s(OBJECTS_S, stalled_s):
                        said = real_cluster.kubectl("logs", "deploy/gameday-guardian", "-n", real_shop)
                        pytest.fail(f"not restored: {words(OBJECTS_S, stalled_s)}; the guardian: {said}")
                    looked = time.time()  # before the next look: what that shows was so at this time, or later
        assert "no fault is on record" in real_cluster.run(GAMEDAY, "ledger", *where)
    finally:
        real_cluster.run(GAMEDAY, "guardian", "uninstall", *where)


def test_what_a_killed_runner_made_is_named(real_cluster: RealKube, real_shop: str, tmp_path: Path) -> None:
    """Killed in a namespace of its own: revert undoes the fault and names the namespace; it is no other's shop."""
    where = ["--context", "realkube"]
    kill_in_the_middle(["slow-catalog-falls-back", *where, "--reach", "nodeport"], tmp_path)
    said = real_cluster.run(GAMEDAY, "revert", *where, "-A")
    assert "2 undone" in said
    line = next(one for one in said.splitlines() if one.startswith("namespace gd-"))
    left = line.split()[1].rstrip(":")
    try:
        catalog = json.loads(real_cluster.kubectl("get", "service", "catalog", "-n", left, "-o", "json"))
        assert catalog["spec"]["selector"] == {"app": "catalog"}
        assert "gameday-proxy" not in real_cluster.kubectl("get", "deploy,svc,secret", "-n", left, "-o", "name")
        elsewhere = real_cluster.url(real_shop, "edge")
        options = ["--namespace", left, "--shop-url", elsewhere, "--report", str(tmp_path / "elsewhere")]
        with pytest.raises(AssertionError, match="exit 2"):
            real_cluster.run(GAMEDAY, "run", "slow-catalog-falls-back", *where, *options)
        reason = journals(tmp_path / "elsewhere")["slow-catalog-falls-back"]["reason"]
        assert "leads to another shop" in reason
    finally:
        real_cluster.run(*shlex.split(line.partition(" over: ")[2]), "--wait=false")


def test_each_client_of_a_network_fault_must_have_felt_it(real_cluster: RealKube, tmp_path: Path) -> None:
    """Pods have addresses of their own here: those of web are seen to be slowed down, those of orders never ask."""
    told = {"felt": "web", "unfelt": "orders"}
    text = (realkube.PROJECT / "experiments" / "prime-day" / "slow-catalog-falls-back.yaml").read_text()
    for name, client in told.items():
        (tmp_path / f"{name}.yaml").write_text(
            text.replace("jitter_ms: 200}", f"jitter_ms: 200, clients: app={client}}}")
        )

    def run(left: list[str], turn: int) -> dict[str, dict[str, Any]]:
        report = tmp_path / f"{left[0]}-{turn}"
        return game_day(real_cluster, [str(tmp_path / f"{name}.yaml") for name in left], report)

    felt = until_told(["felt"], run)[0]["felt"]
    assert unseen(felt) == []
    assert felt["verdict"] == "passed", felt["reason"]
    unfelt = until_told(["unfelt"], run, told=was_in_force)[0]["unfelt"]
    assert was_in_force(unfelt), unfelt
    assert not all(one["touched"] for one in unfelt["faults"])
    assert any("orders-" in one for one in unseen(unfelt)), unfelt
    assert unfelt["verdict"] == "inconclusive"


def game_day(cluster: RealKube, names: list[str], report: Path, *options: str) -> dict[str, dict[str, Any]]:
    """Run experiments, whatever comes of them; returns what each journal says of gameday."""
    argv = [cluster.tool.command, "exec", GAMEDAY, "run", *names, "--context", "realkube", "--report", str(report)]
    done = subprocess.run(
        [*argv, *options], env=cluster.environment, capture_output=True, text=True, check=False, timeout=500
    )
    said = journals(report)
    assert said, f"exit {done.returncode}: {done.stdout}{done.stderr}"
    return said


def was_in_force(gameday: dict[str, Any]) -> bool:
    """Whether a run came to its faults: its baseline was met, and each was in force and was undone."""
    faults = gameday["faults"]
    return bool(gameday["baseline_met"] and faults and all(one["in_force"] and one["undone"] for one in faults))


def unseen(gameday: dict[str, Any]) -> list[str]:
    """The clients that a fault names and that were not seen."""
    return [client for one in gameday["faults"] for client in one["unseen"]]


def kill_in_the_middle(options: list[str], report: Path) -> None:
    """Run an experiment (the first of `options`), and kill every process of it once its fault is in force."""
    command = [realkube.TOOL.command, "exec", GAMEDAY, "run", *options, "--report", str(report)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as runner:
        await_fault(runner, report / options[0] / evidence.FILE_NAME)
        kill_all(runner.pid)


def await_fault(runner: subprocess.Popen[bytes], file: Path, timeout_s: float = 300) -> None:
    """Wait until the run has proven a fault in force."""
    ends = time.monotonic() + timeout_s
    while not any(fact["event"] == "fault-in-force" for fact in evidence.read(file)):
        assert runner.poll() is None, f"the run ended with {runner.returncode} before its fault was in force"
        assert time.monotonic() < ends, f"no fault in force within {timeout_s} s"
        time.sleep(0.05)  # the file belongs to another process: there is no event to await
