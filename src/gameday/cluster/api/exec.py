"""`kubectl exec`: commands in containers, over WebSocket with the sub-protocols v4 and v5 of channel.k8s.io.

A command, with all that it started, ends when its client goes or its container does.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import struct
import termios
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from gameday.cluster.api.errors import ApiError, not_found
from gameday.cluster.api.podlogs import chosen_container, container_status
from gameday.cluster.api.requests import Object, Place, flag
from gameday.cluster.logs import CommandError

if TYPE_CHECKING:
    from gameday.cluster.logs import Executor, Started
    from gameday.cluster.store import Store

_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN, _STDOUT, _STDERR, _ERROR, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255
_CHUNK_BYTES = 32 * 1024


class Exec:
    """Serves the `exec` subresource of pods."""

    def __init__(self, store: Store, executor: Executor) -> None:
        self._store = store
        self._executor = executor

    async def serve(self, request: web.Request, place: Place) -> web.StreamResponse:
        """Run a command, copy its streams, and say how it ended."""
        pod = self._store.find("pods", place.namespace or "", place.name)
        if pod is None:
            raise not_found(place.resource, place.name)
        container, query = chosen_container(pod, request.query.get("container", "")), request.query
        argv, wants = query.getall("command", []), {name: flag(query, name) for name in ("stdin", "stdout", "stderr")}
        if not argv:
            raise ApiError(400, "you must specify at least 1 command for exec")
        if not any(wants.values()):
            raise ApiError(400, "you must specify at least 1 of stdin, stdout, stderr")
        if "running" not in container_status(pod, container).get("state", {}):
            raise ApiError(500, f'container not found ("{container}")')
        socket = web.WebSocketResponse(protocols=_PROTOCOLS, max_msg_size=1 << 20)
        if not socket.can_prepare(request).ok:
            raise ApiError(400, "exec is served over WebSocket only: expected the sub-protocol v4.channel.k8s.io or "
                                "v5.channel.k8s.io; use kubectl 1.31 or later, and leave "
                                "KUBECTL_REMOTE_COMMAND_WEBSOCKETS unset")  # fmt: skip
        await socket.prepare(request)
        streams = Streams(socket, wants, tty=flag(query, "tty"))
        try:
            command = await self._executor.execute(place.namespace or "", place.name, container, argv, *streams.theirs)
            status = await streams.copy(command)
        except CommandError as problem:
            status = {"status": "Failure", "reason": "InternalError", "code": 500, "message":
                      f"Internal error occurred: error executing command in container: {problem}"}  # fmt: skip
        finally:
            streams.close()
        with contextlib.suppress(ConnectionError):
            await socket.send_bytes(bytes([_ERROR]) + json.dumps({"metadata": {}, **status}).encode())
        await socket.close()
        return socket


class Streams:
    """A command's stdin, stdout and stderr, as channels of a WebSocket."""

    def __init__(self, socket: web.WebSocketResponse, wants: dict[str, bool], *, tty: bool) -> None:
        self._socket = socket
        self._stdin = -1
        self._outputs: dict[int, int] = {}
        if tty:
            self._stdin, theirs = os.openpty()
            self._outputs[_STDOUT] = os.dup(self._stdin)
            self.theirs = (theirs, os.dup(theirs), os.dup(theirs))
            return
        stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        if wants["stdin"]:
            os.close(stdin)
            stdin, self._stdin = os.pipe2(os.O_CLOEXEC)
        self.theirs = (stdin, self._output(_STDOUT, wants["stdout"]), self._output(_STDERR, wants["stderr"]))

    def _output(self, channel: int, wanted: bool) -> int:  # noqa: FBT001
        if not wanted:
            return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        self._outputs[channel], theirs = os.pipe2(os.O_CLOEXEC)
        return theirs

    async def copy(self, command: Started) -> Object:
        """Until the command has ended, or its client is gone; the Status of its end."""
        outputs = [asyncio.ensure_future(self._copy_out(channel)) for channel in list(self._outputs)]
        incoming = asyncio.ensure_future(self._copy_in())
        either: set[asyncio.Future[Any]] = {command.exited, incoming}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            command.kill()
            incoming.cancel()
        ended = await asyncio.shield(command.exited)
        await asyncio.gather(incoming, *outputs, return_exceptions=True)
        if ended.code == 0:
            return {"status": "Success"}
        cause = {"reason": "ExitCode", "message": str(ended.code)}
        return {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [cause]},
                "message": f"command terminated with non-zero exit code: exit status {ended.code}"}  # fmt: skip

    async def _copy_out(self, channel: int) -> None:
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
        pipe = os.fdopen(self._outputs.pop(channel), "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            while data := await reader.read(_CHUNK_BYTES):
                await self._socket.send_bytes(bytes([channel]) + data)
        except OSError:
            pass  # a terminal ends so, and so does a client that is gone
        finally:
            transport.close()

    async def _copy_in(self) -> None:
        """Ends when the client closes the connection, not when it ends its input."""
        async for message in self._socket:
            data = message.data.encode() if message.type is WSMsgType.TEXT else message.data
            if not data:
                continue
            channel, data = data[0], data[1:]
            if channel == _STDIN and self._stdin >= 0:
                await self._write(data)
            elif channel == _CLOSE and data[:1] == bytes([_STDIN]):
                self._end_input()
            elif channel == _RESIZE and self._stdin >= 0 and os.isatty(self._stdin):
                with contextlib.suppress(ValueError, LookupError, TypeError, struct.error):
                    size = json.loads(data)
                    shape = struct.pack("HHHH", size["Height"], size["Width"], 0, 0)
                    fcntl.ioctl(self._stdin, termios.TIOCSWINSZ, shape)

    async def _write(self, data: bytes) -> None:
        """Write all of it, as fast as the command reads."""
        loop = asyncio.get_running_loop()
        os.set_blocking(self._stdin, False)
        while data and self._stdin >= 0:
            try:
                data = data[os.write(self._stdin, data) :]
            except BlockingIOError:
                writable = asyncio.Event()
                loop.add_writer(self._stdin, writable.set)
                try:
                    await writable.wait()
                finally:
                    loop.remove_writer(self._stdin)
            except BrokenPipeError:
                self._end_input()

    def _end_input(self) -> None:
        if self._stdin >= 0:
            os.close(self._stdin)
            self._stdin = -1

    def close(self) -> None:
        """Our ends of the streams; the command's are closed by who starts it."""
        self._end_input()
        for fd in self._outputs.values():
            os.close(fd)
        self._outputs.clear()
