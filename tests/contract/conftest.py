"""The suite's option, its cluster, and the record from which the documentation is made."""

from __future__ import annotations

import json
import os
import random
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gameday import cluster as embedded
from tests.contract import manifests
from tests.contract.clients.versions import clients
from tests.contract.clusters import PATIENCE_S, Cluster
from tests.contract.manifests import WAIT, container, pod

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.behaviours import Behaviour

_EMBEDDED = "embedded"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say which cluster, and where to write what was seen."""
    group = parser.getgroup("contract")
    group.addoption("--cluster", default=_EMBEDDED, help="'embedded', or the path of a kubeconfig")
    group.addoption("--image", default=None, help="the image of the tests' pods, which the cluster must have or pull")
    group.addoption("--record", default=None, help="a JSON file for what was seen of each behaviour")
    group.addoption("--sample", type=int, default=None, help="that many of the tests, drawn with --seed")
    group.addoption("--seed", type=int, default=0, help="of the sample; the same draws the same")


def _chosen(config: pytest.Config) -> str:
    return str(config.getoption("--cluster", default=_EMBEDDED))


def pytest_configure(config: pytest.Config) -> None:
    """Take the image before the tests are imported, which have its name in their manifests."""
    manifests.IMAGE = config.getoption("--image", default=None) or manifests.IMAGE


def pytest_report_header() -> list[str]:
    """Which clients are at hand."""
    return [f"{client}: {version}" for client, version in clients().items()]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this Kubernetes is too old for, and what is not in the sample when one is asked for."""
    here = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    chosen = _chosen(config)
    version = (99, 0) if chosen == _EMBEDDED or not here else Cluster.of(Path(chosen), embedded=False).version
    late = []
    for item in here:
        what = _behaviour(item)
        if what is None:
            raise pytest.UsageError(f"{item.nodeid} does not say which behaviour it shows")
        if what.since > version:
            late.append(item)
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(2 * PATIENCE_S))
    left = sorted((item for item in here if item not in late), key=lambda item: item.nodeid)
    size = config.getoption("--sample", default=None)
    sample = left if size is None else random.Random(config.getoption("--seed")).sample(left, min(size, len(left)))
    out = set(here) - set(sample)
    if out:
        config.hook.pytest_deselected(items=list(out))
        items[:] = [item for item in items if item not in out]


def _behaviour(item: pytest.Item) -> Behaviour | None:
    mark = item.get_closest_marker("behaviour")
    return mark.args[0] if mark else None


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster under test."""
    chosen = _chosen(request.config)
    if chosen != _EMBEDDED:
        found = Cluster.of(Path(chosen), embedded=False)
        # One of ours may be told by its kubeconfig too, as the recording does.
        yield replace(found, embedded="+gameday" in found.call("GET", "/version").json["gitVersion"])
        return
    running = embedded.start(f"contract-{os.getpid()}", owned=True)
    try:
        yield Cluster.of(running.kubeconfig, embedded=True)
    finally:
        running.stop()


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A fresh namespace; its end is not waited for, its pods get no grace."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    cluster.create("/api/v1/namespaces", {"metadata": {"name": name}})
    cluster.until_admits(name, pod("probe", container(WAIT)))
    yield name
    cluster.call("DELETE", f"/api/v1/namespaces/{name}")
    cluster.call("DELETE", f"/api/v1/namespaces/{name}/pods", query={"gracePeriodSeconds": "0"})


_SEEN: dict[str, str] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Keep what became of each behaviour; parametrised copies agree only if all do."""
    report = yield
    what = _behaviour(item)
    if what is not None and (report.failed or (report.when == "call" and report.passed)):
        report.user_properties.append(("behaviour", what.title))
        report.user_properties.append(("seen", "fails" if report.failed else _good(what, item.config)))
    return report


def _good(what: Behaviour, config: pytest.Config) -> str:
    """What a test that passed has shown."""
    if _chosen(config) != _EMBEDDED:
        return "agrees"
    return "differs" if what.differs else "refused" if what.refused else "agrees"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Gather, also from xdist's workers."""
    said = dict(report.user_properties)
    if "behaviour" in said:
        title, seen = str(said["behaviour"]), str(said["seen"])
        if seen == "fails" or title not in _SEEN:
            _SEEN[title] = seen


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the record, if one was asked for."""
    file = session.config.getoption("--record", default=None)
    if file and not hasattr(session.config, "workerinput"):
        chosen = _chosen(session.config)
        version = (
            "embedded" if chosen == _EMBEDDED else ".".join(map(str, Cluster.of(Path(chosen), embedded=False).version))
        )
        record = {"cluster": version, "clients": clients(), "seen": _SEEN}
        Path(file).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
