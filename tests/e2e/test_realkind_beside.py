"""`gameday up` and `down --cluster kind` beside others, on the real kind at hand: by hand, meanwhile, a second copy."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gameday.ledger.calls import wait_until
from tests.e2e.kindsite import DOWN, NAME, UP, Site, line, programs, site
from tests.e2e.realkind import IMAGE
from tests.e2e.runs import GAMEDAY

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.realkind, pytest.mark.timeout(600)]


@pytest.fixture
def nothing() -> Iterator[Site]:
    """The engine, with the images of a cluster, and none before or after."""
    with site() as where:
        yield where
        where.gameday(*DOWN)
        assert where.nodes() == []


def test_a_cluster_of_that_name_made_by_hand(nothing: Site) -> None:
    """Is left alone, by `up` and by `down`."""
    nothing.gameday(*DOWN)
    config = str(nothing.folder / "by-hand")
    made = nothing.run(
        *("kind", "create", "cluster", "--name", NAME, "--image", IMAGE, "--kubeconfig", config), timeout_s=300
    )
    assert made.returncode == 0, made.stderr
    try:
        before = nothing.docker("ps", "--quiet", "--no-trunc")
        for words in (UP, DOWN):
            line(nothing.gameday(*words), 2, "did not make", "left alone", "kind delete cluster --name gameday")
        assert nothing.docker("ps", "--quiet", "--no-trunc") == before
        line(nothing.gameday("run", "--cluster", "kind", "--only", "slow-*"), 2, "did not make")
    finally:
        nothing.run("kind", "delete", "cluster", "--name", NAME, "--kubeconfig", config)


def test_a_second_copy_waits_for_nobody(nothing: Site) -> None:
    """While one makes the cluster another is refused; a kind that outlives its gameday counts."""
    with nothing.start(*UP, stderr=subprocess.PIPE) as up:
        assert wait_until(lambda: bool(nothing.nodes()), 60)
        line(nothing.gameday(*DOWN), 2, "another gameday makes or ends the kind cluster")
        up.kill()
        up.communicate()
    line(nothing.gameday(*UP), 2, "a kind that it began still does")
    began = time.monotonic()
    assert wait_until(lambda: nothing.gameday(*DOWN).returncode == 0, 180), time.monotonic() - began
    assert nothing.nodes() == []


def test_a_cluster_that_somebody_makes_meanwhile_is_left_alone(nothing: Site) -> None:
    """While our image is built, or our node's is looked for, somebody takes the name: we fail, and theirs stays."""
    config = str(nothing.folder / "meanwhile")
    made = ["kind", "create", "cluster", "--name", NAME, "--image", IMAGE, "--kubeconfig", config]
    wrapper = nothing.folder / "meanwhile-bin"
    real = programs(nothing, wrapper, kind="").split(":")[0]
    kind = nothing.program("kind")
    # Theirs comes between our look and our own `kind create`: made by hand at the very moment that ours is called.
    (Path(real) / "kind").write_text(
        f'#!/bin/sh\n[ "$1" != create ] || {kind} {" ".join(made[1:])} >/dev/null 2>&1\nexec {kind} "$@"\n'
    )
    (Path(real) / "kind").chmod(0o755)
    try:
        done = nothing.run("env", f"PATH={real}:/usr/sbin:/usr/bin:/sbin:/bin", GAMEDAY, *UP, timeout_s=400)
        line(done, 5, "already exist for a cluster with the name")
        assert nothing.nodes() == [f"{NAME}-control-plane"]
    finally:
        nothing.run("kind", "delete", "cluster", "--name", NAME, "--kubeconfig", config)
