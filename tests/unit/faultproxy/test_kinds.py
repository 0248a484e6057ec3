"""What each kind of fault does to connections, those that are open at its onset included."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from gameday.ledger.calls import wait_until
from tests.unit.faultproxy.conftest import HOST, started, timed

if TYPE_CHECKING:
    from tests.unit.faultproxy.conftest import Proxy

BROKEN = (ConnectionResetError, BrokenPipeError)


def test_a_throttle_slows_what_passes_both_ways_and_ends_at_once(proxy: Proxy) -> None:
    """40 kB at 100 kB/s take 0.4 s up and as long down; cleared in the middle, the rest goes on without delay."""
    connection = proxy.connect()
    timed(connection)
    proxy.set("throttle", bytes_per_s=100_000)
    started = time.monotonic()
    connection.request("POST", "/", b"x" * 40_000)
    assert connection.getresponse().read() == b"x" * 40_000
    assert 0.6 <= time.monotonic() - started < 8
    assert proxy.touched()["bytes"] > 60_000  # of 80; a last small piece may come when the line is free again
    started = time.monotonic()
    threading.Timer(0.3, proxy.ask, ["/fault/f1", "DELETE"]).start()
    connection.request("POST", "/", b"x" * 4_000_000)
    assert len(connection.getresponse().read()) == 4_000_000
    assert time.monotonic() - started < 40  # of the 80 that it would have taken


def test_a_throttle_of_one_direction_leaves_the_other_alone(proxy: Proxy) -> None:
    """A long answer to a short question is slow downwards, and neither slow nor touched upwards."""
    connection = proxy.connect()
    proxy.set("throttle", bytes_per_s=100_000, direction="up", id="up")
    started = time.monotonic()
    connection.request("GET", "/" + "x" * 40_000)
    assert len(connection.getresponse().read()) == 40_001
    assert time.monotonic() - started >= 0.3
    assert proxy.touched("up")["bytes"] < 41_000  # whatever waits downwards would be counted too
    proxy.ask("/fault/up", "DELETE")
    proxy.set("throttle", bytes_per_s=100_000, direction="down")
    timed(connection)
    assert proxy.touched()["messages"] == 0


def test_what_is_slow_enough_by_itself_is_not_touched_by_a_throttle(proxy: Proxy) -> None:
    """A fault that held nothing back proves nothing."""
    proxy.set("throttle", bytes_per_s=100_000_000)
    timed(proxy.connect())
    assert proxy.touched()["messages"] == 0
    proxy.ask("/fault/f1", "DELETE")
    proxy.delay(0, fault="f2")
    timed(proxy.connect())
    assert proxy.touched("f2")["messages"] == 0


def test_small_messages_too_wait_for_those_before_them(proxy: Proxy) -> None:
    """At four bytes a second eight of one byte need nearly two seconds, and most are counted."""
    with socket.create_connection((HOST, proxy.raw_port), timeout=10) as client:
        upstream, _ = proxy.listener.accept()
        with upstream:
            proxy.set("throttle", bytes_per_s=4)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            upstream.settimeout(10)
            started = time.monotonic()
            for _ in range(8):
                client.sendall(b"x")
                assert upstream.recv(1) == b"x"
            assert 1.6 <= time.monotonic() - started < 20
    assert 4 <= proxy.touched()["messages"] < 8  # the first comes to a free line


def test_a_reset_breaks_open_and_new_connections_until_it_ends(proxy: Proxy) -> None:
    """With its whole share; each is counted."""
    connection = proxy.connect()
    timed(connection)
    proxy.set("reset")
    with pytest.raises(BROKEN):
        timed(connection)
    with (
        pytest.raises(ConnectionResetError),  # it may come before connecting has returned
        socket.create_connection((HOST, proxy.port), timeout=10) as client,
    ):
        client.recv(1)
    assert proxy.touched()["connections"] == 2
    proxy.ask("/fault/f1", "DELETE")
    timed(proxy.connect())


def test_a_reset_reaches_a_connection_whose_upstream_has_not_answered_yet(proxy: Proxy) -> None:
    """The client's side breaks at once, the upstream's as soon as it is there."""
    proxy.listener.listen(0)
    with socket.create_connection(proxy.listener.getsockname(), timeout=10):  # no room for the proxy's beside it
        with socket.create_connection((HOST, proxy.raw_port), timeout=10) as client:
            assert wait_until(lambda: proxy.ask("/stats")["connections"] == 1, 10)
            proxy.set("reset")
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        assert proxy.touched()["connections"] == 1
        first, upstream = proxy.listener.accept()[0], proxy.listener.accept()[0]
    with first, upstream:
        upstream.settimeout(10)
        with pytest.raises(ConnectionResetError):
            upstream.recv(1)


def test_a_share_of_resets_repeats_with_its_seed() -> None:
    """Of 40 connections about half break, the same ones with the same seed, others with another."""

    def broken(seed: int) -> list[bool]:
        found = []
        with started() as proxy:  # a fresh one: connections of before that it still has to close are drawn for too
            proxy.set("reset", share=0.5, seed=seed)
            for _ in range(40):
                try:
                    timed(proxy.connect())
                    found.append(False)
                except BROKEN:
                    found.append(True)
        return found

    first = broken(1)
    assert 8 <= sum(first) <= 32
    assert broken(1) == first != broken(2)


def test_a_blackhole_holds_what_is_sent_and_lets_it_go_in_the_end(proxy: Proxy) -> None:
    """On an open connection and on a new one: no answer, no error; after the undo the answer comes."""
    connections = [proxy.connect(), proxy.connect()]
    timed(connections[0])
    proxy.set("blackhole")
    for connection in connections:
        connection.request("GET", "/x")
        assert connection.sock is not None
        connection.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.sock.recv(1)
        connection.sock.settimeout(10)
    assert wait_until(lambda: proxy.touched()["requests"] == 2, 10)
    proxy.ask("/fault/f1", "DELETE")
    assert [connection.getresponse().read() for connection in connections] == [b"/x", b"/x"]


def test_a_blackhole_swallows_an_answer_that_is_under_way(proxy: Proxy) -> None:
    """What the upstream sends after the onset does not arrive, whoever asked before."""
    with socket.create_connection((HOST, proxy.raw_port), timeout=10) as client:
        upstream, _ = proxy.listener.accept()
        with upstream:
            client.sendall(b"question")
            assert upstream.recv(100) == b"question"
            proxy.set("blackhole")
            upstream.sendall(b"answer")
            client.settimeout(0.3)
            with pytest.raises(TimeoutError):
                client.recv(100)
            proxy.ask("/fault/f1", "DELETE")
            client.settimeout(10)
            assert client.recv(100) == b"answer"


@pytest.mark.parametrize("how", ["closed", "reset", "refused"])
def test_a_blackhole_holds_the_end_of_a_connection_too(proxy: Proxy, how: str) -> None:
    """An upstream that closes, breaks or refuses is not heard of either, before the undo."""
    if how == "refused":
        proxy.set("blackhole")
        proxy.listener.close()
    with socket.create_connection((HOST, proxy.raw_port), timeout=10) as client:
        if how != "refused":
            upstream, _ = proxy.listener.accept()
            proxy.set("blackhole")
            if how == "reset":
                upstream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            upstream.close()
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        proxy.ask("/fault/f1", "DELETE")
        client.settimeout(10)
        if how == "closed":
            assert client.recv(1) == b""
        else:
            with pytest.raises(ConnectionResetError):
                client.recv(1)


def test_a_blackhole_that_holds_many_connections_can_still_be_ended() -> None:
    """More than a process may have open at first: control is heard all the same, and all of them get their answers."""
    with started("sh", "-c", 'ulimit -S -n 64; exec "$@"', "sh") as proxy, ExitStack() as opened:
        proxy.set("blackhole")
        connections = [opened.enter_context(closing(proxy.connect())) for _ in range(100)]
        for connection in connections:
            connection.request("GET", "/x")
        assert wait_until(lambda: proxy.touched()["requests"] == 100, 30)
        proxy.ask("/fault/f1", "DELETE")
        assert {connection.getresponse().read() for connection in connections} == {b"/x"}


def test_a_throttle_that_is_over_slows_no_other_fault(proxy: Proxy) -> None:
    """Not by the time that its last byte would have taken."""
    connection = proxy.connect()
    proxy.set("throttle", bytes_per_s=1, id="slow")
    connection.request("GET", "/x")
    assert wait_until(lambda: proxy.touched("slow")["messages"] == 1, 10)
    proxy.ask("/fault/slow", "DELETE")
    assert connection.getresponse().read() == b"/x"
    proxy.set("throttle", bytes_per_s=1e9, id="fast")
    timed(connection)
    assert proxy.touched("fast")["messages"] == 0


def test_the_same_fault_once_more_only_renews_its_time(proxy: Proxy) -> None:
    """What a blackhole holds stays held, and no connection is drawn for twice."""
    connection = proxy.connect()
    timed(connection)
    proxy.set("blackhole", ttl_s=20)
    connection.request("GET", "/x")
    assert connection.sock is not None
    connection.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        connection.sock.recv(1)
    assert proxy.set("blackhole", ttl_s=60)["faults"]["f1"]["ttl_left_s"] > 30
    with pytest.raises(TimeoutError):
        connection.sock.recv(1)
    proxy.ask("/fault/f1", "DELETE")
    connection.sock.settimeout(10)
    assert connection.getresponse().read() == b"/x"
    connections = [proxy.connect() for _ in range(20)]
    for one in connections:
        timed(one)
    proxy.set("reset", share=0.5, seed=4, id="f2")
    drawn = proxy.touched("f2")["connections"]
    proxy.set("reset", share=0.5, seed=4, id="f2")
    assert 1 <= proxy.touched("f2")["connections"] == drawn < 20


def test_aborted_requests_are_answered_and_never_arrive(proxy: Proxy) -> None:
    """With the status, on a connection that stays; body and all, so that the next request is understood."""
    connection = proxy.connect()
    timed(connection)
    proxy.set("abort", status=503)
    for method, body in (("POST", b"y" * 200_000), ("GET", None), ("HEAD", None)):
        connection.request(method, "/x", body)
        answer = connection.getresponse()
        assert (answer.status, answer.headers["X-Gameday-Fault"]) == (503, "f1")
        assert (b"f1" in answer.read()) == (method != "HEAD")
    before = proxy.ask("/stats")
    assert before["faults"]["f1"]["requests"] == 3
    proxy.ask("/fault/f1", "DELETE")
    timed(connection)
    assert proxy.ask("/stats")["connections"] == before["connections"] == 1


def test_an_abort_has_the_body_and_headers_that_were_given(proxy: Proxy) -> None:
    """As they are, in UTF-8; the length is the proxy's to say, and the fault is named all the same."""
    headers = {"retry-after": "7", "content-type": "text/html", "x-gameday-fault": "another"}
    proxy.set("abort", status=429, body="<p>désolé</p>", headers=headers)
    connection = proxy.connect()
    connection.request("GET", "/x")
    answer = connection.getresponse()
    assert (answer.status, answer.read().decode()) == (429, "<p>désolé</p>")
    named = {name: answer.headers.get_all(name) for name in ("Retry-After", "Content-Type", "X-Gameday-Fault")}
    assert named == {"Retry-After": ["7"], "Content-Type": ["text/html"], "X-Gameday-Fault": ["f1"]}


