"""`gameday up --cluster kind` where a cluster is up already, on the real kind at hand: whatever goes wrong with it."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gameday.ledger.calls import wait_until
from tests.e2e.kindsite import DOWN, NAME, UP, Site, line, site
from tests.e2e.runs import GAMEDAY

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.realkind, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def whole() -> Iterator[Site]:
    """A cluster that is up."""
    with site() as where:
        done = where.gameday(*UP)
        assert done.returncode == 0, done.stderr
        yield where
        where.gameday(*DOWN)
        assert where.left() == []


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[str]:
    """A file system of 1 MiB."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True)
    try:
        yield str(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_is_full(whole: Site, tmp_path: Path) -> None:
    """Where temporary files go there is no room for the images that the nodes are to be given."""
    lose_an_image(whole)
    with small_disk(tmp_path / "small") as folder:
        done = whole.but(TMPDIR=folder).gameday(*UP)
    line(done, 5, "the disk is full", "$TMPDIR")


def lose_an_image(cluster: Site) -> None:
    """Have the workers be without one of the shop's images."""
    named = "docker.io/local/gameday-test-envoy"
    for node in (f"{NAME}-worker", f"{NAME}-worker2"):
        listed = cluster.docker("exec", node, "ctr", "-n", "k8s.io", "images", "ls", "-q").split()
        for image in listed:
            if image.startswith(named):
                cluster.docker("exec", node, "ctr", "-n", "k8s.io", "images", "rm", image)


def test_an_image_that_cannot_be_loaded(whole: Site) -> None:
    """A node has lost the program that takes images in; without its containerd it would not even be ready."""
    lose_an_image(whole)
    place = whole.docker("exec", f"{NAME}-worker", "sh", "-c", "command -v ctr").strip()
    whole.docker("exec", f"{NAME}-worker", "mv", place, f"{place}.away")
    try:
        done = whole.gameday(*UP)
    finally:
        whole.docker("exec", f"{NAME}-worker", "mv", f"{place}.away", place)
    line(done, 5, "loading images into the nodes failed")
    again = whole.gameday(*UP)
    assert again.returncode == 0, again.stderr


def test_a_node_that_is_never_ready(whole: Site) -> None:
    """Its kubelet has stopped, which the cluster notices after 40 s."""
    node = f"{NAME}-worker"
    whole.docker("exec", node, "systemctl", "stop", "kubelet")
    try:
        assert wait_until(lambda: ready_status(whole, node) != "True", 90)
        done = whole.gameday(*UP, "--timeout", "5")
    finally:
        whole.docker("exec", node, "systemctl", "start", "kubelet")
    line(done, 5, "not ready after 5 s", node, "kind export logs")
    assert wait_until(lambda: ready_status(whole, node) == "True", 60)


def ready_status(cluster: Site, node: str) -> str:
    """What the node's condition Ready is."""
    conditions = cluster.kubectl("get", "node", node)["status"]["conditions"]
    return next(str(one["status"]) for one in conditions if one["type"] == "Ready")


def test_another_size_is_refused_while_it_is_up(whole: Site) -> None:
    """What is up stays what it is."""
    before = whole.nodes()
    line(whole.gameday(*UP, "--nodes", "1"), 2, "up already with --nodes 3, not 1", "gameday down --cluster kind")
    line(whole.gameday(*UP, "--data", "large"), 2, "up already with --data small, not large")
    assert whole.nodes() == before


def test_faults_in_force_are_not_overwritten(whole: Site) -> None:
    """`up` once more would undo half of them."""
    kubectl = str(Path(GAMEDAY).with_name("kubectl"))
    config = ("--kubeconfig", str(whole.state / "kubeconfig"), "-n", "shop")
    entry = '{"data":{"old":"{}"}}'
    whole.run(kubectl, *config, "patch", "configmap", "gameday-ledger", "--type=merge", "-p", entry)
    whole.run(kubectl, *config, "create", "configmap", "gameday-ledger", "--from-literal=old={}")
    try:
        line(whole.gameday(*UP), 2, "1 faults are on record", "gameday revert")
    finally:
        whole.run(kubectl, *config, "delete", "configmap", "gameday-ledger")


def test_status_and_logs(whole: Site) -> None:
    """As for the embedded cluster."""
    status = whole.gameday("status", "--cluster", "kind")
    assert "namespace shop: all serving; no faults in its ledger" in status.stdout, status.stderr
    assert whole.gameday("logs", "web", "--cluster", "kind").stdout
    line(whole.gameday("logs", "wbe", "--cluster", "kind"), 2, "no pod of app wbe", "web")
