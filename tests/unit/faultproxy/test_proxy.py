"""The fault proxy with no fault, with a delay, and on its way out."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from gameday.ledger.exchange import ExchangeError, exchange
from tests.unit.faultproxy.conftest import HOST, timed

if TYPE_CHECKING:
    from tests.unit.faultproxy.conftest import Proxy


def test_it_passes_requests_through(proxy: Proxy) -> None:
    """Without a fault, bodies arrive whole, connections stay open, and everything is counted."""
    connection = proxy.connect()
    body = os.urandom(300_000)
    for _ in range(3):
        connection.request("POST", "/", body)
        assert connection.getresponse().read() == body
    stats = proxy.ask("/stats")
    assert (stats["connections"], stats["requests"], stats["faults"]) == (1, 3, {})
    assert stats["bytes_up"] > 900_000
    assert stats["bytes_down"] > 900_000


def test_a_delay_reaches_open_connections_and_ends_at_once(proxy: Proxy) -> None:
    """Onset and undo are one control call each, for connections that were there before too."""
    connection = proxy.connect()
    timed(connection)
    assert proxy.delay(5000)["faults"]["f1"]["latency_ms"] == 5000
    delayed_s = timed(connection)
    assert 5 <= delayed_s < 20
    assert proxy.ask("/fault/f1", "DELETE")["faults"] == {}
    assert timed(connection) < delayed_s
    touched = proxy.ask("/stats")["faults"]["f1"]
    assert (touched["messages"], touched["requests"], touched["clients"]) == (1, 1, {"127.0.0.1": 1})


def test_clearing_releases_what_is_held_back(proxy: Proxy) -> None:
    """A request that waits in the proxy goes on the moment the fault is cleared."""
    proxy.delay(30_000)
    connection = proxy.connect()
    started = time.monotonic()
    connection.request("GET", "/x")
    while not proxy.ask("/stats")["faults"]["f1"]["messages"]:
        assert time.monotonic() < started + 15
    proxy.ask("/fault/f1", "DELETE")
    assert connection.getresponse().read() == b"/x"
    assert time.monotonic() - started < 25


def test_a_fault_ends_by_itself_when_its_time_to_live_is_over(proxy: Proxy) -> None:
    """Nobody has to come back for it."""
    proxy.delay(30_000, ttl_s=0.3)
    assert timed(proxy.connect()) < 20
    assert proxy.ask("/fault")["faults"] == {}


def test_delayed_chunks_keep_their_order_and_do_not_add_up(proxy: Proxy) -> None:
    """A large body is late by the latency once, not once a chunk, and arrives as it was sent."""
    proxy.delay(200, jitter_ms=100)
    body = os.urandom(8_000_000)
    connection = proxy.connect()
    started = time.monotonic()
    connection.request("POST", "/", body)
    assert connection.getresponse().read() == body
    assert 0.1 <= time.monotonic() - started < 12  # of the 24 that it would be, once a chunk


def test_half_close_passes_through(proxy: Proxy) -> None:
    """The upstream sees the client's end of file, and can still answer."""
    with socket.create_connection((HOST, proxy.raw_port), timeout=10) as client:
        upstream, _ = proxy.listener.accept()
        with upstream:
            upstream.settimeout(10)
            client.sendall(b"all I have")
            client.shutdown(socket.SHUT_WR)
            assert upstream.recv(100) == b"all I have"
            assert upstream.recv(100) == b""
            upstream.sendall(b"late answer")
            upstream.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b"late answer"
        assert client.recv(100) == b""


def test_a_reset_passes_through(proxy: Proxy) -> None:
    """When the upstream resets, the client sees a reset, not a tidy end."""
    with socket.create_connection((HOST, proxy.raw_port), timeout=10) as client:
        upstream, _ = proxy.listener.accept()
        upstream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        upstream.close()
        with pytest.raises(ConnectionResetError):
            client.recv(100)


