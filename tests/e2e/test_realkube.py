"""The storefront on a real Kubernetes: the manifests' judge."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gameday.ledger.calls import wait_until

if TYPE_CHECKING:
    from tests.e2e.realkube import RealKube

SHOPPER = Path(__file__).with_name("shopper.py")
pytestmark = [pytest.mark.realkube, pytest.mark.timeout(1200)]
PATIENCE_S = 200
"""A kubelet that failed once tries again with its next sync, up to 90 s later; kube-proxy does after 30 s."""
PATIENTLY = f"--timeout={PATIENCE_S}s"


def shopper(cluster: RealKube, *urls: str) -> dict[str, Any]:
    """What a shopper inside the cluster's network saw."""
    seen: dict[str, Any] = json.loads(cluster.run(sys.executable, str(SHOPPER), *urls))
    return seen


def test_an_order_and_a_gift_are_bought_and_told(real_cluster: RealKube, real_shop: str) -> None:
    """An order and a gift go through edge, once, and each gives exactly the mail that it should."""
    seen = shopper(real_cluster, real_cluster.url(real_shop, "edge"), real_cluster.url(real_shop, "postbox"))
    assert seen["order"]["status"] == "confirmed"
    assert seen["again"]["order"] == seen["order"]["order"]
    confirmation, alert = seen["mails"]
    assert confirmation["to"] == [seen["buyer"]]
    assert alert["to"] == ["customer-0001@shop.example"]
    assert f"/registry/r0001/items/{seen['gift']['gift']}" in alert["text"]
    assert [mail["headers"]["X-Shop-Template"] for mail in seen["mails"]] == [["order-confirmation"], ["gift-alert"]]
    assert all(
        "DKIM-Signature" in {name.title().replace("Dkim", "DKIM") for name in m["headers"]} for m in seen["mails"]
    )


def test_visitors_of_a_dead_shop_are_told_kindly(real_cluster: RealKube, real_shop: str) -> None:
    """With no pod of web left, edge itself answers with the friendly page, and the shop comes back by itself."""
    edge = real_cluster.url(real_shop, "edge")
    assert shopper(real_cluster, edge)["status"] == 200
    real_cluster.kubectl("scale", "deployment/web", "--replicas=0", "-n", real_shop)
    real_cluster.kubectl("wait", "--for=delete", "pod", "-l", "app=web", "-n", real_shop, PATIENTLY)
    page = shopper(real_cluster, edge)
    assert page["status"] == 503
    assert page["headers"]["content-language"] == "fr"
    assert page["headers"]["retry-after"]
    assert 'data-page="error"' in page["text"]
    assert "notre faute" in page["text"]
    real_cluster.kubectl("scale", "deployment/web", "--replicas=2", "-n", real_shop)
    real_cluster.kubectl("rollout", "status", "deployment/web", "-n", real_shop, PATIENTLY)
    # That says nothing of who is asked: Endpoints come a little later, and each node's rules after these.
    addresses = ("get", "endpoints", "web", "-n", real_shop, "-o", "jsonpath={.subsets[*].addresses[*].ip}")
    assert wait_until(lambda: len(real_cluster.kubectl(*addresses).split()) == 2, PATIENCE_S)
    assert wait_until(lambda: shopper(real_cluster, edge)["status"] == 200, PATIENCE_S)
