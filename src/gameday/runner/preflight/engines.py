"""What a kind cluster needs of this machine: a container engine with room, kind itself, and whether one is up."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gameday.runner.errors import EnvironmentFailure
from gameday.runner.kind.clusters import NAME, Wanted, find_nodes, plan
from gameday.runner.kind.state import State
from gameday.runner.kind.tools import find_kind
from gameday.runner.kind.up import engine_of
from gameday.runner.preflight.findings import Finding, lacking, not_allowed, note, ok, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gameday.runner.kind.tools import Engine
    from gameday.runner.preflight.request import Request

__all__ = ["Room", "check_kind", "judged", "room_of"]

_GIB = 1 << 30
_LEAST_MEMORY = 1.5 * _GIB
_WANTED_MEMORY = 3 * _GIB
"""Kubernetes itself takes about 1 GiB in a node, a storefront 0.5."""
_LEAST_DISK = 2 * _GIB
_WANTED_DISK = 5 * _GIB
"""The node's image takes 1 GiB, once in the engine, and a storefront's images as much again inside of the node."""
_WANTED_PROCESSORS = 2
_CGROUP = "2"


@dataclass(frozen=True)
class Room:
    """What an engine has: bytes of memory, processors, the folder of its images; how it is run."""

    memory: int
    processors: int
    folder: str
    rootless: bool
    cgroup: str


def check_kind(request: Request) -> Iterator[Finding]:
    """The engine, its room, kind, and whether a cluster is up already."""
    try:
        engine = engine_of(State.here())
    except EnvironmentFailure as problem:
        yield refusal("container engine", problem)
        return
    yield ok("container engine", f"{engine.name} ({engine.path}) answers")
    yield from _check_room(engine)
    try:
        kind = find_kind(engine)
    except EnvironmentFailure as problem:
        yield refusal("kind", problem)
        return
    yield ok("kind", f"{'.'.join(map(str, kind.version))} ({kind.path})")
    if request.target is None:
        yield from _check_cluster(engine)
        try:
            plan(request.catalogue, Wanted())
        except EnvironmentFailure as problem:
            yield note("the shop's port", str(problem), "a run takes another")


def room_of(info: dict[str, Any]) -> Room:
    """What `docker info` or `podman info` say, as JSON. Raises LookupError when it is neither. Pure."""
    if "host" in info:  # podman's
        host = info["host"]
        rootless = bool((host.get("security") or {}).get("rootless"))
        folder, cgroup = (info.get("store") or {}).get("graphRoot", ""), str(host.get("cgroupVersion", ""))
        return Room(host["memTotal"], host["cpus"], folder, rootless, cgroup.removeprefix("v"))
    rootless = any("name=rootless" in option for option in info.get("SecurityOptions") or [])
    return Room(
        info["MemTotal"], info["NCPU"], info.get("DockerRootDir", ""), rootless, str(info.get("CgroupVersion", ""))
    )


def judged(name: str, room: Room) -> Iterator[Finding]:
    """What the room of that engine means for a kind cluster. Pure."""
    said = f"{room.processors} processors, {room.memory / _GIB:.1f} GiB of memory"
    if room.memory < _LEAST_MEMORY:
        more = f"give {name} more memory (Docker Desktop: Settings, Resources)"
        yield lacking(f"{name}'s room", said, f"at least {_LEAST_MEMORY / _GIB:.1f} GiB", more)
    elif room.memory < _WANTED_MEMORY or room.processors < _WANTED_PROCESSORS:
        yield note(f"{name}'s room", said, "2 processors and 3 GiB are comfortable")
    else:
        yield ok(f"{name}'s room", said)
    if room.rootless and room.cgroup != _CGROUP:
        yield lacking(
            f"{name} without root", f"cgroup v{room.cgroup or '?'}", "cgroup v2, without which kind cannot",
            "boot with systemd.unified_cgroup_hierarchy=1 (see kind.sigs.k8s.io/docs/user/rootless)",
        )  # fmt: skip


def _check_room(engine: Engine) -> Iterator[Finding]:
    try:
        room = room_of(json.loads(engine.run("info", "--format", "{{json .}}")))
    except EnvironmentFailure as problem:
        yield refusal(f"{engine.name} info", problem)
        return
    except (ValueError, LookupError):
        yield note(f"{engine.name} info", "does not say how much memory it has")
        return
    yield from judged(engine.name, room)
    yield from _check_disk(engine, room.folder)


def _check_disk(engine: Engine, folder: str) -> Iterator[Finding]:
    what = f"{engine.name}'s disk"
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        yield note(what, f"{folder or 'its folder'} cannot be seen from here, so its room cannot be told")
        return
    said = f"{free / _GIB:.1f} GiB free in {folder}"
    if free < _LEAST_DISK:
        yield lacking(what, said, f"at least {_LEAST_DISK / _GIB:.0f} GiB", f"{engine.name} system prune")
    elif free < _WANTED_DISK:
        yield note(what, said, f"images take up to {_WANTED_DISK / _GIB:.0f} GiB; {engine.name} system prune")
    else:
        yield ok(what, said)


def _check_cluster(engine: Engine) -> Iterator[Finding]:
    """Whose is the cluster of our name, if there is one that we cannot use yet."""
    try:
        there = find_nodes(engine, State.here())
    except EnvironmentFailure as problem:
        yield refusal("kind cluster", problem)
        return
    if there is None:
        yield note("kind cluster", f"{NAME} is not up", "gameday up --cluster kind")
    elif there.ours:
        yield note("kind cluster", f"{NAME} is not whole", "gameday up --cluster kind makes it anew")
    else:
        remove = f"if nobody needs it: kind delete cluster --name {NAME}"
        yield not_allowed("kind cluster", f"one named {NAME} is here that this gameday did not make", "its own", remove)
