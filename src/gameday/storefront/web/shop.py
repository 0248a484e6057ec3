"""The pages of the shop: home, product, cart, checkout, confirmation."""

import re
import uuid
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from gameday.storefront import fields, service
from gameday.storefront.problems import Problem, Unavailable
from gameday.storefront.web.forms import is_form, read_body, read_key, see
from gameday.storefront.web.languages import language, wants_json
from gameday.storefront.web.peers import PEERS, Answer, Call
from gameday.storefront.web.replies import page, reply

CART_COOKIE = "cart"
MAX_QUANTITY = 99
CART_AT_CHECKOUT_S = 1.0
_CART = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Patience:
    """How long to wait for what a page can do without; None, the weakness, waits without end and has no fallback."""

    optional_s: float | None


PATIENCE = web.AppKey("patience", Patience)


async def ask(request: web.Request, call: Call) -> Answer:
    """Ask another service for something that is needed."""
    return await request.app[PEERS].call(call)


async def show_home(request: web.Request) -> web.StreamResponse:
    """``GET /``: the day's deals or, when the catalog does not answer in time, the fallback home page."""
    optional_s = request.app[PATIENCE].optional_s
    try:
        answer = await ask(request, Call("catalog", "/deals", deadline_s=optional_s))
    except Unavailable:
        if optional_s is None:
            raise
        response = reply(request, {"deals": [], "fallback": True}, "fallback")
        response.headers["X-Fallback"] = "catalog"
        return response
    return reply(request, {"deals": answer.body["deals"], "fallback": False}, "home")


async def show_product(request: web.Request) -> web.StreamResponse:
    """``GET /product/{id}``."""
    answer = await ask(request, Call("catalog", f"/products/{request.match_info['id']}"))
    return reply(request, answer.body, "product", product=answer.body, key=uuid.uuid4().hex)


async def show_cart(request: web.Request) -> web.StreamResponse:
    """``GET /cart``: the cart in the query or the cookie; a visitor without one sees an empty page."""
    cart = request.query.get("id") or request.cookies.get(CART_COOKIE)
    if wants_json(request):
        if not cart:
            raise Problem(400, "id is missing: which cart?")
        return reply(request, await _cart(request, cart), "cart")
    held: dict[str, Any] = await _cart(request, cart) if cart else {"cart": "", "items": []}
    return page(request, "cart", {**held, "names": await _names(request, held["items"])})


async def add_to_cart(request: web.Request) -> web.StreamResponse:
    """``POST /cart/items``: 201 with the cart, or 303 to it for a form. Without a cart a new one is made."""
    body = await read_body(request)
    product = fields.identifier(body, "product")
    quantity = fields.count(body, "quantity", most=MAX_QUANTITY, default=1)
    key = service.sound_key(request.headers.get("Idempotency-Key") or str(body.get("key") or uuid.uuid4().hex))
    cart = body.get("cart") or await _cart_in_use(request)
    path = f"/carts/{_sound_cart(cart) if cart else _new_cart(key)}/items"
    wanted = {"product": product, "quantity": quantity, "create": not cart}
    answer = await ask(request, Call("cart", path, "POST", wanted, key))
    response: web.Response
    response = see("/cart") if is_form(request) else web.json_response(answer.body, status=201)
    response.set_cookie(CART_COOKIE, answer.body["cart"], httponly=True, samesite="Lax", path="/")
    return response


async def show_checkout(request: web.Request) -> web.StreamResponse:
    """``GET /checkout``: the form, with a key of its own so that sending it twice orders once."""
    cart = request.cookies.get(CART_COOKIE)
    held = await _cart(request, cart) if cart else {"cart": "", "items": []}
    return page(request, "checkout", {**held, "key": uuid.uuid4().hex})


async def check_out(request: web.Request) -> web.StreamResponse:
    """``POST /checkout``: 201 with the order (200 when this key's order exists), or 303 to the confirmation."""
    body = await read_body(request)
    key = read_key(request, body)
    cart = _sound_cart(body.get("cart") or request.cookies.get(CART_COOKIE))
    wanted: dict[str, Any] = {"cart": cart, "email": fields.email(body), "lang": language(request)}
    if (items := await _items_if_known(request, cart)) is not None:
        wanted["items"] = items
    answer = await ask(request, Call("orders", "/orders", "POST", wanted, key))
    if not is_form(request):
        return web.json_response(answer.body, status=answer.status)
    response = see(f"/confirmation?order={answer.body['order']}")
    response.del_cookie(CART_COOKIE, path="/")
    return response


async def show_confirmation(request: web.Request) -> web.StreamResponse:
    """``GET /confirmation?order=``: the order, for whoever knows its id."""
    order = request.query.get("order", "")
    if not re.fullmatch(fields.IDENTIFIER, order):
        raise Problem(404, "no such order")
    answer = await ask(request, Call("orders", f"/orders/{order}"))
    return reply(request, answer.body, "confirmation")


async def _cart(request: web.Request, cart: str) -> dict[str, Any]:
    answer = await ask(request, Call("cart", f"/carts/{_sound_cart(cart)}"))
    return dict(answer.body)


async def _cart_in_use(request: web.Request) -> str | None:
    """The cart in the cookie, when it still exists: one that is long gone is no fault of the visitor's."""
    cart = request.cookies.get(CART_COOKIE)
    if not cart or not _CART.fullmatch(cart):
        return None
    try:
        await _cart(request, cart)
    except Unavailable:
        raise
    except Problem:
        return None
    return cart


async def _items_if_known(request: web.Request, cart: str) -> list[dict[str, Any]] | None:
    """What the cart service says is in the cart; None when it says nothing: orders looks in the database itself."""
    try:
        answer = await ask(request, Call("cart", f"/carts/{cart}", deadline_s=CART_AT_CHECKOUT_S))
    except Problem:
        return None
    return list(answer.body["items"])


async def _names(request: web.Request, items: list[dict[str, Any]]) -> dict[str, str]:
    """The names of the products in `items`; the page shows their ids when the catalog does not answer in time."""
    if not items:
        return {}
    optional_s = request.app[PATIENCE].optional_s
    try:
        answer = await ask(request, Call("catalog", "/products", deadline_s=optional_s))
    except Unavailable:
        if optional_s is None:
            raise
        return {}
    lang = language(request)
    return {product["id"]: product["name"][lang] for product in answer.body["products"]}


def _sound_cart(cart: object) -> str:
    if not cart:
        raise Problem(422, "cart is missing")
    if not isinstance(cart, str) or not _CART.fullmatch(cart):
        raise Problem(404, "no such cart")
    return cart


def _new_cart(key: str) -> str:
    """The id of a new cart: the same for the same key, so that a request which the edge repeats makes one cart."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"urn:cart:{key}").hex
