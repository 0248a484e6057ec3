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

from tests.e2e import realkube_images
from tests.e2e.realcluster import PROJECT, RealCluster, Tool, main

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PROJECT", "STATE", "TOOL", "RealKube", "loaded", "why_not"]

TOOL = Tool("realkube", "real Kubernetes")
STATE = Path(os.environ.get("REALKUBE_STATE") or "/var/tmp/realkube")
"""Where the tool keeps it; its own variable, and its own default."""

RealKube = RealCluster
"""It has nothing of its own."""
why_not = TOOL.why_not


@contextlib.contextmanager
def loaded() -> Iterator[RealKube]:
    """The cluster that is up already or a new one, with today's images; taken down at the end if it is a new one."""
    ours = not TOOL.succeeds("exec", "kubectl", "get", "--raw", "/readyz")
    if ours:
        TOOL("up", timeout_s=180)
    try:
        TOOL("load", str(realkube_images.build(TOOL.folder)), timeout_s=300)
        yield RealCluster(TOOL, "realkube", os.environ)
    finally:
        if ours:
            TOOL("down", timeout_s=120)


if __name__ == "__main__":
    sys.exit(main(why_not, loaded))
