"""`gameday up` and `down --cluster kind` on the real kind at hand, before there is a cluster: whatever can be wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gameday.ledger.calls import wait_until
from tests.e2e.kindsite import DOWN, UP, Site, line, programs, site
from tests.e2e.runs import GAMEDAY, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.nobody import Nobody

pytestmark = [pytest.mark.realkind, pytest.mark.timeout(1500)]
GUARD_S = 600
"""For what comes at last: a node is made from an image of a gigabyte, by a machine that may be busy."""


@pytest.fixture(scope="module")
def where() -> Iterator[Site]:
    """The engine, with the images of a cluster."""
    with site() as found:
        yield found


@pytest.fixture
def nothing(where: Site) -> Iterator[Site]:
    """No cluster before, and none after."""
    where.gameday(*DOWN)
    yield where
    assert where.nodes() == []


def test_no_engine(nothing: Site, tmp_path: Path) -> None:
    """Neither docker nor podman: what to install, and that the embedded cluster needs none."""
    path = programs(nothing, tmp_path / "bin", docker="")
    done = nothing.run("env", f"PATH={path}", GAMEDAY, *UP)
    line(done, 5, "no container engine here", "sudo apt-get install docker.io", "without --cluster needs none")


def test_the_daemon_is_down(nothing: Site, tmp_path: Path) -> None:
    """Nobody listens at its socket."""
    done = nothing.run("env", f"DOCKER_HOST=unix://{tmp_path}/docker.sock", GAMEDAY, *UP)
    line(done, 5, "docker's daemon does not answer", "sudo systemctl start docker")


def test_no_permission_on_the_socket(nothing: Site, nobody: Nobody) -> None:
    """The daemon is up, and its socket is not this user's."""
    become = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    command = [str(nobody.python), "-c", "from gameday.cli import main; main()", *UP]
    own = {"GAMEDAY_STATE": str(nobody.folder / "state"), "HOME": str(nobody.folder), "GAMEDAY_IMAGES": ""}
    done = nothing.but(**own).run(*become, *command)
    line(done, 5, "may not use docker's socket", "sudo usermod -aG docker", "rootless podman")


def test_no_kind(nothing: Site, tmp_path: Path) -> None:
    """How to install it."""
    done = nothing.run("env", f"PATH={programs(nothing, tmp_path / 'bin', kind='')}", GAMEDAY, *UP)
    line(done, 5, "no kind here", "brew install kind", "go install sigs.k8s.io/kind@latest")


def test_kind_is_too_old(nothing: Site, tmp_path: Path) -> None:
    """One of 2021, by what it says of itself."""
    old = "#!/bin/sh\necho 'kind v0.11.1 go1.16.4 linux/amd64'\n"
    done = nothing.run("env", f"PATH={programs(nothing, tmp_path / 'bin', kind=old)}", GAMEDAY, *UP)
    line(done, 5, "kind v0.11.1", "is too old", "0.20.0 or later", "brew install kind")


def test_the_shops_port_is_taken(nothing: Site) -> None:
    """It is found out before anything is made."""
    listen = "import socket,time; s=socket.create_server(('127.0.0.1',8080)); print('up',flush=True); time.sleep(60)"
    with subprocess.Popen(
        nothing.argv(sys.executable, "-c", listen), env=nothing.environment, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        done = nothing.gameday(*UP)
        other.kill()
    line(done, 5, "port 8080 of 127.0.0.1", "is taken", "--shop-port", "ss -ltnp")


def test_an_unknown_node_image(nothing: Site) -> None:
    """Not here, and its registry has none of that name; or it is no name at all."""
    registry = nothing.argv(sys.executable, "-m", "tests.e2e.empty_registry")
    with subprocess.Popen(registry, cwd=ROOT, env=nothing.environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        for image in (f"127.0.0.1:{port}/kindest/node:v0.0.1", "Not An Image"):
            done = nothing.gameday(*UP, "--image", image)
            line(done, 2, f"node image {image}", "not on this machine", "cannot be pulled")
        server.kill()


def test_no_network_for_a_node_image(nothing: Site) -> None:
    """Whether there is one of that name nobody can tell: it is no bad input."""
    done = nothing.gameday(*UP, "--kubernetes-version", "v0.0.1")
    line(done, 5, "an image cannot be pulled", "--image", "kindest/node")


def test_no_network_for_kinds_own_node_image(nothing: Site) -> None:
    """Kind's default image, which would have to be pulled."""
    done = nothing.but(GAMEDAY_NODE_IMAGE="").gameday(*UP)
    line(done, 5, "an image cannot be pulled", "--image")


def test_no_network_for_the_images_base(nothing: Site) -> None:
    """The storefront's image from nothing: its base is to be pulled."""
    done = nothing.but(GAMEDAY_IMAGES="").gameday(*UP)
    line(done, 5, "an image cannot be pulled", "GAMEDAY_IMAGES")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_up_takes_down_what_it_made(nothing: Site, number: int, code: int) -> None:
    """As soon as there is a node."""
    with nothing.start(*UP, stderr=subprocess.PIPE) as up:
        await_node(nothing, up)
        os.kill(up.pid, number)
        _, said = up.communicate(timeout=GUARD_S)
    assert up.returncode == code, said
    assert "nothing of the kind cluster is left" in said
    assert nothing.nodes() == []


def test_an_interrupted_up_that_nobody_listens_to(nothing: Site) -> None:
    """`2>&1 | tee` goes by the same Ctrl-C: what was made is taken down all the same."""
    with nothing.start(*UP, stderr=subprocess.PIPE) as up:
        await_node(nothing, up)
        assert up.stderr is not None
        up.stderr.close()
        os.kill(up.pid, signal.SIGINT)
        assert up.wait(GUARD_S) == 130
    assert nothing.nodes() == []


def await_node(where: Site, up: subprocess.Popen[str]) -> None:
    """Wait until there is a node, while `up` lives."""
    assert wait_until(lambda: bool(where.nodes()) or up.poll() is not None, GUARD_S)
    assert up.poll() is None, f"up ended with {up.returncode} before it was interrupted"


def test_down_twice(nothing: Site) -> None:
    """Nothing is up, which is fine."""
    for _ in range(2):
        done = nothing.gameday(*DOWN)
        assert (done.returncode, done.stdout) == (0, "gameday: nothing is up\n"), done.stderr


def test_somebody_elses_kubeconfig(nothing: Site, tmp_path: Path) -> None:
    """A current context that is neither embedded nor kind is not attacked; a broken file is told in one line."""
    theirs, broken = tmp_path / "theirs", tmp_path / "broken"
    theirs.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: work\n"
        "contexts: [{name: work, context: {cluster: work, user: work}}]\n"
        'clusters: [{name: work, cluster: {server: "https://127.0.0.1:1"}}]\nusers: [{name: work, user: {token: x}}]\n'
    )
    broken.write_text("{")
    line(nothing.but(KUBECONFIG=str(theirs)).gameday("run", "--namespace", "shop"), 2, "--context work")
    line(nothing.but(KUBECONFIG=str(broken)).gameday("run", "--namespace", "shop"), 2, str(broken))
    line(nothing.gameday("status", "--cluster", "kind"), 2, "gameday up --cluster kind")
