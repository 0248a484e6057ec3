"""The real kind at hand, as tests use it: a cluster of one control plane and two workers, with the shop's images.

python -m tests.e2e.realkind COMMAND...     runs a command beside a cluster that is made for it and deleted afterwards;
                                            $KUBECONFIG names it to the command
python -m tests.e2e.realkind                starts nothing: exit 0 where there is one, else 2, and says why not

Service and pod addresses lead into the cluster from beside it, by its nodes: kind itself makes no such routes.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e import realkube, realkube_images
from tests.e2e.realcluster import RealCluster, Tool, main

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["IMAGE", "TOOL", "RealKind", "engine_up", "loaded", "routes", "why_not"]

TOOL = Tool("realkind", "real kind")
IMAGE = os.environ.get("REALKIND_IMAGE") or "kindest/node:v1.20.2"
"""The tool's own variable, and its own default: kind's could not be pulled."""

NODES = """
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes: [{role: control-plane}, {role: worker}, {role: worker}]
"""
SERVICES = "10.96.0.0/16"
"""Where kind puts them, unless told otherwise."""


def why_not() -> str | None:
    """Why there is no real kind here, or nothing. Its images are made by the other tool."""
    return TOOL.why_not() or realkube.why_not()


@dataclass(frozen=True)
class RealKind(RealCluster):
    """A kind cluster; `workers` are the names of its nodes that take pods."""

    workers: tuple[str, ...]


@contextlib.contextmanager
def loaded() -> Iterator[RealKind]:
    """A cluster of a name of its own, deleted at the end; what else is up there stays, and so does its engine then."""
    with engine_up(), tempfile.TemporaryDirectory(prefix="gameday-kind-") as folder:
        name = f"gameday-{uuid.uuid4().hex[:6]}"
        environment = {**os.environ, "KUBECONFIG": str(Path(folder) / "kubeconfig")}
        workers = (f"{name}-worker", f"{name}-worker2")
        cluster = RealKind(TOOL, f"kind-{name}", environment, workers)
        nodes = Path(folder) / "nodes.yaml"
        nodes.write_text(NODES)
        made = ["--name", name, "--image", IMAGE, "--config", str(nodes), "--wait", "120s"]
        archive = str(realkube_images.build(realkube.TOOL.folder))
        try:
            cluster.run("kind", "create", "cluster", *made, timeout_s=300)
            cluster.run(
                *("kind", "load", "image-archive", archive, "--name", name, "--nodes", ",".join(workers)), timeout_s=300
            )
            with routes(cluster):
                yield cluster
        finally:
            cluster.run("kind", "delete", "cluster", "--name", name)


@contextlib.contextmanager
def engine_up() -> Iterator[None]:
    """Docker, up; taken down at the end if it was not up before and nobody else has begun to use it."""
    ours = not TOOL.succeeds("exec", "true")
    if ours:
        TOOL("up", timeout_s=180)
    try:
        yield
    finally:
        if ours and not TOOL("exec", "kind", "get", "clusters", timeout_s=30).strip():
            TOOL("down", timeout_s=120)


@contextlib.contextmanager
def routes(cluster: RealCluster) -> Iterator[None]:
    """Lead Service addresses and each node's pods' to the nodes. Fails when another such cluster has routes there."""
    nodes = json.loads(cluster.kubectl("get", "nodes", "-o", "json"))["items"]
    ways = {node["spec"]["podCIDR"]: _address(node) for node in nodes}
    ways[SERVICES] = _address(nodes[0])
    with contextlib.ExitStack() as made:
        for where, node in ways.items():
            cluster.run("ip", "route", "add", where, "via", node)
            made.callback(cluster.run, "ip", "route", "del", where, "via", node)
        yield


def _address(node: dict[str, Any]) -> str:
    return next(str(one["address"]) for one in node["status"]["addresses"] if one["type"] == "InternalIP")


if __name__ == "__main__":
    sys.exit(main(why_not, loaded))
