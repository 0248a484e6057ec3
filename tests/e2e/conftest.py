"""What several of these tests need."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.e2e import realkube
from tests.e2e.nobody import Nobody, somebody_else

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.realkube import RealKube


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own."""
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


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
    """A fresh namespace there with the whole storefront, ready, and open to experiments; its end is not waited for."""
    name = f"shop-{uuid.uuid4().hex[:8]}"
    real_cluster.kubectl("create", "namespace", name)
    try:
        real_cluster.kubectl("label", "namespace", name, "gameday.dev/allowed=true")
        real_cluster.kubectl("apply", "-n", name, "-k", str(realkube.PROJECT / "k8s" / "overlays" / "plain"))
        try:
            real_cluster.wait_ready(name)
        except AssertionError as error:
            pytest.fail(f"{error}\n{real_cluster.kubectl('get', 'pods', '-n', name, '-o', 'wide')}")
        yield name
    finally:
        real_cluster.kubectl("delete", "namespace", name, "--wait=false")
