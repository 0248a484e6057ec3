"""The storefront on a real Kubernetes: the manifests' judge."""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e import realkube, realkube_images

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.realkube import RealKube

SHOPPER = Path(__file__).with_name("shopper.py")
NO_CLUSTER = realkube.why_not()
pytestmark = [
    pytest.mark.realkube,
    pytest.mark.timeout(600),
    pytest.mark.skipif(NO_CLUSTER is not None, reason=NO_CLUSTER or ""),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RealKube]:
    """The cluster, with today's images; taken down only if it was not up before."""
    running = realkube.start()
    try:
        running.load(realkube_images.build(realkube.TOOLS))
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def namespace(cluster: RealKube) -> Iterator[str]:
    """A fresh namespace with the whole storefront, ready; its end is not waited for."""
    name = f"shop-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    try:
        cluster.kubectl("apply", "-n", name, "-k", str(realkube.PROJECT / "k8s" / "overlays" / "plain"))
        try:
            cluster.wait_ready(name)
        except AssertionError as error:
            pytest.fail(f"{error}\n{cluster.kubectl('get', 'pods', '-n', name, '-o', 'wide')}")
        yield name
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")


def shopper(cluster: RealKube, *urls: str) -> dict[str, Any]:
    """What a shopper inside the cluster's network saw."""
    seen: dict[str, Any] = json.loads(cluster.run(sys.executable, str(SHOPPER), *urls))
    return seen


def test_an_order_and_a_gift_are_bought_and_told(cluster: RealKube, namespace: str) -> None:
    """An order and a gift go through edge, once, and each gives exactly the mail that it should."""
    seen = shopper(cluster, cluster.url(namespace, "edge"), cluster.url(namespace, "postbox"))
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


def test_visitors_of_a_dead_shop_are_told_kindly(cluster: RealKube, namespace: str) -> None:
    """With no pod of web left, edge itself answers with the friendly page, and the shop comes back by itself."""
    edge = cluster.url(namespace, "edge")
    assert shopper(cluster, edge)["status"] == 200
    cluster.kubectl("scale", "deployment/web", "--replicas=0", "-n", namespace)
    cluster.kubectl("wait", "--for=delete", "pod", "-l", "app=web", "-n", namespace, "--timeout=60s")
    page = shopper(cluster, edge)
    assert page["status"] == 503
    assert page["headers"]["content-language"] == "fr"
    assert page["headers"]["retry-after"]
    assert 'data-page="error"' in page["text"]
    assert "notre faute" in page["text"]
    cluster.kubectl("scale", "deployment/web", "--replicas=2", "-n", namespace)
    cluster.kubectl("rollout", "status", "deployment/web", "-n", namespace, "--timeout=60s")
    assert shopper(cluster, edge)["status"] == 200
