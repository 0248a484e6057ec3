"""Which way is taken, as far as that is told without a cluster; the rest is shown on real ones, in tests/e2e."""

from __future__ import annotations

import pytest
from kubernetes import client

from gameday import reach
from gameday.kube import Kube


@pytest.fixture
def nowhere() -> Kube:
    """A connection that no test here uses: asking the API would fail."""
    return Kube("nowhere", None, None, None)


def test_a_loopback_address_is_reached_directly(nowhere: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this machine's own cluster can be there, so nothing is asked."""
    monkeypatch.delenv("GAMEDAY_REACH", raising=False)
    assert reach.way(nowhere, "127.64.0.1") == "cluster"


def test_a_port_forward_that_is_asked_for_is_taken(nowhere: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the address is, without asking the API."""
    monkeypatch.setenv("GAMEDAY_REACH", "port-forward")
    assert reach.way(nowhere, "127.64.0.1") == reach.way(nowhere, "198.51.100.1") == "port-forward"


def test_service_addresses_that_prove_nothing_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when they are asked for: an API without a certificate cannot show that they lead into its cluster."""
    monkeypatch.setenv("GAMEDAY_REACH", "cluster")
    settings = client.Configuration()
    settings.host = "http://127.0.0.1:1"
    plain = Kube("plain", client.ApiClient(settings), None, None)
    assert reach.way(plain, "127.64.0.1") == "cluster"
    with pytest.raises(reach.ReachError, match="choose --reach port-forward"):
        reach.way(plain, "198.51.100.1")


def test_a_way_that_there_is_not_is_refused(nowhere: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, with those that there are."""
    monkeypatch.setenv("GAMEDAY_REACH", "teleport")
    with pytest.raises(reach.ReachError, match="'teleport', expected one of auto, cluster, nodeport, port-forward"):
        reach.way(nowhere)


def test_only_addresses_outside_need_a_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Service address or a port-forward leads to the namespace for certain; a URL or a NodePort may not."""
    monkeypatch.delenv("GAMEDAY_SHOP_URL", raising=False)
    for asked, certain in (("auto", True), ("cluster", True), ("port-forward", True), ("nodeport", False)):
        monkeypatch.setenv("GAMEDAY_REACH", asked)
        assert reach.is_certain() is certain
    monkeypatch.setenv("GAMEDAY_REACH", "auto")
    monkeypatch.setenv("GAMEDAY_SHOP_URL", "https://shop.example")
    assert not reach.is_certain()
