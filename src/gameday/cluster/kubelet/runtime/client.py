"""The daemon's end of the warm parent: start processes, signal them, learn how they ended."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from gameday.cluster.kubelet.runtime.zygote import MAX_MESSAGE, adopt_orphans, children_of
from gameday.cluster.logs import Exit

log = logging.getLogger(__name__)

_TOO_LONG = "argument list too long"
_OVERHEAD_BYTES = 1024
"""What the kernel takes of a send buffer for itself, and more."""


class StartError(Exception):
    """A process could not be started."""


@dataclass(frozen=True)
class Command:
    """What to run; `name` is what `ps` shows of it."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    name: str = "container"


@dataclass(eq=False)
class Process:
    """A running process with a group of its own; `exited` completes when its main process ends."""

    runtime: Runtime
    id: int
    started: asyncio.Future[int]
    exited: asyncio.Future[Exit] = field(repr=False)

    def fail(self, reason: str) -> None:
        """It could not be started."""
        if not self.started.done():
            self.started.set_exception(StartError(reason))
            self.started.exception()  # whoever waited may be gone

    def signal(self, number: int) -> None:
        """Signal the main process alone, which drops what it does not handle; nothing happens when it is gone."""
        self.runtime.send({"kill": self.id, "signal": int(number), "all": False})

    def kill(self) -> None:
        """SIGKILL the main process and its group; what else it started ends with it."""
        self.runtime.send({"kill": self.id, "signal": int(signal.SIGKILL), "all": True})


class Runtime:
    """Owns the warm parent. `lost` completes when that died: its containers died with it."""

    def __init__(self) -> None:
        adopt_orphans()  # should the warm parent die before them
        self._others = set(children_of(os.getpid()))
        """What was ours before, and is none of a container's."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAX_MESSAGE)
        with theirs:
            self._parent = subprocess.Popen(
                [sys.executable, "-P", "-m", "gameday.cluster.kubelet.runtime.zygote", str(theirs.fileno())],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        self.pid = self._parent.pid
        """The warm parent's process."""
        ours.setblocking(False)
        self._socket = ours
        room = ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) - _OVERHEAD_BYTES
        self._max_message = min(MAX_MESSAGE, room)
        self._outbox: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._processes: dict[int, Process] = {}
        self._count = 0
        self.lost = asyncio.Event()

    def attach(self) -> None:
        """Begin to read replies, in the running event loop."""
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    async def spawn(self, command: Command, *streams: int) -> Process:
        """Start a process: with one descriptor for its output, or stdin, stdout and stderr. Raises StartError.

        The descriptors are closed here.
        """
        loop = asyncio.get_running_loop()
        self._count += 1
        process = Process(self, self._count, loop.create_future(), loop.create_future())
        data = json.dumps({"spawn": process.id, **asdict(command)}).encode()
        if len(data) > self._max_message:
            for fd in streams:
                os.close(fd)
            raise StartError(_TOO_LONG)
        self._processes[process.id] = process
        self._queue(data, streams)
        try:
            await asyncio.shield(process.started)
        except asyncio.CancelledError:
            process.kill()
            raise
        return process

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message to the warm parent."""
        self._queue(json.dumps(message).encode(), ())

    def _queue(self, data: bytes, fds: tuple[int, ...]) -> None:
        self._outbox.append((data, fds))
        self._flush()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._outbox:
            data, fds = self._outbox[0]
            try:
                socket.send_fds(self._socket, [data], fds)
            except BlockingIOError:
                loop.add_writer(self._socket, self._flush)
                return
            except OSError as problem:  # too long after all, no room for it now; or the parent died
                reason = _TOO_LONG if problem.errno == errno.EMSGSIZE else f"warm parent: {problem.strerror}"
                if "spawn" in (message := json.loads(data)):
                    self._handle({"failed": message["spawn"], "reason": reason})
            self._outbox.popleft()
            for fd in fds:
                os.close(fd)
        loop.remove_writer(self._socket)

    def _receive(self) -> None:
        while True:
            try:
                data = self._socket.recv(MAX_MESSAGE)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._die()
                return
            self._handle(json.loads(data))

    def _handle(self, message: dict[str, Any]) -> None:
        if "started" in message:
            self._processes[message["started"]].started.set_result(message["pid"])
        elif "failed" in message:
            self._processes.pop(message["failed"]).fail(message["reason"])
        else:
            process = self._processes.pop(message["exited"])
            code = os.waitstatus_to_exitcode(message["status"])
            process.exited.set_result(Exit(code if code >= 0 else 128 - code))

    def _die(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self.lost.set()
        for process in self._processes.values():
            process.fail("the warm parent is gone")
            if process.started.exception() is None:  # whoever changed its user lost the parent-death signal
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.started.result(), signal.SIGKILL)
            process.exited.set_result(Exit(137))
        with suppress(subprocess.TimeoutExpired):
            self._parent.wait(1)  # its status is told
            # What it had comes to us, and what that leaves behind: until all are gone.
            while orphans := set(children_of(os.getpid())) - self._others:
                for pid in orphans:
                    with suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                for pid in orphans:
                    with suppress(ChildProcessError):
                        os.waitpid(pid, 0)

    def close(self) -> None:
        """End the warm parent and, with it, whatever still runs."""
        self._socket.close()
        try:
            self._parent.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._parent.kill()
            self._parent.wait()
        if self.lost.is_set():
            log.error("the warm parent had ended with status %s", self._parent.returncode)
