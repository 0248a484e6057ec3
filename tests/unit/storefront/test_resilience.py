"""What the services do when others are slow, dead or restarted, and when they are asked to stop."""

import asyncio
import json
import signal
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from aiohttp import web

from .conftest import play
from .stage import Reply, Stage, Visitor


@asynccontextmanager
async def _stand_in(host: str, answers: list[int | float]) -> AsyncIterator[list[str]]:
    """A backend that plays `answers`: a status, or seconds to wait before a 200; -1 cuts the connection."""
    seen: list[str] = []

    async def _handle(request: web.Request) -> web.Response:
        seen.append(request.path)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer == -1 and request.transport is not None:
            request.transport.abort()
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            answer = 200
        return web.json_response({"deals": []}, status=max(answer, 200))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", _handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, host, 8080).start()
    try:
        yield seen
    finally:
        await runner.cleanup()


def test_home_falls_back_when_the_catalog_is_dead(stage: Stage) -> None:
    """With nobody at the catalog's address the home page is still a 200, and says what it lacks."""
    with stage.start("web", stage.spare_host(), CATALOG_SERVICE_HOST=stage.spare_host()) as shop:
        page, asked = play(lambda visit: _both(visit, shop.url))
    assert (page.status, asked.status) == (200, 200)
    assert page.headers["x-fallback"] == asked.headers["x-fallback"] == "catalog"
    assert 'data-page="fallback"' in page.text
    assert asked.json == {"deals": [], "fallback": True}


async def _both(visit: Visitor, url: str) -> tuple[Reply, Reply]:
    return await visit("GET", f"{url}/", headers={"Accept": "text/html"}), await visit("GET", f"{url}/")


@pytest.mark.parametrize(("deadline", "fallback"), [("0.2", True), ("off", False)])
def test_home_waits_for_a_slow_catalog_only_so_long(stage: Stage, deadline: str, fallback: bool) -> None:  # noqa: FBT001
    """A slow catalog costs the deadline and no more; without the deadline, the weakness, it costs all of its delay."""
    catalog = stage.spare_host()
    host = stage.spare_host()
    delay_s = 10.0 if fallback else 3.0

    async def scene(visit: Visitor) -> tuple[Reply, float]:
        async with _stand_in(catalog, [delay_s]):
            started = time.monotonic()
            return await visit("GET", f"{shop.url}/"), time.monotonic() - started

    with stage.start("web", host, CATALOG_SERVICE_HOST=catalog, WEB_CATALOG_DEADLINE_S=deadline) as shop:
        reply, took_s = play(scene)
    assert reply.status == 200
    assert ("x-fallback" in reply.headers) is fallback
    assert (took_s < delay_s) is fallback


@pytest.mark.parametrize(("retries", "fallback"), [("on", False), ("off", True)])
def test_failed_calls_are_retried(stage: Stage, retries: str, fallback: bool) -> None:  # noqa: FBT001
    """A cut connection and a 503 in a row are overcome by retries, and not without."""
    catalog = stage.spare_host()

    async def scene(visit: Visitor) -> tuple[Reply, list[str]]:
        async with _stand_in(catalog, [503, -1, 200]) as seen:
            return await visit("GET", f"{shop.url}/"), seen

    with stage.start("web", stage.spare_host(), CATALOG_SERVICE_HOST=catalog, WEB_RETRIES=retries) as shop:
        reply, seen = play(scene)
    assert ("x-fallback" in reply.headers) is fallback
    assert len(seen) == (1 if fallback else 3)


def test_what_is_required_and_down_is_a_503(stage: Stage) -> None:
    """Without the cart and orders services pages that need them say 503, as a problem or as a page."""
    nobody = stage.spare_host()
    cart = {"id": "0" * 32}

    async def scene(visit: Visitor) -> list[Reply]:
        order = {"cart": cart["id"], "email": "a@shop.example"}
        return [
            await visit("GET", f"{shop.url}/cart", params=cart),
            await visit("POST", f"{shop.url}/checkout", json=order, headers={"Idempotency-Key": "k"}),
            await visit("GET", f"{shop.url}/cart", params=cart, headers={"Accept": "text/html"}),
        ]

    with stage.start("web", stage.spare_host(), CART_SERVICE_HOST=nobody, ORDERS_SERVICE_HOST=nobody) as shop:
        replies = play(scene)
    assert [reply.status for reply in replies] == [503, 503, 503]
    assert all(reply.headers["retry-after"] for reply in replies)
    assert not any(nobody in reply.text or "Error" in reply.text for reply in replies)


def test_orders_go_on_without_the_cart_service(stage: Stage) -> None:
    """With the cart service down a checkout finds the cart's items in the database."""

    async def scene(visit: Visitor) -> Reply:
        added = await visit("POST", f"{stage.url('web')}/cart/items", json={"product": "p001", "quantity": 1})
        order = {"cart": added.json["cart"], "email": "customer-0003@shop.example"}
        return await visit("POST", f"{shop.url}/checkout", json=order, headers={"Idempotency-Key": uuid.uuid4().hex})

    with stage.start("web", stage.spare_host(), CART_SERVICE_HOST=stage.spare_host()) as shop:
        assert play(scene).status == 201


