"""The kind cluster of `gameday up --cluster kind`: found, made, awaited, ended.

One that has our name but not our mark is somebody's: whoever finds it must leave it alone.
"""

from __future__ import annotations

import contextlib
import errno
import json
import re
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from urllib3.exceptions import HTTPError

from gameday.kube import ApiException, ClusterUnreachableError, connect
from gameday.runner.errors import EnvironmentFailure, InvalidRequest
from gameday.runner.kind.tools import ToolFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.kube import Kube
    from gameday.runner.catalogue import Catalogue
    from gameday.runner.kind.state import State
    from gameday.runner.kind.tools import Engine, Kind

__all__ = [
    "CONTEXT", "NAME", "Nodes", "Plan", "Wanted", "await_nodes", "create", "delete", "find_nodes", "load", "plan",
]  # fmt: skip

NAME = "gameday"
CONTEXT = f"kind-{NAME}"
_MARK = "/made-by-gameday"
"""Where in a node the mark is."""
_LABEL, _ROLE = "io.x-k8s.kind.cluster", "io.x-k8s.kind.role"
_NO_SUCH_IMAGE = r"manifest unknown|not found|invalid reference|repository does not exist|access to the resource is"
"""What engines say of an image's name that their registry does not know, in some way or other."""
_CREATE_S = 600.0
_LOAD_S = 300.0
_PULL_S = 600.0
_POLL_S = 0.5


@dataclass(frozen=True)
class Wanted:
    """What a cluster is to be; what is None is as `cluster.yaml` and kind have it.

    Args:
        nodes: how many, the control plane among them.
        shop_port: the port of 127.0.0.1 that leads to the shop.
        node_image: the nodes' image.
        data: how much the database of the shop that stays holds.
        any_port: another port will do where that of `cluster.yaml` is taken.
    """

    nodes: int | None = None
    shop_port: int | None = None
    node_image: str | None = None
    data: str | None = None
    any_port: bool = False


@dataclass(frozen=True)
class Plan:
    """What kind will be given to make a cluster from, how many nodes it will have, and the shop's port."""

    config: dict[str, Any]
    nodes: int
    port: int
    node_image: str | None


@dataclass(frozen=True)
class Nodes:
    """The containers of a cluster of our name, and those of them that take pods; whose it is, and whether all run."""

    names: tuple[str, ...]
    for_pods: tuple[str, ...]
    ours: bool
    all_run: bool


def find_nodes(engine: Engine, state: State) -> Nodes | None:
    """The cluster of our name, by its containers, however far it has come; None when there is none."""
    found = _inspected(engine)
    if not found:
        return None
    roles = {str(one["Name"]).lstrip("/"): one["Config"]["Labels"].get(_ROLE) for one in found}
    workers = tuple(sorted(name for name, role in roles.items() if role == "worker"))
    return Nodes(
        tuple(sorted(roles)),
        workers or tuple(sorted(roles)),
        ours=all(_bears_mark(one, state) for one in found),
        all_run=all(one["State"].get("Running") for one in found),
    )


def _inspected(engine: Engine) -> list[dict[str, Any]]:
    """What the engine knows of each container of a cluster of our name."""
    ids = engine.run("ps", "--all", "--quiet", "--filter", f"label={_LABEL}={NAME}").split()
    found: list[dict[str, Any]] = json.loads(engine.run("inspect", *ids)) if ids else []
    return found


def _bears_mark(container: dict[str, Any], state: State) -> bool:
    """Whether a container has our mark; an engine in a machine of its own may put something before its path."""
    mark, mounts = state.mark, container.get("Mounts") or []
    return mark is not None and any(
        one.get("Destination") == _MARK and str(one.get("Source")).endswith(str(mark)) for one in mounts
    )


