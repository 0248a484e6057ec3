"""Shoppers against a real HTTP server that behaves, lies, hangs and forgets."""

import asyncio
import socket
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from gameday.ledger.calls import wait_until
from gameday.load.behaviours import CartBook, Stock, visit_shop
from gameday.load.client import Answer, Client
from gameday.load.samples import Recorder
from gameday.load.schedule import arrivals
from gameday.load.shoppers import IN_TIME_S, Plan, Shoppers, Surge
from gameday.load.stalls import Heartbeat, Stall

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextmanager
def _shop(handler: Handler) -> Iterator[str]:
    """A server on a free loopback port; yields its URL."""
    ready, opened = threading.Event(), []

    async def serve() -> None:
        runner = web.AppRunner(_app(handler), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        closing = asyncio.Event()
        opened.append((f"http://127.0.0.1:{runner.addresses[0][1]}", asyncio.get_running_loop(), closing))
        ready.set()
        await closing.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(20)
    url, loop, closing = opened[0]
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(closing.set)
        thread.join()


def _app(handler: Handler) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    return app


@contextmanager
def _crowd(
    url: str, mix: dict[str, float], folder: Path | None = None, rate: float = 100, lasting_s: float = 1.0
) -> Iterator[Shoppers]:
    plan = Plan(seed=1, rate_per_s=rate, mix=mix, max_duration_s=lasting_s, carts=2)
    crowd = Shoppers(url, plan, Recorder(folder), Heartbeat())
    crowd.start()
    try:
        yield crowd
    finally:
        crowd.stop()


async def _good(request: web.Request) -> web.StreamResponse:  # noqa: PLR0911 - one for each path
    """A shop that does all it should."""
    path = request.path
    if path == "/":
        return web.Response(text='<a href="/product/p001">', content_type="text/html")
    if path.startswith("/product/"):
        return web.Response(text=path, content_type="text/html")
    if path == "/cart/items":
        sent = await request.json()
        return web.json_response({"cart": sent.get("cart") or uuid.uuid4().hex, "items": []}, status=201)
    if path == "/cart":
        everything = [{"product": f"p{n:03d}", "quantity": 99} for n in range(41)]
        return web.json_response({"cart": request.query["id"], "items": everything})
    if path == "/checkout":
        return web.json_response({"order": f"o-{request.headers['Idempotency-Key']}"}, status=201)
    if path == "/membership":
        return web.json_response({"member": f"m-{request.headers['Idempotency-Key']}"}, status=201)
    return web.json_response({"gift": f"g-{request.headers['Idempotency-Key']}", "registry": "r"}, status=201)


@pytest.fixture
def forbearing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shoppers wait for an answer as long as a busy machine may take for it."""
    monkeypatch.setattr("gameday.load.client.TIMEOUT_S", 60.0)


@pytest.mark.usefixtures("forbearing")
def test_a_good_shop_pleases_everybody(tmp_path: Path) -> None:
    """No sample failed, promises are noted, both files are written, and the crowd goes home by itself."""
    mix = {"home": 1.0, "product": 1.0, "buy": 1.0, "cart": 1.0, "gift": 1.0, "join": 1.0}
    begun = time.time()
    with _shop(_good) as url, _crowd(url, mix, tmp_path) as crowd:
        crowd._thread.join(60)
        assert not crowd.running
        assert crowd.settle(begun + 0.5)
    samples = crowd.recorder.samples()
    assert len(samples) > 100
    assert [s for s in samples if s.failed] == []
    assert {s.behaviour for s in samples} == set(mix)
    assert {len(crowd.recorder.confirmed(kind)) for kind in ("order", "gift", "membership")} <= {16, 17}
    assert crowd.carts.losses() == []
    assert crowd.problem is None
    assert len((tmp_path / "samples.jsonl").read_text().splitlines()) == len(samples)
    assert "order" in (tmp_path / "confirmed.jsonl").read_text()


@pytest.mark.usefixtures("forbearing")
def test_who_keeps_a_cart_comes_to_look_at_it() -> None:
    """Once there are as many carts as there may be, each visit is to one of them, and what is in it is compared."""
    recorder, carts = Recorder(), CartBook(2)

    async def come_one_after_the_other(url: str) -> None:
        client = Client(url, recorder)
        for arrival in arrivals(1, 100, {"cart": 1}, 0.16):
            await visit_shop(client, recorder, carts, Stock(), arrival, time.time())
        await client.close()

    with _shop(_good) as url:
        asyncio.run(come_one_after_the_other(url))
    assert [sample for sample in recorder.samples() if sample.failed] == []
    assert len(carts.carts()) == 2
    assert len(carts.checks()) == 14
    assert set(carts.checks()) <= set(carts.carts())
    assert carts.losses() == []


@pytest.mark.usefixtures("forbearing")
def test_a_shop_that_orders_twice_has_promised_both() -> None:
    """Who waits for an answer clicks again: without idempotency keys that is another order, owed as well."""
    clicked_again: dict[str, asyncio.Event] = {}

    async def doubles(request: web.Request) -> web.StreamResponse:
        if request.path == "/checkout":
            key = request.headers["Idempotency-Key"]
            if key in clicked_again:
                clicked_again[key].set()
            else:
                clicked_again[key] = asyncio.Event()
                await clicked_again[key].wait()  # the client loses its patience, should nobody click again
            return web.json_response({"order": uuid.uuid4().hex}, status=201)
        return await _good(request)

    with _shop(doubles) as url, _crowd(url, {"buy": 1}, rate=20) as crowd:
        crowd._thread.join(90)
    orders = crowd.recorder.confirmed("order")
    assert orders
    assert len(orders) == 2 * len({order.key for order in orders}) == 2 * len({order.owner for order in orders})


@pytest.mark.usefixtures("forbearing")
def test_a_quick_shop_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody clicks again who has an answer, in what is a second to people and a minute to a busy machine."""
    monkeypatch.setattr("gameday.load.behaviours.IMPATIENT_AFTER_S", 60.0)
    with _shop(_good) as url, _crowd(url, {"buy": 1}) as crowd:
        crowd._thread.join(90)
    asked = [sample for sample in crowd.recorder.samples() if sample.path == "/checkout"]
    assert len(asked) == len(crowd.recorder.confirmed("order")) > 10


def test_the_same_seed_never_orders_the_same_again() -> None:
    """A shop that lived through a game day already takes the next one's orders and gifts for new ones."""
    keys: list[set[str]] = []
    for _ in range(2):
        with _shop(_good) as url, _crowd(url, {"buy": 1, "gift": 1}) as crowd:
            crowd.settle(time.time() + 0.3)
        made = [*crowd.recorder.confirmed("order"), *crowd.recorder.confirmed("gift")]
        keys.append({promise.key for promise in made})
    assert all(keys)
    assert keys[0].isdisjoint(keys[1])


def test_a_page_that_says_200_and_is_another_is_failed() -> None:
    """A status is not a page."""

    async def lies(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<h1>Sorry</h1>", content_type="text/html")

    with _shop(lies) as url, _crowd(url, {"home": 1, "product": 1}) as crowd:
        crowd.settle(time.time() + 0.2)
    answered = [sample for sample in crowd.recorder.samples() if sample.status is not None]
    assert answered
    assert all(s.failed and any("status 200" in p for p in s.friendly_problems) for s in answered)


def test_a_fallback_is_what_it_says() -> None:
    """200 with X-Fallback is a good answer, and is counted as a fallback."""

    async def falls_back(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<h1>Welcome</h1>", headers={"X-Fallback": "catalog"}, content_type="text/html")

    with _shop(falls_back) as url, _crowd(url, {"home": 1}) as crowd:
        crowd.settle(time.time() + 0.2)
    answered = [sample for sample in crowd.recorder.samples() if sample.status is not None]
    assert answered
    assert all(s.fallback and not s.failed for s in answered)


def test_what_is_in_flight_when_they_are_cut_off_has_failed() -> None:
    """Nobody's request is forgotten."""

    async def hangs(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        raise AssertionError

    with _shop(hangs) as url, _crowd(url, {"home": 1}, rate=20) as crowd:
        assert wait_until(lambda: bool(crowd.recorder.in_flight()), 10)
        time.sleep(0.3)
        assert crowd.known_until() < time.time() - 0.1
        crowd.stop()
        samples = crowd.recorder.samples()
    assert samples
    assert all(s.failed and s.status is None and s.friendly_problems for s in samples)
    assert crowd.recorder.in_flight() == []


def test_a_dead_shop_fails_each_request_and_every_checkout() -> None:
    """A checkout that was never reached counts as one that failed."""
    with socket.socket() as nobody:  # bound, so that nobody else takes the port; it does not listen
        nobody.bind(("127.0.0.1", 0))
        with _crowd(f"http://127.0.0.1:{nobody.getsockname()[1]}", {"buy": 1}) as crowd:
            crowd.settle(time.time() + 0.2)
    checkouts = [s for s in crowd.recorder.samples() if s.path == "/checkout"]
    assert checkouts
    assert all(s.failed and s.sent_at is None for s in checkouts)


def test_carts_remember_what_was_acknowledged() -> None:
    """An item that is gone is a loss; an answer that is an error says nothing."""
    book = CartBook()
    book.acknowledge("c1", "p001", 2)
    book.check("c1", {"p001": 2}, Answer(503, failed=True))
    assert (book.checks(), book.losses()) == ([], [])
    book.check("c1", {"p001": 2}, Answer(200, failed=False, data={"items": [{"product": "p001", "quantity": 2}]}))
    assert (book.checks(), book.losses()) == (["c1"], [])
    book.check("c1", {"p001": 2}, Answer(200, failed=False, data={"items": []}))
    book.check("c1", {"p001": 2}, Answer(404, failed=True))
    assert len(book.losses()) == 2


def test_stalls_that_overlap_are_one() -> None:
    """The heartbeat and the shoppers may both notice."""
    heartbeat = Heartbeat()
    heartbeat.note(10, 12, "heartbeat")
    heartbeat.note(11, 13, "shoppers")
    heartbeat.note(10.5, 11, "shoppers")
    assert heartbeat.stalls() == [Stall(10, 13)]
    assert heartbeat.stalls()[0].touches(12.5, 20)
    assert not heartbeat.stalls()[0].touches(13.1, 20)


def test_a_surge_comes_on_top_until_it_is_told_to_stop() -> None:
    """Its visits are let in on schedule, counted, and there are no more of them after its end."""
    plan = Plan(seed=2, rate_per_s=200, mix={"product": 1}, max_duration_s=30)
    with _shop(_good) as url, _crowd(url, {"home": 1}, rate=4, lasting_s=5) as crowd:
        surge, began = Surge(plan), time.time()
        crowd.surge(surge)
        assert wait_until(lambda: surge.due >= 60 and surge.in_time > 0, 25)
        surge.stop.set()
        assert surge.over.wait(20)
        due, lasted_s = surge.due, time.time() - began
        crowd._thread.join(30)
    assert 60 <= due == surge.due <= 200 * lasted_s + 1
    visits = [sample for sample in crowd.recorder.samples() if sample.behaviour == "product"]
    assert len(visits) == due
    scheduled = [arrival.at_s for arrival in arrivals(plan.seed, plan.rate_per_s, plan.mix, plan.max_duration_s)][:due]
    came = sorted(visit.scheduled_at for visit in visits)
    assert [at - came[0] for at in came] == pytest.approx([at_s - scheduled[0] for at_s in scheduled], abs=1e-3)
    in_time = sum(visit.sent_at is not None and visit.sent_at - visit.scheduled_at <= IN_TIME_S for visit in visits)
    assert due >= surge.in_time >= in_time  # all of them, unless this machine was late
    assert sum(sample.behaviour == "home" for sample in crowd.recorder.samples()) == 20


def test_a_surge_that_is_late_is_no_surge_in_time() -> None:
    """While this process is busy with other things its visits begin late, and it says so."""
    free = threading.Event()
    with _shop(_good) as url, _crowd(url, {"home": 1}, rate=5, lasting_s=30) as crowd:
        surge = Surge(Plan(seed=2, rate_per_s=50, mix={"home": 1}, max_duration_s=0.9))
        assert crowd._loop is not None
        crowd._loop.call_soon_threadsafe(free.wait, 60)
        crowd.surge(surge)
        time.sleep(0.8)  # so late the first is
        free.set()
        assert surge.over.wait(20)
    assert surge.due == 45
    assert surge.kept < 0.9
