"""The embedded cluster as one process: API, controllers, kubelet and proxy around one store.

`python -m gameday.cluster.daemon NAME` is started by `gameday.cluster.start`. It says on
`--ready-fd`, in one JSON line, how it is reached or why it cannot be. SIGTERM, the end of
`--owner-fd` or the loss of the warm parent end it, and its pods with it. Its log is in its
folder; when it was not told to end, that is kept beside it as `NAME.log`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import faulthandler
import json
import logging
import os
import resource
import secrets
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp.http_exceptions import HttpProcessingError

from gameday.cluster.kubelet.runtime.client import Runtime
from gameday.cluster.state import Claim, ClusterError, claim, folder_of, unusable

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

LOG = "daemon.log"
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
STOP_GRACE_S = 4.0
"""How long pods may take to end when the cluster does."""
OWNED_STOP_GRACE_S = 0.3
"""The same for an owned cluster: nobody will miss what its pods still hold."""


class DeathError(Exception):
    """The cluster ends without having been told to."""


@dataclass(frozen=True)
class Options:
    """The command line."""

    name: str
    port: int
    ready_fd: int | None
    owner_fd: int | None


def main() -> None:
    """Run a cluster until it is told to end."""
    options = _parse()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two for each connection to a Service; pods get it too
    for fd in (options.ready_fd, options.owner_fd):
        if fd is not None:
            os.set_inheritable(fd, False)
    try:
        held = claim(options.name)
        _log_to(held.folder / LOG)
        try:
            asyncio.run(_serve(options, held))
        except DeathError as problem:
            log.critical("%s", problem)
            (held.folder / LOG).rename(held.folder.with_name(f"{options.name}.log"))  # all else is removed
            sys.exit(1)
        finally:
            held.drop()
    except ClusterError as problem:
        _tell(options, {"error": str(problem)})
        sys.exit(1)
    except OSError as problem:
        where = f" ({problem.filename})" if problem.filename else ""
        said = f"cluster {options.name}: {problem.strerror}{where}"
        _tell(options, {"error": str(unusable(folder_of(options.name), problem)) if problem.errno in _DISK else said})
        sys.exit(1)


def _parse() -> Options:
    parser = argparse.ArgumentParser(description="Run an embedded cluster in the foreground.")
    parser.add_argument("name")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ready-fd", type=int)
    parser.add_argument("--owner-fd", type=int)
    given = parser.parse_args()
    return Options(given.name, given.port, given.ready_fd, given.owner_fd)


def _log_to(file: Path) -> None:
    """All of our own output goes to a file of the cluster, from the standard streams too."""
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    faulthandler.enable()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("aiohttp.server").addFilter(_is_ours)


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a log record is worth keeping: a client that speaks no HTTP was told so."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _tell(options: Options, answer: dict[str, object]) -> None:
    line = json.dumps(answer).encode() + b"\n"
    if options.ready_fd is None:
        sys.stdout.write(line.decode())
        return
    with contextlib.suppress(OSError):  # the starter gave up
        os.write(options.ready_fd, line)


async def _serve(options: Options, held: Claim) -> None:
    runtime = Runtime()  # first: it warms up while we import the rest
    runtime.attach()
    try:
        from gameday.cluster.assembly import Cluster  # late, so that both import side by side

        cluster = Cluster(options.name, held.folder, runtime, secrets.token_urlsafe(32))
        try:
            record = await cluster.start(options.port)
            held.write({**record, "pid": os.getpid()})
            _tell(options, record)
            await _until_told(options, runtime, cluster.failed)
        finally:
            await cluster.stop(STOP_GRACE_S if options.owner_fd is None else OWNED_STOP_GRACE_S)
    finally:
        runtime.close()


async def _until_told(options: Options, runtime: Runtime, failed: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    if options.owner_fd is not None:
        os.set_blocking(options.owner_fd, False)
        loop.add_reader(options.owner_fd, told.set)
    waits = [asyncio.ensure_future(event.wait()) for event in (told, runtime.lost, failed)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if options.owner_fd is not None:
        loop.remove_reader(options.owner_fd)
    if runtime.lost.is_set() or failed.is_set():
        raise DeathError("the warm parent died" if runtime.lost.is_set() else "a part of the cluster failed: see above")
    log.warning("told to end")


if __name__ == "__main__":
    main()
