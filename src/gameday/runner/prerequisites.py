"""What an embedded cluster needs of this machine, found out before anything is started."""

from __future__ import annotations

import errno
import shutil
import socket
from typing import TYPE_CHECKING, Any

from gameday.runner.errors import EnvironmentFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_machine"]

_UNUSED_ADDRESS = "127.255.255.254"
"""No cluster has it, so whoever keeps us from a port there listens on every address."""


_STOREFRONT_MIB = 80
"""What a storefront writes to the state folder: a new database for the most part, and a margin."""


def check_machine(manifests: list[dict[str, Any]], *, storefronts: int = 1) -> None:
    """Raise EnvironmentFailure when a program, a port or disk space is lacking for that many storefronts at once.

    A pod has an address of its own, so a port is in its way only when a stranger holds it on all addresses.
    """
    containers = list(_containers(manifests))
    _check_programs(containers)
    _check_space(storefronts)
    _check_ports(sorted({port["containerPort"] for one in containers for port in one.get("ports", [])}))


def _containers(manifests: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for manifest in manifests:
        pod = manifest.get("spec", {}).get("template", {}).get("spec", {})
        yield from [*pod.get("initContainers", []), *pod.get("containers", [])]


def _check_programs(containers: list[dict[str, Any]]) -> None:
    from gameday.cluster.images import NoCommandError, UnknownImageError, resolve

    for container in containers:
        try:
            resolve(container["image"], container.get("command", []), container.get("args", []))
        except (UnknownImageError, NoCommandError) as problem:
            raise EnvironmentFailure(str(problem)) from problem


def _check_space(storefronts: int) -> None:
    from gameday.cluster import state_root

    root = state_root()
    try:
        there = next(place for place in (root, *root.absolute().parents) if place.exists())
        usage = shutil.disk_usage(there)
    except OSError:
        return  # it cannot even be looked at: whoever makes the folder says why
    free_mib, needed_mib = usage.free >> 20, storefronts * _STOREFRONT_MIB
    if usage.total and free_mib < needed_mib:  # a file system without a size, as /proc, has no room to speak of
        raise EnvironmentFailure(
            f"the state folder {root} has {free_mib} MiB free and needs {needed_mib} MiB (storefronts side by side: "
            f"{storefronts}); free some space there, or set GAMEDAY_STATE to a folder with room"
        )


def _check_ports(ports: list[int]) -> None:
    for port in ports:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections are in nobody's way
            try:
                trial.bind((_UNUSED_ADDRESS, port))
                trial.listen()
            except OSError as problem:
                if problem.errno != errno.EADDRINUSE:
                    raise EnvironmentFailure(f"port {port} of the loopback: {problem.strerror}") from problem
                raise EnvironmentFailure(
                    f"port {port} is taken on every address of this machine and the storefront's pods need it; "
                    f"stop what listens there (see: ss -ltnp 'sport = :{port}')"
                ) from problem
