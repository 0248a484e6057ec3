"""What a user's machine may be like: a full disk, a taken port, a proxy in the way, runs that were killed."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import yaml

from gameday.cluster import ClusterError, start
from gameday.kube import connect
from gameday.runner.deploy import UP
from gameday.runner.leftovers import RUN_LABEL, RUNNER_ANNOTATION
from tests.e2e.blackhole import BlackHole
from tests.e2e.disks import fill, needs_mounts, small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
FRIENDLY = "friendly-page-when-every-backend-is-dead"


def gameday(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [str(BIN / "gameday"), *words], cwd=ROOT, env=surroundings(**environment), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def surroundings(**environment: str) -> dict[str, str]:
    """This process's environment with changes, and without a cluster."""
    return {**{key: value for key, value in os.environ.items() if key != "KUBECONFIG"}, **environment}


def assert_one_line(done: subprocess.CompletedProcess[str], code: int, *said: str) -> None:
    """One line on stderr that has all that is needed in it, and nothing on stdout."""
    assert (done.returncode, len(done.stderr.splitlines()), done.stdout) == (code, 1, ""), done
    assert all(words in done.stderr for words in said), done.stderr


def mentioning(folder: Path) -> list[str]:
    """Processes that live in a folder, or were started with it in their environment."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
            if str(folder).encode() in words or str((place / "cwd").readlink()).startswith(str(folder)):
                found.append(f"{place.name}: {words[:80]!r}")
        except OSError:
            continue
    return found


# --- before anything is started


@pytest.mark.parametrize("words", [["up"], ["run", FRIENDLY]], ids=["up", "run"])
def test_a_state_folder_that_cannot_be_is_said_at_once(words: list[str], tmp_path: Path) -> None:
    """In /proc no folder can be made: nobody waits, and the line says which variable moves it."""
    report = ["--report", str(tmp_path / "report")] if words[0] == "run" else []
    began = time.monotonic()
    gameday("--version")
    quick_s = time.monotonic() - began
    began = time.monotonic()
    done = gameday(*words, *report, GAMEDAY_STATE="/proc/nowhere")
    assert_one_line(done, 5, "/proc/nowhere", "set GAMEDAY_STATE")
    assert time.monotonic() - began < 8 * max(1, quick_s)
    assert not list(tmp_path.glob("report/*/*"))


@needs_mounts
@pytest.mark.parametrize("options", ["size=64k", "ro,size=200m"], ids=["full", "read-only"])
def test_a_state_folder_without_room_is_said_at_once(
    options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full or read-only disk: one line, exit 5, no process and no cluster."""
    with small_disk(tmp_path / "disk", options) as disk:
        if "ro" not in options:
            fill(disk)
        done = gameday("up", GAMEDAY_STATE=str(disk / "state"))
        assert_one_line(done, 5, str(disk), "set GAMEDAY_STATE")
        monkeypatch.setenv("GAMEDAY_STATE", str(disk / "state"))
        with pytest.raises(ClusterError, match="set GAMEDAY_STATE"):
            start("local", owned=True)  # the daemon itself says so too
        assert mentioning(disk) == []
        assert not (disk / "state" / "local").exists()


@needs_mounts
def test_a_report_folder_without_room_is_said_at_once(tmp_path: Path) -> None:
    """The report's disk is full before the first experiment: exit 5, and the private cluster is gone."""
    with small_disk(tmp_path / "disk", "size=64k") as disk:
        fill(disk)
        done = gameday("run", FRIENDLY, "--report", str(disk / "report"), GAMEDAY_STATE=str(tmp_path / "state"))
        assert (done.returncode, done.stdout) == (5, "")
        assert "No space left on device; free some space" in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
        assert mentioning(tmp_path) == []


def test_a_taken_port_is_named_with_the_way_out(tmp_path: Path) -> None:
    """`gameday up --port` on somebody else's port: exit 5, and nothing is up."""
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        done = gameday("up", "--port", str(port), GAMEDAY_STATE=str(tmp_path / "state"))
    assert_one_line(done, 5, f"port {port} ", "is taken; choose another")
    assert not (tmp_path / "state" / "local").exists()


# --- on a cluster that is up, with a black hole for a proxy


@pytest.fixture(scope="module")
def proxy() -> Iterator[BlackHole]:
    """What the environment names as its proxy."""
    with BlackHole() as hole:
        yield hole


