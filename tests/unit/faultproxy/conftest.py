"""The fault proxy as a process, with real sockets and a real HTTP server behind it."""

from __future__ import annotations

import http.client
import http.server
import os
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from gameday.ledger.exchange import exchange
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "a-test-token"
HOST = f"127.0.{1 + os.getpid() // 250 % 250}.{1 + os.getpid() % 250}"
"""An address of this process alone: on 127.0.0.1 anybody may take a port between its choice and its use."""


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers GET and POST with what it was sent, in one piece, on connections that stay open."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 20

    def do_POST(self) -> None:
        """Echo the body."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))) or self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST  # noqa: N815  # http.server names it

    def log_message(self, *args: Any) -> None:
        """Be quiet."""


class Server(http.server.ThreadingHTTPServer):
    """One that many may connect to at once."""

    daemon_threads = True
    request_queue_size = 256


@dataclass
class Proxy:
    """A proxy under test."""

    process: subprocess.Popen[str]
    port: int
    raw_port: int
    control: str
    listener: socket.socket

    def ask(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """One control exchange."""
        return exchange(self.control + path, method=method, body=body, token=TOKEN, timeout_s=30)

    def delay(self, latency_ms: float, ttl_s: float = 30, fault: str = "f1", jitter_ms: float = 0) -> Any:
        """Set a delay."""
        return self.set("delay", latency_ms=latency_ms, jitter_ms=jitter_ms, ttl_s=ttl_s, id=fault)

    def set(self, kind: str, **parameters: Any) -> Any:
        """Set a fault of any kind."""
        return self.ask("/fault", "POST", {"id": "f1", "kind": kind, "ttl_s": 30, **parameters})

    def touched(self, fault: str = "f1") -> Any:
        """What a fault has touched."""
        return self.ask("/stats")["faults"][fault]

    def connect(self) -> http.client.HTTPConnection:
        """An HTTP connection through it."""
        return http.client.HTTPConnection(HOST, self.port, timeout=30)


def timed(connection: http.client.HTTPConnection) -> float:
    """Seconds that a GET takes."""
    started = time.monotonic()
    connection.request("GET", "/x")
    assert connection.getresponse().read() == b"/x"
    return time.monotonic() - started


def await_start(process: subprocess.Popen[str]) -> None:
    """Wait for the line that says it listens."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], 20)
    assert readable
    assert "fault proxy" in process.stdout.readline()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy before an HTTP server (first port) and before a bare listener (second port)."""
    with started() as running:
        yield running


@contextmanager
def started(*launcher: str) -> Iterator[Proxy]:
    """A proxy, if need be by a program that takes the command to run."""
    server = Server((HOST, 0), Echo)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    listener = socket.create_server((HOST, 0))
    listener.settimeout(10)
    port, raw_port, control = free_ports(HOST, 3)
    environment = {
        **os.environ,
        "POD_IP": HOST,
        "ROUTES": f"{port}={server.server_address[1]},{raw_port}={listener.getsockname()[1]}",
        "UPSTREAM_HOST": HOST,
        "CONTROL_PORT": str(control),
        "CONTROL_TOKEN": TOKEN,
    }
    process = subprocess.Popen(
        [*launcher, sys.executable, "-m", "gameday.faultproxy"], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        await_start(process)
        yield Proxy(process, port, raw_port, f"http://{HOST}:{control}", listener)
    finally:
        process.kill()
        process.communicate()
        server.shutdown()
        thread.join()
        server.server_close()
        listener.close()
