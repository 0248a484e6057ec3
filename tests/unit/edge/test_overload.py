"""What edge does when there is too much of everything: it sheds page views before orders, and kindly."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING

from gameday.ledger.calls import wait_until
from tests.unit.edge.test_error_page import assert_friendly
from tests.unit.edge.test_home_page import assert_simple_home_page

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.edge.conftest import Edge, Reply, Upstream


def crowd(edge: Edge, count: int, path: str = "/product/p001", *, at_once: int | None = None) -> list[Reply]:
    """So many visitors, all of them or `at_once` at a time."""
    with ThreadPoolExecutor(at_once or count) as visitors:
        return list(visitors.map(lambda _: edge.ask(path), range(count)))


def crowd_inside(edge: Edge, upstream: Upstream, count: int) -> None:
    """So many visitors, none of whom is answered before web has heard of them all."""
    upstream.go.clear()
    with ThreadPoolExecutor(count) as visitors:
        asking = [visitors.submit(edge.ask) for _ in range(count)]
        all_inside = all(upstream.arrived.acquire(timeout=30) for _ in asking)
        upstream.go.set()
    assert all_inside
    assert all(one.result().status in {200, 503} for one in asking)


def test_page_views_beyond_the_limit_are_turned_away_kindly(
    start_edge: Callable[..., Edge], upstream: Upstream, patient: Path
) -> None:
    """Those within it are served; the rest get the friendly page with Retry-After, or the simple home page, at once."""
    edge = start_edge(upstream.address, files=patient, EDGE_PAGES_PER_S="5", EDGE_RETRIES="off")
    began = time.monotonic()
    replies = crowd(edge, 40)
    took_s = time.monotonic() - began
    away = [reply for reply in replies if reply.status != 200]
    assert len(away) >= max(1, 40 - 5 * (2 + took_s))  # five at once, and five each time that a second is full
    assert upstream.asked["GET"] == 40 - len(away)
    for reply in away:
        assert_friendly(reply)
    while not (simple := [home for home in crowd(edge, 20, "/") if home.body != upstream.body]):
        pass  # one after the other they may be slower than the limit
    for home in simple:
        assert_simple_home_page(home)


def test_whoever_is_about_to_buy_is_never_turned_away(
    start_edge: Callable[..., Edge], upstream: Upstream, patient: Path
) -> None:
    """Carts, the checkout, orders and edge's own health are beyond the limit on page views."""
    edge = start_edge(upstream.address, files=patient, EDGE_PAGES_PER_S="1")
    crowd(edge, 10)
    for _ in range(5):
        assert edge.ask("/healthz").status == 200
        assert edge.ask("/cart?id=c1").status == 200
        assert edge.ask("/checkout").status == 200
        assert edge.ask("/checkout", "POST", b"{}", idempotency_key="k").status == 200
        assert edge.ask("/cart/items", "POST", b"{}").status == 200


def test_without_the_limit_all_are_let_in(start_edge: Callable[..., Edge], upstream: Upstream, patient: Path) -> None:
    """EDGE_PAGES_PER_S=off is a real weakness."""
    edge = start_edge(upstream.address, files=patient, EDGE_PAGES_PER_S="off")
    assert {reply.status for reply in crowd(edge, 90, at_once=10)} == {200}


def test_a_web_that_answers_nothing_is_spared(
    start_edge: Callable[..., Edge], upstream: Upstream, patient: Path
) -> None:
    """After the first failures most get the page at once; orders are still tried, and pages when web is back."""
    upstream.status = 503
    edge = start_edge(upstream.address, files=patient, EDGE_RETRIES="off", EDGE_ADMISSION_CONTROL="on")
    crowd_inside(edge, upstream, 30)
    before = upstream.asked["GET"]
    for reply in crowd(edge, 30):
        assert_friendly(reply)
    assert upstream.asked["GET"] - before < 10
    assert edge.ask("/checkout", "POST", b"{}", idempotency_key="k").status == 503
    assert upstream.asked["POST"] == 1
    upstream.status = 200
    until = time.monotonic() + 60  # it remembers the failures for 30 s
    while edge.ask().status != 200:
        assert time.monotonic() < until
    assert edge.ask("/cart").status == 200


def test_a_web_that_answers_some_is_not(start_edge: Callable[..., Edge], upstream: Upstream, patient: Path) -> None:
    """With one page in three no visitor is turned away unheard: it may be one kind of page that fails."""
    edge = start_edge(upstream.address, files=patient, EDGE_RETRIES="off", EDGE_ADMISSION_CONTROL="on")
    upstream.statuses = [200, 503, 503] * 15
    crowd_inside(edge, upstream, 30)  # for answers overtake each other: the first that edge hears may all be 503
    crowd(edge, 15)  # whatever their order, of all so far a quarter is good
    assert upstream.asked["GET"] == 45


def test_without_admission_control_web_is_asked_for_every_page(
    start_edge: Callable[..., Edge], upstream: Upstream, patient: Path
) -> None:
    """EDGE_ADMISSION_CONTROL=off is a real weakness."""
    upstream.status = 503
    edge = start_edge(upstream.address, files=patient, EDGE_RETRIES="off", EDGE_ADMISSION_CONTROL="off")
    crowd(edge, 25)
    crowd(edge, 20)
    assert upstream.asked["GET"] == 45


def test_retries_do_not_triple_the_load(start_edge: Callable[..., Edge], upstream: Upstream, patient: Path) -> None:
    """Of a crowd that fails a quarter is tried again; EDGE_RETRY_BUDGET=off, a real weakness, tries all, twice."""
    upstream.status = 0
    edge = start_edge(upstream.address, files=patient, EDGE_RETRY_BUDGET="on")
    first, again = upstream.go, Event()
    first.clear()
    with ThreadPoolExecutor(60) as visitors:
        asking = [visitors.submit(edge.ask) for _ in range(60)]
        all_inside = all(upstream.arrived.acquire(timeout=30) for _ in asking)
        upstream.go = again
        first.set()  # all first tries fail; no second one does before each visitor has an answer or such a try
        all_heard = wait_until(lambda: sum(one.done() for one in asking) + upstream.asked["GET"] == 120, 30)
        again.set()
    assert all_inside
    assert all_heard
    assert 60 < upstream.asked["GET"] < 120
    upstream.asked.clear()
    crowd(start_edge(upstream.address, files=patient, EDGE_RETRY_BUDGET="off"), 60)
    assert upstream.asked["GET"] == 180
