"""The shop's pages and JSON, through the web service."""

import asyncio
import uuid
from typing import Any

import pytest

from .conftest import play
from .stage import Reply, Stage, Visitor

FRENCH = {"Accept": "text/html", "Accept-Language": "fr-CA, en;q=0.5"}


def _key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


async def _filled_cart(visit: Visitor, web: str) -> str:
    reply = await visit("POST", f"{web}/cart/items", json={"product": "p001", "quantity": 2})
    assert reply.status == 201
    return str(reply.json["cart"])


def test_home_shows_deals_in_the_visitors_language(stage: Stage) -> None:
    """A French browser gets a French page with the day's deals, and the JSON of the same URL has them too."""

    async def scene(visit: Visitor) -> tuple[Reply, Reply]:
        web = stage.url("web")
        return await visit("GET", f"{web}/", headers=FRENCH), await visit("GET", f"{web}/")

    page, json = play(scene)
    assert page.status == 200
    assert page.headers["content-language"] == "fr"
    assert '<html lang="fr">' in page.text
    assert "Les offres du jour" in page.text
    assert "x-fallback" not in page.headers
    assert len(json.json["deals"]) == 6
    assert json.headers["x-request-id"]


def test_a_cart_holds_what_was_added(stage: Stage) -> None:
    """Two additions to one cart add up, and the cart can be read back."""

    async def scene(visit: Visitor) -> Any:
        web = stage.url("web")
        cart = await _filled_cart(visit, web)
        await visit("POST", f"{web}/cart/items", json={"product": "p001", "quantity": 1, "cart": cart})
        return (await visit("GET", f"{web}/cart", params={"id": cart})).json["items"]

    assert play(scene) == [{"product": "p001", "quantity": 3}]


def test_an_addition_with_the_same_key_is_made_once(stage: Stage) -> None:
    """A retried addition does not double the quantity."""

    async def scene(visit: Visitor) -> Any:
        web, key = stage.url("web"), _key()
        wanted = {"product": "p003", "quantity": 2}
        both = [await visit("POST", f"{web}/cart/items", json=wanted, headers=key) for _ in range(2)]
        assert both[0].json["cart"] == both[1].json["cart"]
        return both[1].json["items"]

    assert play(scene) == [{"product": "p003", "quantity": 2}]


def test_checkout_is_idempotent(stage: Stage) -> None:
    """The same key gives the same order: 201 the first time, 200 after; another cart under that key is refused."""

    async def scene(visit: Visitor) -> list[Reply]:
        web, key = stage.url("web"), _key()
        wanted = {"cart": await _filled_cart(visit, web), "email": "customer-0007@shop.example"}
        other = wanted | {"cart": await _filled_cart(visit, web)}
        return [await visit("POST", f"{web}/checkout", json=body, headers=key) for body in (wanted, wanted, other)]

    first, second, other = play(scene)
    assert (first.status, second.status, other.status) == (201, 200, 409)
    assert first.json == second.json
    assert first.json["status"] == "confirmed"
    assert first.json["total_cents"] == 2 * stage.price_cents("p001")


