"""A client that says exactly what it is told to, over one TLS connection that is kept while it lasts."""

from __future__ import annotations

import base64
import socket
import ssl
import time
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import yaml

if TYPE_CHECKING:
    import io
    from pathlib import Path

    from tests.fuzz.grammar import Request

PATIENCE_S = 60.0
"""How long an answer may take before it hangs, on a busy machine; a watch is asked for a second at most."""
SHORT_PATIENCE_S = 0.2
"""The same for a request that the server may rightly wait for the rest of."""


@dataclass(frozen=True)
class Reply:
    """What came back: a status, or none when the server closed, or went on waiting for a request that is not whole."""

    status: int | None
    kind: str = ""
    body: bytes = b""
    hung: bool = False


class _Kept:
    """What HTTPResponse takes for a socket: it reads our one stream, and may not close it."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream

    def makefile(self, _mode: str) -> Any:
        return self

    def close(self) -> None: ...

    def flush(self) -> None: ...

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Wire:
    """Connections to the API server of a kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        self.token = config["users"][0]["user"]["token"]
        self._server = urlsplit(cluster["server"])
        self._tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        self._socket: ssl.SSLSocket | None = None
        self._stream: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Go away without a word."""
        if self._socket is not None:
            self._stream.close()
            self._socket.close()
            self._socket = None

    def _connected(self) -> ssl.SSLSocket:
        if self._socket is None:
            host, port = self._server.hostname or "", self._server.port or 443
            plain = socket.create_connection((host, port), timeout=PATIENCE_S)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = self._tls.wrap_socket(plain, server_hostname=host)
            self._stream = self._socket.makefile("rb")
        return self._socket

    def begin(self, data: bytes) -> None:
        """Send the beginning of something, and leave it at that."""
        self._connected().sendall(data)

    def cut(self, timeout_s: float) -> bool:
        """Whether the server ends the connection; what it sent before is read and forgotten."""
        connection = self._connected()
        connection.settimeout(timeout_s)
        try:
            while connection.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def send(self, request: Request) -> list[Reply]:
        """Send a request in its manner; what came back, once for each time that an answer was waited for."""
        data = request.encode(self.token)
        fresh = self._socket is None
        try:
            connection = self._connected()
            connection.settimeout(SHORT_PATIENCE_S if request.odd else PATIENCE_S)
            replies = self._send(connection, request, data)
        except (HTTPException, OSError, ValueError) as problem:
            self.close()
            if not (fresh or isinstance(problem, TimeoutError)):
                return self.send(request)  # a server may end an idle connection
            return [
                Reply(None, hung=isinstance(problem, TimeoutError) and not request.odd, body=repr(problem).encode())
            ]
        if request.odd:
            self.close()
        return replies

    def _send(self, connection: ssl.SSLSocket, request: Request, data: bytes) -> list[Reply]:
        match request.manner:
            case "half":
                connection.sendall(data[: len(data) // 2])
                self.close()
                return []
            case "deaf":
                connection.sendall(data)
                self.close()
                return []
            case "slow":
                for at in range(3):
                    connection.sendall(data[len(data) * at // 3 : len(data) * (at + 1) // 3])
                    time.sleep(0.005)
            case "piped":
                connection.sendall(data * 2)
                first = self._read(request)
                return [first, self._read(request)] if self._socket else [first]
            case _:
                connection.sendall(data)
        return [self._read(request)]

    def _read(self, request: Request) -> Reply:
        response = HTTPResponse(_Kept(self._stream), method=request.method)  # type: ignore[arg-type]
        response.begin()
        kind = response.headers.get("Content-Type", "")
        if request.streams and response.chunked:
            self.close()  # it may go on for long; it began well
            return Reply(response.status)
        reply = Reply(response.status, kind, response.read())
        if response.will_close or response.status == 101:
            self.close()
        return reply
