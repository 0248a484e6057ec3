"""What a kind cluster is made from, and by which port of this machine its shop is found."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from gameday.runner.catalogue import Catalogue, find_catalogue
from gameday.runner.errors import EnvironmentFailure
from gameday.runner.kind.clusters import Wanted, plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield int(other.getsockname()[1])


def test_as_many_nodes_as_are_wanted() -> None:
    """The first is the control plane, with the shop's port."""
    planned = plan(find_catalogue(), Wanted(nodes=4, any_port=True))
    assert [one["role"] for one in planned.config["nodes"]] == ["control-plane", *["worker"] * 3]
    assert planned.nodes == 4
    assert planned.config["nodes"][0]["extraPortMappings"][0]["hostPort"] == planned.port


def test_a_port_that_is_taken(taken: int) -> None:
    """Is told to whoever is to find the shop there; a run, which needs none, takes another."""
    with pytest.raises(EnvironmentFailure, match=f"port {taken} of 127.0.0.1, .* is taken; choose another"):
        plan(find_catalogue(), Wanted(shop_port=taken))
    other = plan(find_catalogue(), Wanted(shop_port=taken, any_port=True)).port
    assert other not in (0, taken)


def test_a_file_that_is_no_cluster(tmp_path: Path) -> None:
    """One line that names it."""
    folder = tmp_path / "k8s" / "kind"
    folder.mkdir(parents=True)
    (folder / "cluster.yaml").write_text("nodes: 3\n")
    catalogue = Catalogue(tmp_path / "experiments", tmp_path / "k8s")
    with pytest.raises(EnvironmentFailure, match=r"cluster.yaml is no cluster that we can make"):
        plan(catalogue, Wanted())