@pytest.fixture(scope="module")
def environment(proxy: BlackHole, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A cluster that stays, started and stopped with a proxy in the environment; how it is reached."""
    state = tmp_path_factory.mktemp("state")
    given = {**proxy.environment, "GAMEDAY_STATE": str(state)}
    up = gameday("up", **given)
    assert up.returncode == 0, up.stderr
    yield given
    down = gameday("down", **given)
    assert down.returncode == 0, down.stderr
    assert mentioning(state) == []


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    """The experiment on the friendly page, in a few seconds: too short to judge much, long enough to talk to all."""
    (original,) = ROOT.glob(f"experiments/*/{FRIENDLY}.yaml")
    experiment: dict[str, Any] = yaml.safe_load(original.read_text())
    arguments = experiment["controls"][0]["provider"]["arguments"]
    arguments |= {"baseline_s": 1, "recovery_s": 60}
    experiment["method"][1]["provider"]["arguments"]["duration_s"] = 2
    del experiment["steady-state-hypothesis"]["probes"][1]
    experiment["steady-state-hypothesis"]["probes"][0]["provider"]["arguments"]["at_least"] = 10
    experiment["extensions"] = []
    file = tmp_path / "quick.yaml"
    file.write_text(yaml.safe_dump(experiment))
    return file


@pytest.mark.timeout(300)
def test_plain_chaos_run_sends_nothing_through_a_proxy(
    environment: dict[str, str], proxy: BlackHole, quick: Path
) -> None:
    """Cluster, storefront, shoppers, faults and status: all traffic is loopback, and none of it takes the proxy."""
    kubeconfig = str(Path(environment["GAMEDAY_STATE"]) / "local" / "kubeconfig")
    told = surroundings(**environment, KUBECONFIG=kubeconfig, GAMEDAY_RUN_DIR=str(quick.parent / "run"))
    command = [str(BIN / "chaos"), "--no-version-check", "run", "--journal-path", "journal.json", str(quick)]
    done = subprocess.run(command, cwd=quick.parent, env=told, capture_output=True, text=True, timeout=140, check=False)
    journal = json.loads((quick.parent / "journal.json").read_text())
    status = gameday("status", **environment)
    assert journal["gameday"]["verdict"] == "passed", done.stderr
    assert done.returncode == 0
    assert "namespace shop: all serving; no faults in its ledger" in status.stdout
    assert proxy.caught == []


def test_the_namespace_of_a_killed_run_is_named_until_it_is_deleted(
    environment: dict[str, str], proxy: BlackHole, quick: Path
) -> None:
    """After SIGKILL of a run on a cluster that stays, `status` and `revert -A` say what is left and how it goes."""
    report = quick.parent / "report"
    command = [str(BIN / "gameday"), "run", str(quick), "--context", "gameday-local", "--report", str(report)]
    runner = subprocess.Popen(
        command, cwd=ROOT, env=surroundings(**environment), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        await_namespace(environment, runner)
        runner.send_signal(signal.SIGSTOP)  # so that it is neither over nor dead while it is looked at
        meanwhile = gameday("status", **environment).stdout
    finally:
        runner.kill()
        runner.wait()

    reverted = gameday("revert", "-A", **environment)
    (line,) = [one for one in gameday("status", **environment).stdout.splitlines() if "left by run" in one]

    assert "left by run" not in meanwhile, "the run was still alive"
    assert reverted.returncode == 0, reverted
    assert line in reverted.stdout
    told = surroundings(**environment, PATH=f"{BIN}:{os.environ['PATH']}")
    delete = [*shlex.split(line.partition(": ")[2]), "--wait=false"]
    subprocess.run(delete, env=told, check=True, timeout=20, stdout=subprocess.DEVNULL)
    assert "left by run" not in gameday("status", **environment).stdout
    assert proxy.caught == []


def test_a_namespace_that_another_machines_run_made_is_named_with_a_doubt(environment: dict[str, str]) -> None:
    """Whether that run is over cannot be seen from here: it is for somebody to say."""
    kube = connect(kubeconfig=Path(environment["GAMEDAY_STATE"]) / "local" / "kubeconfig")
    meta = {"name": "gd-far", "labels": {RUN_LABEL: "abc123"}, "annotations": {RUNNER_ANNOTATION: "boot/4026/7/8"}}
    kube.core.create_namespace({"metadata": meta})
    try:
        said = gameday("status", **environment).stdout
    finally:
        kube.core.delete_namespace("gd-far", _preload_content=False)
    (line,) = [one for one in said.splitlines() if "gd-far" in one]
    assert "0 min ago by run abc123, on another machine or before a restart; if that run is over: kubectl" in line


def await_namespace(environment: dict[str, str], runner: subprocess.Popen[bytes]) -> None:
    """Wait until a run has made its namespace."""
    kube = connect(kubeconfig=Path(environment["GAMEDAY_STATE"]) / "local" / "kubeconfig")
    ends = time.monotonic() + 30
    while not kube.core.list_namespace(label_selector=f"{RUN_LABEL},{RUN_LABEL}!={UP}").items:
        assert runner.poll() is None, "the run ended before it made a namespace"
        assert time.monotonic() < ends, "no namespace within 30 s"
        time.sleep(0.05)  # that is another process's doing: there is no event to await


def test_postgresql_wants_its_password(environment: dict[str, str]) -> None:
    """Whoever reaches the database's port and has no password, or a wrong one, is not let in."""
    kube = connect(kubeconfig=Path(environment["GAMEDAY_STATE"]) / "local" / "kubeconfig")
    address = kube.core.read_namespaced_service("db", "shop").spec.cluster_ip
    for password in ("", "guess"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(host=address, user="shop", dbname="shop", password=password, connect_timeout=5)