def test_simultaneous_checkouts_with_one_key_make_one_order(stage: Stage) -> None:
    """Ten requests at once with the same key end in one order and one event."""

    async def scene(visit: Visitor) -> set[str]:
        web, key = stage.url("web"), _key()
        wanted = {"cart": await _filled_cart(visit, web), "email": "customer-0009@shop.example"}
        calls = (visit("POST", f"{web}/checkout", json=wanted, headers=key) for _ in range(10))
        return {reply.json["order"] for reply in await asyncio.gather(*calls)}

    orders = play(scene)
    assert len(orders) == 1
    assert stage.query("select count(*) from outbox where event_id = %s", orders.pop()) == [(1,)]


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/product/p999", None, {}, 404),
        ("GET", "/product/p%00", None, {}, 404),
        ("GET", "/nowhere", None, {}, 404),
        ("GET", "/cart?id=" + "0" * 32, None, {}, 404),
        ("GET", "/cart?id=../orders", None, {}, 404),
        ("GET", "/cart", None, {}, 400),
        ("PUT", "/cart", {}, {}, 405),
        ("POST", "/cart/items", {"product": "p999", "quantity": 1}, {}, 422),
        ("POST", "/cart/items", {"product": "p001", "quantity": 0}, {}, 422),
        ("POST", "/cart/items", {"product": "p001", "quantity": True}, {}, 422),
        ("POST", "/cart/items", {"product": "p\x00", "quantity": 1}, {}, 422),
        ("POST", "/cart/items", {"product": "p001", "quantity": 1, "cart": "0" * 32}, {}, 404),
        ("POST", "/cart/items", [], {}, 400),
        ("POST", "/checkout", {"cart": "0" * 32, "email": "a@shop.example"}, {}, 400),
        ("POST", "/checkout", {"cart": "0" * 32, "email": "a@shop.example"}, {"Idempotency-Key": "unknown-cart"}, 404),
        ("POST", "/checkout", {"cart": "0" * 32, "email": "a\nb@c.de"}, {"Idempotency-Key": "bad-email"}, 422),
        ("POST", "/registry/r0001/gifts", {"product": "p001", "from": "A"}, {}, 400),
        ("POST", "/registry/r9999/gifts", {"product": "p001", "from": "A"}, {"Idempotency-Key": "no-registry"}, 404),
        ("POST", "/registry/r0001/gifts", {"product": "p999", "from": "A"}, {"Idempotency-Key": "no-product"}, 422),
        ("POST", "/registry/r0001/gifts", {"product": "p001", "from": " "}, {"Idempotency-Key": "no-name"}, 422),
        ("POST", "/registry/r0001/gifts", {"product": "p001", "from": "x" * 81}, {"Idempotency-Key": "long"}, 422),
    ],
)
def test_mistakes_are_answered_with_problems(
    stage: Stage, method: str, path: str, body: Any, headers: dict[str, str], status: int
) -> None:
    """Whatever a caller gets wrong is a 4xx problem with the request's id, and nothing of our insides."""

    async def scene(visit: Visitor) -> Reply:
        given = {"X-Request-Id": "test-1", **headers}
        return await visit(method, stage.url("web") + path, json=body, headers=given)

    reply = play(scene)
    assert reply.status == status
    assert reply.headers["content-type"].startswith("application/problem+json")
    assert reply.headers["x-request-id"] == "test-1"
    assert reply.json.keys() == {"type", "title", "status", "detail", "request_id"}
    assert (reply.json["status"], reply.json["request_id"]) == (status, "test-1")
    assert "Traceback" not in reply.text


def test_a_browser_can_buy(stage: Stage) -> None:
    """Forms lead from the product over cart and checkout to the confirmation."""

    async def scene(visit: Visitor) -> Reply:
        web, html = stage.url("web"), {"Accept": "text/html"}
        added = await visit("POST", f"{web}/cart/items", data={"product": "p002", "quantity": "2"}, headers=html)
        assert (added.status, added.headers["location"]) == (303, "/cart")
        with_cart = {**html, "Cookie": added.headers["set-cookie"].split(";")[0]}
        for path, seen in (("/cart", "teddy bear"), ("/checkout", 'name="email"')):
            page = await visit("GET", web + path, headers=with_cart)
            assert (page.status, seen in page.text) == (200, True)
        form = {"email": "guest@elsewhere.example", "key": uuid.uuid4().hex}
        bought = await visit("POST", f"{web}/checkout", data=form, headers=with_cart)
        assert bought.status == 303
        return await visit("GET", web + bought.headers["location"], headers=html)

    page = play(scene)
    assert page.status == 200
    assert "Thank you for your order" in page.text


def test_a_gift_is_shown_in_its_registry_only_and_escaped(stage: Stage) -> None:
    """What a giver wrote appears as text, on the gift's page and in the list; another registry does not show it."""
    bad = "<script>alert('x')</script> {{ 7*7 }}"

    async def scene(visit: Visitor) -> tuple[Reply, Reply, Reply]:
        web, html = stage.url("web"), {"Accept": "text/html"}
        body = {"product": "p005", "from": bad, "message": bad}
        given = await visit("POST", f"{web}/registry/r0005/gifts", json=body, headers=_key())
        assert (given.status, given.json["registry"]) == (201, "r0005")
        item = f"items/{given.json['gift']}"
        return (
            await visit("GET", f"{web}/registry/r0005/{item}", headers=html),
            await visit("GET", f"{web}/registry/r0005", headers=html),
            await visit("GET", f"{web}/registry/r0006/{item}", headers=html),
        )

    gift, registry, other = play(scene)
    assert (gift.status, registry.status, other.status) == (200, 200, 404)
    for page in (gift, registry):
        assert "<script" not in page.text
        assert "&lt;script&gt;" in page.text
        assert "{{ 7*7 }}" in page.text
    assert "Wooden building blocks" in gift.text
    assert "shop.example" not in registry.text


def test_pages_fetch_nothing_from_elsewhere(stage: Stage) -> None:
    """No page names a sub-resource: no script, image, style sheet or font."""

    async def scene(visit: Visitor) -> list[Reply]:
        html = {"Accept": "text/html"}
        paths = ("/", "/product/p001", "/registry/r0001", "/cart", "/checkout", "/nowhere")
        return [await visit("GET", stage.url("web") + path, headers=html) for path in paths]

    for page in play(scene):
        assert not any(word in page.text for word in ("<script", "<img", "<link", "url(", "http://", "https://"))