def plan(catalogue: Catalogue, wanted: Wanted) -> Plan:
    """What a cluster will be made from. Raises EnvironmentFailure: `cluster.yaml` is none, or the port is taken."""
    file = catalogue.k8s / "kind" / "cluster.yaml"
    try:
        config: dict[str, Any] = yaml.safe_load(file.read_text())
        nodes = config["nodes"]
        (port,) = [one for node in nodes for one in node.get("extraPortMappings", ())]
        if wanted.nodes is not None:
            control, workers = nodes[0], nodes[1:]
            worker = workers[0] if workers else {"role": "worker"}
            config["nodes"] = nodes = [control, *(dict(worker) for _ in range(wanted.nodes - 1))]
        port["hostPort"] = _free(int(wanted.shop_port or port["hostPort"]), or_any=wanted.any_port)
        return Plan(config, len(nodes), port["hostPort"], wanted.node_image)
    except (OSError, yaml.YAMLError, LookupError, ValueError, TypeError, AttributeError) as problem:
        said = " ".join(str(problem).split())
        raise EnvironmentFailure(
            f"{file} is no cluster that we can make: expected nodes, the first of them with one port mapping: {said}"
        ) from problem


def _free(port: int, *, or_any: bool) -> int:
    """The port if nobody listens on it, or another; it may be taken until it is used. Raises EnvironmentFailure."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError as problem:
            if or_any:
                return _free(0, or_any=False)
            taken = "is taken" if problem.errno == errno.EADDRINUSE else str(problem.strerror)
            raise EnvironmentFailure(
                f"port {port} of 127.0.0.1, where the shop would be, {taken}; choose another with --shop-port, or stop "
                f"what listens there (see: ss -ltnp 'sport = :{port}')"
            ) from problem
        return int(trial.getsockname()[1])


def create(kind: Kind, state: State, planned: Plan, *, lock: int, keep: bool, heard: Callable[[str], None]) -> None:
    """Make the cluster. Its API answers then; its nodes may not be ready.

    Args:
        kind: makes it.
        state: gets its kubeconfig.
        planned: what it is made from.
        lock: what the program that makes it shall hold as long as it runs.
        keep: leave what was made when this fails or is interrupted.
        heard: is told what kind is about.

    Raises InvalidRequest for a node image that is not to be had, EnvironmentFailure for all else.
    """
    mark = state.begin(kind.engine.name, kind.engine.identity())
    mount = {"hostPath": str(mark), "containerPath": _MARK, "readOnly": True}
    marked = [{**node, "extraMounts": [*node.get("extraMounts", ()), mount]} for node in planned.config["nodes"]]
    if planned.node_image:
        _have(kind.engine, planned.node_image, heard)
    image = ["--image", planned.node_image] if planned.node_image else []
    with tempfile.TemporaryDirectory(prefix="gameday-kind-") as folder:
        file = Path(folder) / "cluster.yaml"
        file.write_text(yaml.safe_dump({**planned.config, "nodes": marked}, sort_keys=False))
        named = ["--name", NAME, "--config", str(file), "--kubeconfig", str(state.kubeconfig)]
        kind.run(
            "create", "cluster", *named, *image, *(["--retain"] if keep else []),
            timeout_s=_CREATE_S, what="kind create cluster", heard=lambda line: _pass_on(line, heard),
            held=kind.held(lock), undo=(lambda: None) if keep else (lambda: _remove(kind.engine, state)),
        )  # fmt: skip


def _have(engine: Engine, image: str, heard: Callable[[str], None]) -> None:
    """See to it that the engine has the node image that somebody named. Raises InvalidRequest."""
    if engine.has_image(image):
        return
    heard(f"pulling {image}")
    try:
        engine.run("pull", "--quiet", image, timeout_s=_PULL_S, what=f"pulling {image}")
    except ToolFailure as problem:
        if not re.search(_NO_SUCH_IMAGE, problem.said, re.IGNORECASE):
            raise
        last = " ".join((problem.said.strip().splitlines() or ["it said nothing"])[-1].split())[-200:]
        raise InvalidRequest(
            f"node image {image} is not on this machine and cannot be pulled ({last}); kind's releases name those that "
            "there are: github.com/kubernetes-sigs/kind/releases"
        ) from problem


def _pass_on(line: str, heard: Callable[[str], None]) -> None:
    """Of what kind says, the steps that it has done."""
    if done := re.match(r"\s*✓ ([\w -]*\w)", line):
        heard(f"kind: {done[1]}")


def load(kind: Kind, nodes: Nodes, images: list[str], heard: Callable[[str], None]) -> None:
    """Give the nodes the images that the engine has and they lack; others they pull themselves. Raises ToolFailure."""
    here = [image for image in images if "@" not in image and kind.engine.has_image(image)]
    lacking = [one for one in here if not all(_has(kind.engine, node, one) for node in nodes.for_pods)]
    if lacking:
        heard(f"loading {', '.join(lacking)}")
        with tempfile.TemporaryDirectory(prefix="gameday-images-") as folder:
            archive = str(Path(folder) / "images.tar")
            kind.engine.save(lacking, archive)  # for kind itself asks docker alone, whichever engine it uses
            kind.run(
                "load", "image-archive", archive, "--name", NAME, "--nodes", ",".join(nodes.for_pods),
                timeout_s=_LOAD_S, what="loading images into the nodes",
            )  # fmt: skip


def _has(engine: Engine, node: str, image: str) -> bool:
    """Whether a node has an image of that name and content."""
    with contextlib.suppress(ToolFailure, ValueError, LookupError):
        content = engine.run("image", "inspect", "--format", "{{.Id}}", image).strip()
        there = json.loads(engine.run("exec", node, "crictl", "inspecti", "-o", "json", image))
        return str(there["status"]["id"]).removeprefix("sha256:") == content.removeprefix("sha256:")
    return False


def await_nodes(state: State, heard: Callable[[str], None], *, timeout_s: float) -> Kube:
    """Wait until every node is ready; returns the connection. Raises EnvironmentFailure: which one is not, and why."""
    kube = connect(kubeconfig=state.kubeconfig, context=CONTEXT)
    until, told = time.monotonic() + timeout_s, ""
    while True:
        try:
            items = kube.plain(kube.core.list_node(_request_timeout=5))["items"]
            waiting = {one["metadata"]["name"]: why for one in items if (why := _not_ready(one)) is not None}
            said = f"{len(items) - len(waiting)} of {len(items)} nodes are ready"
        except (ApiException, HTTPError, OSError, ClusterUnreachableError) as problem:
            items, waiting, said = [], {"its API": " ".join(str(problem).split())[:200]}, "its API does not answer yet"
        if items and not waiting:
            return kube
        if said != told:
            told = said
            heard(said)
        if time.monotonic() > until:
            node, why = next(iter(waiting.items()), ("any node", "there is none"))
            raise EnvironmentFailure(
                f"the kind cluster is not ready after {timeout_s:.0f} s: {node}: {why}; look at it with --keep and "
                f"'kind export logs --name {NAME}', or choose another node image with --image"
            )
        time.sleep(_POLL_S)


def _not_ready(node: dict[str, Any]) -> str | None:
    """Why a node is not ready, in its own words; None when it is."""
    ready = [one for one in node.get("status", {}).get("conditions") or () if one["type"] == "Ready"]
    if ready and ready[0]["status"] == "True":
        return None
    return (
        " ".join(str(ready[0].get("message") or ready[0].get("reason")).split())[:200] if ready else "it says nothing"
    )


def _remove(engine: Engine, state: State) -> None:
    """Take away the nodes of ours that there are by now."""
    with contextlib.suppress(ToolFailure):  # whoever deletes the cluster after this says what cannot be
        if ours := [str(one["Id"]) for one in _inspected(engine) if _bears_mark(one, state)]:
            engine.run("rm", "--force", "--volumes", *ours)


def delete(kind: Kind, state: State, *, lock: int) -> None:
    """End the cluster; its kubeconfig goes too, and the user's is not written to. Raises EnvironmentFailure."""
    kind.run(
        *("delete", "cluster", "--name", NAME, "--kubeconfig", str(state.kubeconfig)),
        timeout_s=_LOAD_S, what="kind delete cluster", held=kind.held(lock),
    )  # fmt: skip
    if left := find_nodes(kind.engine, state):
        raise EnvironmentFailure(f"nodes of the kind cluster are left: {', '.join(left.names)}; say it again")
    state.forget()
