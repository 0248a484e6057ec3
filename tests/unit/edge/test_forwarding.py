"""What edge does with requests that it can forward: retries, deadlines, and what it never forwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.edge.conftest import Edge, Upstream


def test_reads_are_tried_again(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """A read that is hung up on twice succeeds for the visitor."""
    edge = start_edge(upstream.address)
    upstream.statuses = [0, 0, 200]
    assert edge.ask().status == 200
    assert upstream.asked["GET"] == 3


def test_what_web_has_answered_is_not_asked_again(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """It has tried its peers by itself: to ask anew would only make the visitor wait as long again."""
    edge = start_edge(upstream.address)
    upstream.statuses = [503, 200]
    assert edge.ask().status == 503
    assert upstream.asked["GET"] == 1


def test_orders_with_a_key_are_tried_again(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """The idempotency key makes a repeated order safe, so it is repeated."""
    edge = start_edge(upstream.address)
    upstream.statuses = [0, 201]
    assert edge.ask("/checkout", "POST", b"{}", idempotency_key="k1").status == 201
    assert upstream.asked["POST"] == 2


def test_orders_without_a_key_are_never_sent_twice(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """What reached web once and is not known to be safe is not repeated."""
    edge = start_edge(upstream.address)
    upstream.statuses = [0, 201]
    assert edge.ask("/cart/items", "POST", b"{}").status == 503
    assert upstream.asked["POST"] == 1


def test_retries_can_be_taken_away(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """EDGE_RETRIES=off is a real weakness: the first failure is the visitor's."""
    edge = start_edge(upstream.address, EDGE_RETRIES="off")
    upstream.statuses = [0, 200]
    assert edge.ask().status == 503
    assert upstream.asked["GET"] == 1


def test_a_client_cannot_steer_the_proxy(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """Envoy's own request headers, sent from outside, change neither retries nor deadlines."""
    edge = start_edge(upstream.address, EDGE_RETRIES="off")
    upstream.statuses = [0, 200]
    steering: dict[str, Any] = {
        "x_envoy_max_retries": "3",
        "x_envoy_retry_on": "5xx",
        "x_envoy_upstream_rq_timeout_ms": "1",
    }
    assert edge.ask(**steering).status == 503
    assert upstream.asked["GET"] == 1


@pytest.mark.parametrize("path", ["/healthz"])
def test_health_is_edges_own(start_edge: Callable[..., Edge], upstream: Upstream, path: str) -> None:
    """Edge is healthy whatever web is, and does not ask it."""
    edge = start_edge(upstream.address)
    upstream.status = 500
    assert edge.ask(path).status == 200
    assert not upstream.asked


def test_only_one_door_is_open(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """The admin interface is a socket in the pod's own folder, readable by its owner alone, and not a port."""
    edge = start_edge(upstream.address)
    socket = edge.log.with_name("admin.sock")
    assert socket.is_socket()
    assert socket.stat().st_mode & 0o077 == 0


def test_the_log_knows_the_request(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """Each answer is one line of the log, found by the id that the visitor quotes."""
    edge = start_edge(upstream.address)
    reply = edge.ask("/product/p001")
    edge.ask("/healthz")
    assert edge.stop()
    lines = [line for line in edge.log.read_text().splitlines() if line.startswith("{")]
    assert len(lines) == 1
    assert f'"{reply.headers["x-request-id"]}"' in lines[0]
