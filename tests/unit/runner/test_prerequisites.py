"""What this machine must have for a storefront."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from gameday.runner.errors import EnvironmentFailure
from gameday.runner.prerequisites import check_machine

if TYPE_CHECKING:
    from pathlib import Path


def deployment(port: int, image: str = "gameday/storefront:dev") -> dict[str, Any]:
    """A Deployment of one container that listens on a port."""
    container = {"image": image, "command": ["python"], "ports": [{"containerPort": port}]}
    return {"kind": "Deployment", "spec": {"template": {"spec": {"containers": [container]}}}}


def test_a_port_that_a_stranger_holds_on_every_address_is_named() -> None:
    """Pods could not listen there: one line with the port and how to find the stranger."""
    with socket.create_server(("0.0.0.0", 0)) as stranger:
        port = stranger.getsockname()[1]
        with pytest.raises(EnvironmentFailure, match=rf"port {port} is taken .*sport = :{port}"):
            check_machine([deployment(port)])
    check_machine([deployment(port)])


def test_a_port_that_is_taken_on_one_address_is_in_nobodys_way() -> None:
    """Pods have addresses of their own."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        check_machine([deployment(stranger.getsockname()[1])])


def test_an_image_that_the_cluster_does_not_know_is_named() -> None:
    """Before anything waits for a pod that can never start."""
    with pytest.raises(EnvironmentFailure, match=r"nginx.*is not known to the embedded cluster"):
        check_machine([{"kind": "ConfigMap", "data": {}}, deployment(80, "nginx:1")])


def test_too_little_room_for_the_storefronts_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that cannot be written would be waited for in vain."""
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path / "state"))
    with pytest.raises(EnvironmentFailure, match=r"MiB free and needs .*: 1000000\); .* set GAMEDAY_STATE"):
        check_machine([deployment(1)], storefronts=1_000_000)
