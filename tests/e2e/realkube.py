"""The real Kubernetes at hand, as tests use it: up, with the shop's images loaded, reached from inside.

python -m tests.e2e.realkube COMMAND...     runs a command beside it: up, loaded, and down again if it was not up;
                                            $KUBECONFIG names it to the command
python -m tests.e2e.realkube                starts nothing: exit 0 where there is one, else 2, and says why not
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gameday.ledger.calls import wait_until
from tests.e2e import realkube_images
from tests.e2e.realcluster import PROJECT, RealCluster, Tool, main

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PROJECT", "STATE", "TOOL", "RealKube", "loaded", "why_not"]

TOOL = Tool("realkube", "real Kubernetes")
STATE = Path(os.environ.get("REALKUBE_STATE") or "/var/tmp/realkube")
"""Where the tool keeps it; its own variable, and its own default."""

READY_S = 300
"""How long one that is up may take to say that it is ready."""

RealKube = RealCluster
"""It has nothing of its own."""
why_not = TOOL.why_not


@contextlib.contextmanager
def loaded() -> Iterator[RealKube]:
    """The cluster that is up already or a new one, with today's images; taken down at the end if it is a new one."""
    ours = not _is_up()
    if ours:
        TOOL("up", timeout_s=READY_S)
    else:
        assert wait_until(_is_ready, READY_S), f"it is up, and not ready within {READY_S} s"
    try:
        TOOL("load", str(realkube_images.build(TOOL.folder)), timeout_s=300)
        yield RealCluster(TOOL, "realkube", os.environ)
    finally:
        if ours:
            TOOL("down", timeout_s=120)


def _is_up() -> bool:
    """Whether its API server runs, by the id that the tool wrote down: one that is busy may not say that it is ready.

    Where it wrote down none, or one of somebody else's process, it is not up.
    """
    try:
        pid = int((STATE / "run" / "apiserver.pid").read_text())
        return b"kube-apiserver" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return False


def _is_ready() -> bool:
    return TOOL.succeeds("exec", "kubectl", "get", "--raw", "/readyz", "--request-timeout=30s")


if __name__ == "__main__":
    sys.exit(main(why_not, loaded))
