"""Requests that edge cannot read, or will not wait for: a kind 4xx, in nobody's words but ours."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from gameday.pages import judge_error_page
from tests.unit.edge.conftest import Reply
from tests.unit.edge.test_error_page import assert_friendly

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.edge.conftest import Edge, Upstream

HEAD = b"GET /product/p001 HTTP/1.1\r\nhost: shop\r\naccept: text/html\r\n"
TEN_MB = 10 * 1024 * 1024
BAD = {
    "a header too large": (HEAD + b"x: " + b"y" * 90_000 + b"\r\n\r\n", 431),
    "a flood of headers": (HEAD + b"".join(b"x-%d: y\r\n" % n for n in range(300)) + b"\r\n", 431),
    "no HTTP": (b"hello\r\n\r\n", 400),
    "a control character": (HEAD + b"x: \x00\r\n\r\n", 400),
    "two lengths": (HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
    "a length and chunks": (HEAD + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
    "a length that is none": (HEAD + b"content-length: many\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "HTTP of the nineties": (b"GET /\r\n\r\n", 426),
}


def send(edge: Edge, *parts: bytes) -> Reply:
    """Bytes as they are, on a connection of their own; the answer, read to its end."""
    with socket.create_connection((edge.address, 8080), timeout=60) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except OSError:
            pass  # the answer came before the end of what we had to say
        answer = b""
        while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) < _length(answer):
            try:
                more = connection.recv(65536)
            except ConnectionError:
                break
            if not more:
                break
            answer += more
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return Reply(int(lines[0].split()[1]) if answer else 0, headers, body)


def _length(answer: bytes) -> int:
    lines = answer.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    return next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length")), 0)


def assert_kind(reply: Reply, status: int) -> None:
    """Hold a reply against what a page for a bad request must be: all that an error page is, save whose fault it is."""
    assert reply.status == status
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert "could not read that" in reply.text
    flaws = judge_error_page(status, reply.headers | {"x-request-id": "html"}, reply.body, "en")
    assert [flaw for flaw in flaws if "our fault" not in flaw and not flaw.startswith("status:")] == []


@pytest.mark.parametrize("how", BAD)
def test_what_edge_cannot_read_is_said_kindly(start_edge: Callable[..., Edge], upstream: Upstream, how: str) -> None:
    """Web never hears of it, and the visitor hears nothing of Envoy."""
    request, status = BAD[how]
    assert_kind(send(start_edge(upstream.address), request), status)
    assert not upstream.asked


@pytest.mark.parametrize("announced", [True, False])
def test_ten_megabytes_are_too_many(start_edge: Callable[..., Edge], upstream: Upstream, announced: bool) -> None:  # noqa: FBT001
    """Whether the length is told beforehand or not: 413, a page for people and a problem for programs."""
    edge = start_edge(upstream.address)
    for accept, kind in ((b"text/html", "html"), (b"application/json", "json")):
        length = b"content-length: %d" % TEN_MB if announced else b"transfer-encoding: chunked"
        head = b"POST /checkout HTTP/1.1\r\nhost: shop\r\naccept: " + accept + b"\r\n" + length + b"\r\n\r\n"
        body = b"x" * TEN_MB if announced else b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        reply = send(edge, head, *([body] if announced else [body] * 160))
        if kind == "html":
            assert_kind(reply, 413)
        else:
            assert reply.status == json.loads(reply.text)["status"] == 413
            assert reply.headers["content-type"] == "application/problem+json"
    assert not upstream.asked


def test_who_is_too_slow_is_told(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """A visitor who does not come to the point keeps nobody busy: 408 in seconds, and web has not heard of it."""
    edge = start_edge(upstream.address)
    assert_kind(send(edge, HEAD), 408)
    begun = b"POST /checkout HTTP/1.1\r\nhost: shop\r\naccept: text/html\r\ncontent-length: 10\r\n\r\nhalf"
    assert_kind(send(edge, begun), 408)
    assert not upstream.asked


def test_a_bad_path_is_webs_to_answer(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """What can be read is passed on; web knows best what it has not."""
    upstream.status, upstream.body = 404, b"no such page"
    reply = start_edge(upstream.address).ask("/no/such/page?%00=%ff")
    assert (reply.status, reply.body) == (404, b"no such page")


def test_a_large_answer_of_a_failing_web_is_dropped(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """Whatever its size, a failure is one small page."""
    upstream.status, upstream.body = 500, b"x" * 2_000_000
    assert_friendly(start_edge(upstream.address).ask(), status=500)
