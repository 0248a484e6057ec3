"""What several of these tests need."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gameday.kube import connect
from gameday.ledger.calls import wait_until
from tests.e2e import realkind, realkube
from tests.e2e.calm import calm_clock
from tests.e2e.nobody import Nobody, somebody_else
from tests.e2e.processes import hear_sigint
from tests.e2e.rows import Shops

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gameday.kube import Kube
    from tests.e2e.calm import Clock
    from tests.e2e.realkind import RealKind
    from tests.e2e.realkube import RealKube


def pytest_configure() -> None:
    """What we start hears an interrupt, whoever started us."""
    hear_sigint()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What may take longest by its own word goes first, so that no file runs alone when the others are through."""
    may_take: dict[Path, float] = {}
    for item in items:
        mark = item.get_closest_marker("timeout")
        may_take[item.path] = max(may_take.get(item.path, 0), mark.args[0] if mark else 0)
    items.sort(key=lambda item: -may_take[item.path])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a real cluster where there is none, and say why."""
    for name, why_not in (("realkube", realkube.why_not), ("realkind", realkind.why_not)):
        if item.get_closest_marker(name) and (missing := why_not()):
            pytest.skip(missing)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own."""
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def gameday(word: str, environment: dict[str, str]) -> None:
    """Run a command that must succeed."""
    program = str(Path(sys.executable).with_name("gameday"))
    argv, where = [program, word], Path(__file__).parents[2]
    done = subprocess.run(argv, cwd=where, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with state of its own, so that no other cluster of this user is touched."""
    return {**os.environ, "GAMEDAY_STATE": str(tmp_path_factory.mktemp("state"))}


@pytest.fixture(scope="module")
def lasting(environment: dict[str, str]) -> Iterator[Kube]:
    """A cluster that stays, with the storefront and its guardian in the namespace `shop`."""
    gameday("up", environment)
    yield connect(kubeconfig=Path(environment["GAMEDAY_STATE"]) / "local" / "kubeconfig", context="gameday-local")
    gameday("down", environment)


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Tells the seconds in which this machine ran, for what is promised in seconds."""
    with calm_clock() as running:
        yield running


@pytest.fixture
def nobody() -> Iterator[Nobody]:
    """A user without rights, with an interpreter within reach."""
    with somebody_else() as user:
        yield user


@pytest.fixture(scope="session")
def real_cluster() -> Iterator[RealKube]:
    """The real Kubernetes, with today's images; taken down only if it was not up before."""
    with realkube.loaded() as running:
        yield running


@pytest.fixture(scope="module")
def real_shop(real_cluster: RealKube) -> Iterator[str]:
    """A fresh namespace there with the whole storefront, ready, and open to experiments."""
    name = f"shop-{uuid.uuid4().hex[:8]}"
    with real_cluster.shop(name):
        yield name


@pytest.fixture(scope="session")
def kind_cluster() -> Iterator[RealKind]:
    """A real kind cluster with two workers and today's images, deleted at the end."""
    with realkind.loaded() as running:
        yield running


@pytest.fixture(scope="module")
def shops(lasting: Kube, environment: dict[str, str]) -> Shops:
    """Two shops there, one for each way to run an experiment."""
    return Shops(lasting, environment)


@pytest.fixture
def untouched(shops: Shops) -> Iterator[None]:
    """Whatever the verdict, nothing stays behind, and both shops serve."""
    yield
    left = {namespace: found for namespace in shops.before if (found := shops.left(namespace))}
    for namespace in left:
        shops.restore(namespace)  # so that one test's residue is not the next one's
    assert left == {}
    for namespace in shops.before:
        assert wait_until(partial(shops.serves, namespace), 30)
