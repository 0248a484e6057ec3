"""The storefront on the embedded cluster: the same shopper as on a real one, through the same manifests."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.e2e import shopper
from tests.e2e.storefronts import Shop, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """An open shop; its cluster ends with the test."""
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path))
    with opened() as made:
        yield made


def test_the_shop_sells_and_fails_kindly(shop: Shop) -> None:
    """An order and a gift give their mails; with every backend dead the page is friendly; then all comes back."""
    edge = shop.url("edge")
    seen = shopper.shop(edge, shop.url("postbox"))
    assert shopper.call(f"{shop.url('web')}/metrics")[0] == 200
    assert shopper.call(f"{edge}/metrics")[0] == 404  # for Prometheus alone
    assert seen["again"]["order"] == seen["order"]["order"]
    assert [mail["to"] for mail in seen["mails"]] == [[seen["buyer"]], ["customer-0001@shop.example"]]
    shop.kubectl("scale", "deployment", "-l", "tier=backend", "--replicas=0")
    shop.kubectl("wait", "--for=delete", "pod", "-l", "tier=backend", "--timeout=30s")
    page = shopper.look(edge)
    assert page["status"] == 503
    assert 'data-page="error"' in page["text"]
    shop.kubectl("scale", "deployment", "-l", "tier=backend", "--replicas=1")
    shop.kubectl("wait", "--for=condition=Available", "deployment", "--all", "--timeout=60s")
    assert shopper.look(edge)["status"] == 200


def test_updates_are_not_noticed_by_visitors(shop: Shop) -> None:
    """While edge and web are replaced, pod by pod, every visitor gets the page."""
    edge = urlsplit(shop.url("edge"))
    shop.kubectl("rollout", "restart", "deployment/edge", "deployment/web")
    answers = []
    for _ in range(100):
        connection = http.client.HTTPConnection(edge.hostname or "", edge.port, timeout=10)
        connection.request("GET", "/")
        answers.append(connection.getresponse().status)
        connection.close()
    shop.kubectl("rollout", "status", "deployment/edge", "--timeout=30s")
    shop.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert set(answers) == {200}
