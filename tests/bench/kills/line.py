"""A line to an API server that sees what is written through it: TLS of its own on one side, the server's beyond."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Line", "When", "Write"]

When = Literal["sent", "answered"]
"""Before the server has got a write, or before its answer has come back."""

_WRITES = ("POST", "PUT", "PATCH", "DELETE")
_LEASE = "/leases"
"""Renewed all the time, so it tells nothing of how far a run has come."""


@dataclass(frozen=True)
class Write:
    """One request that changes something: the number of it, from 1, and what it is."""

    number: int
    method: str
    path: str

    def __str__(self) -> str:
        """`PATCH configmaps/gameday-ledger`: what is between the namespace and the query; all of it without one."""
        path = self.path.partition("?")[0]
        return f"{self.method} {path.partition('/namespaces/')[2].partition('/')[2] or path}"


class Line:
    """Passes all on. Asks `cuts` at each write: when it is `sent`, and when it is `answered` but the answer not passed.

    Nothing else passes meanwhile; once it says True nothing ever does again.
    """

    def __init__(
        self, server: str, cuts: Callable[[Write, When], bool], certificate: tuple[str, str] | None = None
    ) -> None:
        """`certificate`: the files of the certificate and key by which the server knows its user, if it does so."""
        self._target = urlsplit(server)
        self._cuts = cuts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._theirs = ssl.create_default_context()
        self._theirs.check_hostname, self._theirs.verify_mode = False, ssl.CERT_NONE  # nothing leaves this machine
        if certificate is not None:
            self._theirs.load_cert_chain(*certificate)
        self._own, self.authority = _certificate()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self.writes: list[Write] = []
        self.cut = False

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut = True
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        self._server = await asyncio.start_server(self._join, sock=self._listener, ssl=self._own)

    async def _close(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: requests up, one by one; answers down, as they come."""
        if self.cut:
            writer.transport.abort()
            return
        host, port = str(self._target.hostname), self._target.port or 443
        answers, server = await asyncio.open_connection(host, port, ssl=self._theirs)
        awaited: list[Write] = []
        down = asyncio.create_task(self._down(answers, writer, awaited))
        try:
            await self._up(reader, server, awaited)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # either side may end as it likes, and so may we
        finally:
            down.cancel()
            server.transport.abort()
            writer.transport.abort()

    async def _up(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, awaited: list[Write]) -> None:
        while not self.cut and (head := await self._head(reader)):
            sizes = [h.partition(b":")[2] for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")]
            body = await reader.readexactly(int(sizes[0])) if sizes else b""
            method, path = head.decode().split(" ")[:2]
            if method in _WRITES and _LEASE not in path and not self.cut:
                write = Write(len(self.writes) + 1, method, path)
                self.writes.append(write)
                self.cut = self._cuts(write, "sent")
                awaited.append(write)
            if not self.cut:
                server.write(head + body)
                await server.drain()

    @staticmethod
    async def _head(reader: asyncio.StreamReader) -> bytes:
        """A request's line and headers; empty at the end of the connection."""
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""

    async def _down(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter, awaited: list[Write]) -> None:
        with contextlib.suppress(OSError):
            while not self.cut and (data := await answers.read(65_536)):
                if awaited and not self.cut:
                    self.cut = self._cuts(awaited.pop(0), "answered")
                if not self.cut:
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort() if self.cut else writer.close()


def _certificate() -> tuple[ssl.SSLContext, str]:
    """The settings of a server on the loopback that signed for itself, and its certificate as PEM."""
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / "key"), str(Path(folder) / "certificate")]
        argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=line"]
        argv += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", files[0], "-out", files[1]]
        subprocess.run(argv, check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files[1], files[0])
        return context, Path(files[1]).read_text()
