"""The storefront on the embedded cluster: the same shopper as on a real one, through the same manifests."""

from __future__ import annotations

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.e2e import shopper
from tests.e2e.embedded import await_true
from tests.e2e.storefronts import K8S, Shop, opened

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
    """While edge and web are replaced, pod by pod, every visitor gets the page, who keeps a connection as well."""
    edge = urlsplit(shop.url("edge"))
    shop.kubectl("rollout", "restart", "deployment/edge", "deployment/web")
    over = Event()
    with ThreadPoolExecutor(3) as visitors:
        seen = [visitors.submit(visit, edge.netloc, over, keep=keep) for keep in (False, True)]
        try:
            for name in ("edge", "web"):
                shop.kubectl("rollout", "status", f"deployment/{name}", "--timeout=30s")
        finally:
            over.set()
        answers = [one.result() for one in seen]
    assert [set(one) for one in answers] == [{200}, {200}]
    assert min(map(len, answers)) >= 20


def visit(netloc: str, over: Event, *, keep: bool) -> list[int]:
    """Look into an empty cart again and again until it is over, on one connection or on a new one each time."""
    statuses = []
    connection = http.client.HTTPConnection(netloc, timeout=10)
    while not over.is_set():
        connection.request("GET", "/cart")
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
        if not keep:
            connection.close()
    connection.close()
    return statuses


def test_a_new_error_page_is_served_and_a_broken_one_is_not(shop: Shop) -> None:
    """ConfigMap edge-pages is followed by the pods that run: new words appear, a broken template changes nothing."""
    edge = shop.url("edge")
    shop.kubectl("scale", "deployment", "web", "--replicas=0")
    strings = (K8S / "base" / "files" / "edge" / "strings.yaml").read_text()
    new = strings.replace("Cette page", "Une autre page")
    patch(shop, {"strings.yaml": new})
    await_true(lambda: "Une autre page nous a échappé" in shopper.look(edge)["text"], 20)
    patch(shop, {"strings.yaml": strings, "error.html.j2": "{{ nobody }}"})
    await_true(lambda: "last good pages are kept" in shop.kubectl("logs", "deployment/edge", "-c", "follow"), 20)
    assert "Une autre page nous a échappé" in shopper.look(edge)["text"]


def patch(shop: Shop, files: dict[str, str]) -> None:
    """Change keys of the ConfigMap edge-pages."""
    shop.kubectl("patch", "configmap", "edge-pages", "--type=merge", "--patch", json.dumps({"data": files}))
