"""`gameday preflight`: each thing that can be missing is made to be missing, for real, and is said in one line."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gameday.ledger import Entry, Ledger, differences, snapshot
from gameday.ledger import lease as leases
from gameday.ledger.calls import wait_until
from gameday.ledger.entries import SetReplicas
from gameday.ledger.lease import Lease, new_holder
from tests.e2e.disks import fill, needs_mounts, small_disk
from tests.e2e.runs import GAMEDAY, ROOT, SHOP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gameday.kube import Kube
    from tests.e2e.nobody import Nobody

FIRST = "slow-catalog-falls-back"
DOCKER = shutil.which("docker")
HELD = "held"
BIN = Path(sys.executable).parent
IMAGE = "registry.invalid/none:1"
needs_docker = pytest.mark.skipif(DOCKER is None, reason="no docker client here, whose complaints these are")


def preflight(environment: dict[str, str], *words: str) -> tuple[int, dict[str, str], str]:
    """Run it: the exit code, the line of each check by its state and name, and the last line."""
    argv = [GAMEDAY, "preflight", *words]
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == "", done.stderr
    *lines, last = done.stdout.splitlines()
    assert all(line.startswith(("ok       ", "missing  ", "note     ")) for line in lines), done.stdout
    return done.returncode, {" ".join(line.split(":", 1)[0].split()): line for line in lines}, last


def refused(environment: dict[str, str], *words: str) -> str:
    """What it says of a request that cannot be: one line, exit 2."""
    argv = [GAMEDAY, "preflight", *words]
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, len(done.stderr.splitlines()), done.stdout) == (2, 1, ""), done
    return done.stderr


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment without a cluster, and with state of its own."""
    kept = {key: value for key, value in os.environ.items() if key not in ("KUBECONFIG", "DOCKER_HOST")}
    return {**kept, "GAMEDAY_STATE": str(tmp_path / "state")}


@pytest.fixture
def namespace(lasting: Kube) -> Iterator[str]:
    """A fresh one that has not opted in."""
    lasting.core.create_namespace({"metadata": {"name": HELD}})
    yield HELD
    lasting.core.delete_namespace(HELD, _preload_content=False)
    assert wait_until(lambda: HELD not in names(lasting), 30)


def names(kube: Kube) -> list[str]:
    """The namespaces that there are."""
    return [one.metadata.name for one in kube.core.list_namespace().items]


def kubectl(command: str, environment: dict[str, str]) -> None:
    """Run a line that somebody would paste, beside this cluster's kubeconfig."""
    config = str(Path(environment["GAMEDAY_STATE"]) / "local" / "kubeconfig")
    path = f"{BIN}{os.pathsep}{environment['PATH']}"
    pasted = {**environment, "KUBECONFIG": config, "PATH": path}
    subprocess.run(shlex.split(command), env=pasted, check=True, timeout=30, capture_output=True)


# --- the embedded cluster


def test_a_shop_that_is_up_is_ready(lasting: Kube, environment: dict[str, str]) -> None:
    """Nothing is missing, nothing is changed, and what no embedded cluster can is told."""
    before, there = snapshot(lasting, "shop"), names(lasting)
    code, lines, last = preflight(environment, *SHOP)
    assert (code, last) == (0, "gameday: ready")
    expected = {"cluster", "Kubernetes", "APIs", "rights", "nodes", "namespace", "guardian", "lease", "ledger"}
    assert {f"ok {what}" for what in expected} <= lines.keys()
    assert "enforce" in lines["note NetworkPolicy"]
    assert differences(before, snapshot(lasting, "shop")) == []
    assert names(lasting) == there


def test_a_fresh_storefront_fits(lasting: Kube, environment: dict[str, str]) -> None:
    """Without a namespace there must be room for a storefront."""
    code, lines, last = preflight(environment, "--context", "gameday-local", FIRST)
    assert (code, last) == (0, "gameday: ready")
    assert {"ok room", "ok embedded cluster", "ok experiments"} <= lines.keys()


def test_the_label_is_one_pasted_command_away(lasting: Kube, environment: dict[str, str], namespace: str) -> None:
    """A namespace that has not opted in: exit 2, and the command that is given lets it."""
    argv = ["--context", "gameday-local", "--namespace", namespace]
    code, lines, last = preflight(environment, *argv)
    assert (code, last) == (2, "gameday: 1 thing is missing")
    kubectl(lines["missing namespace"].rpartition("to opt in: ")[2], environment)
    assert "ok namespace" in preflight(environment, *argv)[1]
    code, lines, _ = preflight(environment, "--context", "gameday-local", "--namespace", "kube-system")
    assert code == 2
    assert "is never attacked" in lines["missing namespace"]


