"""The mailbox as probes read it: over one connection, which may break."""

from __future__ import annotations

import json
import threading
import time
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
    ahead_s = 0.0

    def date_time_string(self, timestamp: float | None = None) -> str:
        """By a clock that is `ahead_s` off."""
        return super().date_time_string(int((timestamp or time.time()) + self.ahead_s))

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
    Sink.connections, Sink.answers, Sink.ahead_s = set(), 0, 0.0
    with ThreadingHTTPServer(("127.0.0.1", 0), Sink) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_connection_is_kept_and_made_anew_when_it_broke(sink: ThreadingHTTPServer) -> None:
    """Four looks need two connections: a broken one is no missing answer."""
    postbox = Postbox(f"http://127.0.0.1:{sink.server_port}")
    assert [postbox.recipients() for _ in range(4)] == [[], [], [], []]
    assert (Sink.answers, len(Sink.connections)) == (4, 2)


@pytest.mark.parametrize("ahead_s", [-30.0, 30.0])
def test_a_sink_whose_clock_is_off_tells_nothing(sink: ThreadingHTTPServer, ahead_s: float) -> None:
    """A mail that came after the switch was thrown would look as if it had come before: nobody can tell when.

    To whom mails went can be told.
    """
    Sink.ahead_s = ahead_s
    postbox = Postbox(f"http://127.0.0.1:{sink.server_port}")
    assert postbox.recipients() == []
    with pytest.raises(BooksError, match=r"is [+-](29|30|31) s off this machine's, at most 1 s"):
        postbox.check_clock()
    Sink.ahead_s = 0
    assert postbox.mails() == []
    postbox.check_clock()


def test_a_second_more_or_less_is_not_told_from_none(sink: ThreadingHTTPServer) -> None:
    """The date has no part of a second."""
    postbox = Postbox(f"http://127.0.0.1:{sink.server_port}")
    for ahead_s in (-1.0, 1.0):
        Sink.ahead_s = ahead_s
        assert postbox.recipients() == []
        postbox.check_clock()


def test_a_mailbox_that_is_gone_cannot_be_read() -> None:
    """Nobody listens there: a probe is told so, in one line."""
    with pytest.raises(BooksError, match=r"no answer from http://127\.0\.0\.1:1/api"):
        Postbox("http://127.0.0.1:1").recipients()