@pytest.mark.parametrize(("store", "status"), [("database", 200), ("memory", 404)])
def test_carts_survive_a_killed_pod_unless_kept_in_memory(stage: Stage, store: str, status: int) -> None:
    """A cart in the database outlives its pod; one in memory, the weakness, is gone."""
    host, cart = stage.spare_host(), uuid.uuid4().hex

    async def fill(visit: Visitor) -> int:
        body = {"product": "p001", "quantity": 1, "create": True}
        reply = await visit("POST", f"{pod.url}/carts/{cart}/items", json=body, headers={"Idempotency-Key": "k"})
        return reply.status

    with stage.start("cart", host, CART_STORE=store) as pod:
        assert play(fill) == 201
        pod.stop(signal.SIGKILL)
    with stage.start("cart", host, CART_STORE=store) as pod:
        assert play(lambda visit: visit("GET", f"{pod.url}/carts/{cart}")).status == status


def test_a_stop_finishes_what_is_in_flight(stage: Stage) -> None:
    """On SIGTERM readiness turns 503 at once, requests are still served, the one in flight ends well, the exit is 0."""
    catalog = stage.spare_host()

    async def scene(visit: Visitor) -> tuple[Reply, Reply, Reply]:
        async with _stand_in(catalog, [11.0]) as asked:
            slow = asyncio.create_task(visit("GET", f"{shop.url}/"))
            while not asked:  # noqa: ASYNC110 - another process asks
                await asyncio.sleep(0.02)
            shop.popen.send_signal(signal.SIGTERM)
            ready = await visit("GET", f"{shop.url}/readyz")
            while ready.status == 200:
                ready = await visit("GET", f"{shop.url}/readyz")
            late = await visit("GET", f"{shop.url}/healthz")
            return await slow, ready, late

    more = {"CATALOG_SERVICE_HOST": catalog, "WEB_CATALOG_DEADLINE_S": "40", "DRAIN_S": "10"}
    with stage.start("web", stage.spare_host(), **more) as shop:
        slow, ready, late = play(scene)
        assert shop.popen.wait(60) == 0
    assert (slow.status, ready.status, late.status) == (200, 503, 200)
    assert late.headers["connection"] == "close"
    assert "x-fallback" not in slow.headers


def test_services_come_back_with_the_database(stage: Stage) -> None:
    """While the database is killed its clients say 503; once it is back they serve again, with what was committed."""

    async def fill(visit: Visitor) -> str:
        reply = await visit("POST", f"{stage.url('web')}/cart/items", json={"product": "p004", "quantity": 4})
        return str(reply.json["cart"])

    async def until(visit: Visitor, url: str, status: int) -> Reply:
        async with asyncio.timeout(60):
            while (reply := await visit("GET", url)).status != status:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
        return reply

    cart = f"{stage.url('web')}/cart?id={play(fill)}"
    stage.processes["db"].stop(signal.SIGKILL)
    down = play(lambda visit: visit("GET", cart))
    assert down.status == 503
    assert play(lambda visit: visit("GET", f"{stage.url('cart')}/readyz")).status == 503
    stage.processes["db"] = stage.start("db")
    back = play(lambda visit: until(visit, cart, 200))
    assert back.json["items"] == [{"product": "p004", "quantity": 4}]
    for service in ("catalog", "cart", "orders", "registry", "mailer"):
        assert play(partial(until, url=f"{stage.url(service)}/readyz", status=200)).status == 200


@pytest.mark.parametrize(
    ("service", "name", "value"),
    [
        ("web", "WEB_RETRIES", "yes"),
        ("cart", "CART_STORE", "disk"),
        ("orders", "DB_PASSWORD", ""),
        ("web", "PORT", "x"),
    ],
)
def test_a_setting_that_makes_no_sense_ends_the_service_in_one_line(
    stage: Stage, service: str, name: str, value: str
) -> None:
    """A service with a wrong variable exits 2 and names the variable, without a traceback."""
    with stage.spawn(service, stage.spare_host(), **{name: value}) as process:
        assert process.popen.wait(20) == 2
    said = process.log.read_text()
    assert name in said
    assert len(said.strip().splitlines()) == 1


def test_log_lines_are_json_with_the_request_id(stage: Stage) -> None:
    """A request's id, given by the caller, is in the log of every service that it touched."""
    request_id = uuid.uuid4().hex
    play(lambda visit: visit("GET", f"{stage.url('web')}/product/p001", headers={"X-Request-Id": request_id}))
    for service in ("web", "catalog"):
        lines = [json.loads(line) for line in stage.processes[service].log.read_text().splitlines()]
        assert any(line.get("request_id") == request_id and line["event"] == "request" for line in lines)


def test_connections_are_renewed(stage: Stage) -> None:
    """A caller that keeps its connection is asked, after a second, to come back on a new one; no request fails."""

    async def scene(visit: Visitor) -> tuple[int, set[int]]:
        url, statuses, closed = f"{stage.url('catalog')}/deals", set(), 0
        until = time.monotonic() + 20
        while closed < 2 and time.monotonic() < until:
            reply = await visit("GET", url)
            statuses.add(reply.status)
            closed += reply.headers.get("connection") == "close"
        return closed, statuses

    closed, statuses = play(scene)
    assert statuses == {200}
    assert closed == 2