def test_all_that_is_wrong_with_a_namespace_is_said_at_once(
    lasting: Kube, environment: dict[str, str], namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No guardian, a run under way, a fault on record, an image nobody knows, pods that do not serve: a line each."""
    allow(lasting, namespace)
    Ledger(lasting, namespace).write(Entry("f-1", "scale-to-zero", (SetReplicas("web", "uid", 2, 0),)))
    deploy_edge(lasting, namespace)
    assert wait_until(lambda: waiting(lasting, namespace) & {"ErrImagePull", "ImagePullBackOff"} != set(), 30)
    monkeypatch.setattr(leases, "RENEW_EVERY_S", 0.2)  # it must be seen to live however late one of them is
    lease = Lease(lasting, namespace, new_holder())
    lease.take()
    try:
        code, lines, last = preflight(environment, "--context", "gameday-local", "--namespace", namespace)
    finally:
        lease.leave()
    assert (code, last) == (5, "gameday: 5 things are missing")
    assert f"gameday guardian install --context gameday-local --namespace {namespace}" in lines["missing guardian"]
    assert lease.holder in lines["missing lease"]
    assert "scale-to-zero (f-1)" in lines["missing ledger"]
    assert f"gameday revert --context gameday-local --namespace {namespace}" in lines["missing ledger"]
    assert "edge: 0 of 1 pods available" in lines["missing storefront"]
    assert f"{IMAGE} in {namespace}" in lines["missing image"]
    assert "not known to the embedded cluster" in lines["missing image"]
    lines = preflight(environment, "--context", "gameday-local", "--namespace", namespace)[1]
    assert "seems dead" in lines["note lease"]


def allow(kube: Kube, namespace: str) -> None:
    """Let it take part."""
    kube.core.patch_namespace(namespace, {"metadata": {"labels": {"gameday.dev/allowed": "true"}}})


def deploy_edge(kube: Kube, namespace: str) -> None:
    """A storefront's edge, of an image that is nowhere."""
    pod: dict[str, Any] = {
        "metadata": {"labels": {"app": "edge"}},
        "spec": {"containers": [{"name": "e", "image": IMAGE}]},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "edge"}}, "template": pod}
    kube.apps.create_namespaced_deployment(namespace, {"metadata": {"name": "edge"}, "spec": spec})


def waiting(kube: Kube, namespace: str) -> set[str]:
    """Why containers there do not run."""
    pods = kube.plain(kube.core.list_namespaced_pod(namespace))["items"]
    states = [one["state"] for pod in pods for one in pod["status"].get("containerStatuses", [])]
    return {str(state["waiting"]["reason"]) for state in states if "waiting" in state}


def test_no_storefront_and_no_such_namespace(lasting: Kube, environment: dict[str, str], namespace: str) -> None:
    """Somebody named the wrong place: exit 2."""
    allow(lasting, namespace)
    code, lines, _ = preflight(environment, "--context", "gameday-local", "--namespace", namespace)
    assert code == 2
    assert "no Deployment edge" in lines["missing storefront"]
    code, lines, _ = preflight(environment, "--context", "gameday-local", "--namespace", "nowhere")
    assert code == 2
    assert "does not exist" in lines["missing namespace"]


# --- the experiments


def test_experiments_are_linted(bare: dict[str, str], tmp_path: Path) -> None:
    """All that is wrong with them, with the flags that they need, as `run` would refuse them."""
    (tmp_path / "broken.yaml").write_text("title: x\nmethood: []\n")
    code, lines, last = preflight(bare, str(tmp_path / "broken.yaml"))
    assert code == 2
    assert last.endswith("things are missing")
    assert "broken.yaml" in lines["missing experiments"]
    code, lines, _ = preflight(bare, "no-such-experiment")
    assert code == 2
    assert "no such experiment: no-such-experiment" in lines["missing experiments"]
    drain = "tests/experiments/nodes/drain-node.yaml"
    code, lines, _ = preflight(bare, drain)
    assert code == 2
    assert lines["missing drain"].endswith("say --allow-drain")
    code, lines, _ = preflight(bare, drain, "--allow-drain")
    assert code == 2
    assert "the draining of a node" in lines["ok experiments"]
    assert "the embedded cluster has one node" in lines["missing drain"]


# --- this machine


def test_a_bare_machine_is_ready(bare: dict[str, str]) -> None:
    """Nothing is installed but this package, nothing is up: that is all it needs, and nothing is left of the check."""
    code, lines, last = preflight(bare, FIRST)
    assert (code, last) == (0, "gameday: ready")
    assert {"ok kubectl", "ok state folder", "ok embedded cluster", "ok memory"} <= lines.keys()
    assert not Path(bare["GAMEDAY_STATE"]).exists()