def test_an_upstream_that_refuses_resets_the_client(proxy: Proxy) -> None:
    """A dead upstream is a failed connection, never an empty success."""
    proxy.listener.close()
    with (  # the reset may come before connecting has returned
        pytest.raises(ConnectionResetError),
        socket.create_connection((HOST, proxy.raw_port), timeout=10) as client,
    ):
        client.recv(100)
    assert proxy.ask("/stats")["refused"] == 1


def test_control_wants_its_token(proxy: Proxy) -> None:
    """Everything but readiness answers 401 without the token."""
    assert exchange(f"{proxy.control}/ready") == {"ready": True}
    for path, method in (("/stats", "GET"), ("/fault", "GET"), ("/fault", "POST"), ("/fault/f1", "DELETE")):
        with pytest.raises(ExchangeError, match="401"):
            exchange(proxy.control + path, method=method, body={}, token="wrong")


@pytest.mark.parametrize(
    "body",
    [{}, {"id": "f"}, {"id": "f", "kind": "x"}, [], *({"id": "f", "kind": "delay", **wrong} for wrong in (
        {"latency_ms": -1, "ttl_s": 1}, {"latency_ms": "1", "ttl_s": 1}, {"latency_ms": True, "ttl_s": 1},
        {"latency_ms": 1}, {"latency_ms": 1, "ttl_s": 1, "x": 1}, {"latency_ms": 1, "ttl_s": 1, "share": 1.1},
     )), *({"id": "f", "ttl_s": 1, **wrong} for wrong in (
        {"kind": "throttle", "bytes_per_s": 0}, {"kind": "abort", "status": 200}, {"kind": "abort", "status": 500.5},
        {"kind": "blackhole", "share": 1}, {"kind": "reset", "share": None},
        {"kind": "throttle", "bytes_per_s": 9, "direction": "left"},
     )), *({"id": "f", "ttl_s": 1, "kind": "abort", "status": 503, **wrong} for wrong in (
        {"body": 5}, {"body": "x" * 16_385}, {"body": "\ud800"}, {"headers": ["A"]}, {"headers": {"A": 1}},
        {"headers": {"A b": "x"}}, {"headers": {"A": "x\r\nB: y"}}, {"headers": {"Content-length": "1"}},
        {"headers": {f"X-{n}": "" for n in range(21)}},
     ))],
)  # fmt: skip
def test_a_fault_that_makes_no_sense_is_refused(proxy: Proxy, body: Any) -> None:
    """The answer is 400 and nothing is in force."""
    with pytest.raises(ExchangeError, match="400"):
        proxy.ask("/fault", "POST", body)
    assert proxy.ask("/fault")["faults"] == {}


def test_one_fault_at_a_time(proxy: Proxy) -> None:
    """A second id is refused, the same id renews, and clearing an unknown id changes nothing."""
    proxy.delay(10)
    with pytest.raises(ExchangeError, match="409"):
        proxy.delay(20, fault="f2")
    proxy.delay(20)
    assert proxy.ask("/fault/f2", "DELETE")["faults"]["f1"]["latency_ms"] == 20


def test_on_sigterm_an_exchange_under_way_is_finished(proxy: Proxy) -> None:
    """It answers what it has taken, turns unready, and leaves with status 0."""
    idle = proxy.connect()
    timed(idle)
    with socket.create_connection((HOST, proxy.raw_port), timeout=10) as client:
        upstream, _ = proxy.listener.accept()
        with upstream:
            client.sendall(b"question")
            assert upstream.recv(100) == b"question"
            proxy.process.send_signal(signal.SIGTERM)
            upstream.sendall(b"answer")
            assert client.recv(100) == b"answer"
            assert client.recv(100) == b""
    assert proxy.process.wait(timeout=10) == 0


def test_settings_that_are_missing_are_named() -> None:
    """It says which variable it lacks, in one line, and exits with 2."""
    environment = {k: v for k, v in os.environ.items() if k != "ROUTES"}
    ran = subprocess.run(
        [sys.executable, "-m", "gameday.faultproxy"], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("fault proxy: ROUTES")
    assert ran.stderr.count("\n") == 1