def test_an_abort_of_a_body_whose_end_is_unknown_ends_the_connection(proxy: Proxy) -> None:
    """Chunks, or a client that waits to be told to go on: it is told the status, and that the connection is over."""
    proxy.set("abort", status=500)
    connection = proxy.connect()
    connection.request("POST", "/x", iter([b"one", b"two"]), encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Connection"]) == (500, "close")
    with socket.create_connection((HOST, proxy.port), timeout=10) as client:
        client.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")


def test_pipelined_requests_are_each_aborted_in_order(proxy: Proxy) -> None:
    """Two in one piece, the second's head torn: two answers."""
    proxy.set("abort", status=502)
    request = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection((HOST, proxy.port), timeout=10) as client:
        client.sendall(request + request[:20])
        client.sendall(request[20:])
        client.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: client.recv(1000), b""))
    assert said.count(b"HTTP/1.1 502 Bad Gateway") == 2


def test_a_share_of_requests_is_aborted_and_the_others_arrive(proxy: Proxy) -> None:
    """On one connection, by the seed."""
    proxy.set("abort", status=503, share=0.5, seed=7)
    connection = proxy.connect()
    statuses = []
    for _ in range(40):
        connection.request("GET", "/x")
        answer = connection.getresponse()
        statuses.append(answer.status)
        answer.read()
    assert 8 <= statuses.count(503) <= 32
    assert set(statuses) == {200, 503}
    assert proxy.touched()["requests"] == statuses.count(503)


def test_a_share_of_requests_is_delayed(proxy: Proxy) -> None:
    """About half of them by 200 ms; as many as are counted, and the others not."""
    proxy.set("delay", latency_ms=200, share=0.5, seed=3)
    connection = proxy.connect()
    took_s = sorted(timed(connection) for _ in range(30))
    touched = proxy.touched()["requests"]
    assert 5 <= touched <= 25
    assert took_s[-touched] >= 0.2
    assert took_s[0] < 0.2  # no more than that, for this machine may be slow besides