def test_a_state_folder_that_cannot_be(bare: dict[str, str]) -> None:
    """In /proc no folder can be made: exit 5, with the variable that moves it."""
    code, lines, _ = preflight(bare | {"GAMEDAY_STATE": "/proc/nowhere"}, FIRST)
    assert code == 5
    assert "/proc/nowhere" in lines["missing state folder"]
    assert "export GAMEDAY_STATE=" in lines["missing state folder"]


@needs_mounts
@pytest.mark.parametrize("options", ["size=64k", "ro,size=200m"], ids=["full", "read-only"])
def test_a_state_folder_without_room(options: str, bare: dict[str, str], tmp_path: Path) -> None:
    """A full or read-only disk: exit 5, with the variable that moves it."""
    with small_disk(tmp_path / "disk", options) as disk:
        if "ro" not in options:
            fill(disk)
        code, lines, _ = preflight(bare | {"GAMEDAY_STATE": str(disk / "state")}, FIRST)
    assert code == 5
    missing = [line for line in lines.values() if line.startswith("missing") and str(disk) in line]
    assert missing
    assert all("GAMEDAY_STATE" in line for line in missing)


def test_no_container_engine(bare: dict[str, str], tmp_path: Path) -> None:
    """Without docker and podman there is no kind; how to install one is said."""
    code, lines, _ = preflight(bare | {"PATH": str(tmp_path)}, "--cluster", "kind", FIRST)
    assert code == 5
    assert "no container engine here (docker or podman)" in lines["missing container engine"]
    assert "install docker.io" in lines["missing container engine"]


@needs_docker
def test_a_daemon_that_is_down(bare: dict[str, str], tmp_path: Path) -> None:
    """Nobody listens at the socket: start it."""
    there = bare | {"DOCKER_HOST": f"unix://{tmp_path}/none.sock", "KIND_EXPERIMENTAL_PROVIDER": "docker"}
    code, lines, _ = preflight(there, "--cluster", "kind", FIRST)
    assert code == 5
    assert "systemctl start docker" in lines["missing container engine"]


@needs_docker
def test_a_socket_that_is_closed_to_this_user(nobody: Nobody) -> None:
    """Somebody who is not in the group docker: it says so, and how to be."""
    path = nobody.folder / "docker.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen()
        there = nobody.environment(DOCKER_HOST=f"unix://{path}", KIND_EXPERIMENTAL_PROVIDER="docker")
        program = "from gameday.cli import main; main(['preflight', '--cluster', 'kind'])"
        done = subprocess.run(
            [str(nobody.python), "-c", program], cwd="/", env=there, capture_output=True, text=True, timeout=60,
            check=False, **nobody.identity(),
        )  # fmt: skip
    line = next(one for one in done.stdout.splitlines() if one.startswith("missing  container engine"))
    assert "usermod -aG docker" in line
    assert done.returncode == 5, done.stderr


# --- what was asked


def kubeconfig(folder: Path, server: str, name: str) -> str:
    """One that names a cluster at that address."""
    text = {
        "apiVersion": "v1", "kind": "Config", "current-context": name,
        "clusters": [{"name": "c", "cluster": {"server": server}}], "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip
    (folder / "kubeconfig").write_text(yaml.safe_dump(text))
    return str(folder / "kubeconfig")


def test_requests_that_cannot_be(bare: dict[str, str], tmp_path: Path) -> None:
    """Options that contradict each other, clusters of no kind, broken files, others' clusters: one line, exit 2."""
    assert "choose one" in refused(bare, "--cluster", "kind", "--context", "x")
    assert "is not one of" in refused(bare, "--cluster", "minikube")
    assert "no cluster is up here" in refused(bare, "--namespace", "shop")
    broken = tmp_path / "broken"
    broken.write_text("{")
    assert str(broken) in refused(bare | {"KUBECONFIG": str(broken)}, "--context", "x")
    theirs = kubeconfig(tmp_path, "https://192.0.2.1", "production")
    assert "say --context production" in refused(bare | {"KUBECONFIG": theirs}, "--namespace", "shop")


def test_a_cluster_that_does_not_answer(bare: dict[str, str], tmp_path: Path) -> None:
    """Its port is closed: exit 5, beside all that can be told of this machine."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        there = kubeconfig(tmp_path, f"https://127.0.0.1:{taken.getsockname()[1]}", "away")
        code, lines, last = preflight(bare | {"KUBECONFIG": there}, "--context", "away", FIRST)
    assert (code, last) == (5, "gameday: 1 thing is missing")
    assert "does not answer" in lines["missing cluster"]
    assert "ok kubectl" in lines
