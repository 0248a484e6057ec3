"""The clients, ready to be told what to do to the cluster under test."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.contract.clients import kubectls
from tests.contract.clients.activities import Toolkit
from tests.contract.clients.environments import VERSIONS, ClientUnavailableError, environment
from tests.contract.clients.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.clients.kubectls import Kubectl
    from tests.contract.clusters import Cluster


def _worker(cluster: Cluster, python: Path, program: str, scratch: Path) -> Worker:
    return Worker(python, program, {**cluster.environment(), "TMPDIR": str(scratch)})


@pytest.fixture(scope="session", params=VERSIONS, ids=lambda version: f"client-{version}")
def walk(
    request: pytest.FixtureRequest, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    """`walk.py` in an environment with each version of the `kubernetes` client."""
    try:
        python = environment(request.param)
    except ClientUnavailableError as problem:
        pytest.fail(str(problem), pytrace=False)
    worker = _worker(cluster, python, "walk.py", tmp_path_factory.mktemp("walk"))
    try:
        assert worker.call("version") == request.param
        yield worker
    finally:
        worker.close()


@pytest.fixture(scope="session")
def chaos(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """`toolkit.py`: Chaos Toolkit with chaostoolkit-kubernetes, as this project installs them."""
    worker = _worker(cluster, Path(sys.executable), "toolkit.py", tmp_path_factory.mktemp("chaos"))
    try:
        yield worker
    finally:
        worker.close()


@pytest.fixture
def toolkit(request: pytest.FixtureRequest, chaos: Worker, namespace: str) -> Iterator[Toolkit]:
    """Chaos Toolkit, in the test's namespace; the test must call the activities that it says it shows, and no other."""
    made = Toolkit(chaos, namespace)
    yield made
    assert made.called == request.function.activities


@pytest.fixture(params=kubectls.programs(), ids=lambda program: f"kubectl-{program.origin}")
def kubectl(request: pytest.FixtureRequest, cluster: Cluster, namespace: str) -> Kubectl:
    """Each kubectl at hand, in the test's namespace."""
    made: Kubectl = request.param.at(cluster, namespace)
    return made
