"""The mailbox as probes read it: over one connection, which may break."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from gameday.activities.books import BooksError
from gameday.activities.mailbox import Postbox

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sink(BaseHTTPRequestHandler):
    """Says that there is no mail, and hangs up after every second answer without having said so."""

    protocol_version = "HTTP/1.1"
    connections: set[tuple[str, int]]
    answers = 0

    def do_GET(self) -> None:
        """Answer."""
        type(self).connections.add(self.client_address)
        type(self).answers += 1
        body = json.dumps({"messages": [], "total": 0}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.answers % 2 == 0

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def sink() -> Iterator[ThreadingHTTPServer]:
    """A server that behaves so."""
    Sink.connections, Sink.answers = set(), 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Sink) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_connection_is_kept_and_made_anew_when_it_broke(sink: ThreadingHTTPServer) -> None:
    """Four looks need two connections: a broken one is no missing answer."""
    postbox = Postbox(f"http://127.0.0.1:{sink.server_port}")
    assert [postbox.recipients() for _ in range(4)] == [[], [], [], []]
    assert (Sink.answers, len(Sink.connections)) == (4, 2)


def test_a_mailbox_that_is_gone_cannot_be_read() -> None:
    """Nobody listens there: a probe is told so, in one line."""
    with pytest.raises(BooksError, match=r"no answer from http://127\.0\.0\.1:1/api"):
        Postbox("http://127.0.0.1:1").recipients()
