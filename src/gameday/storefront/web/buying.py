"""Buying: the cart, checkout and the confirmation."""

import re
import uuid
from typing import Any

from aiohttp import web

from gameday.storefront import fields, service
from gameday.storefront.problems import Problem, Unavailable
from gameday.storefront.web import cookies, goods
from gameday.storefront.web.asking import ask
from gameday.storefront.web.forms import Readers, Sheet, is_form, read_body, read_key, read_sheet, see
from gameday.storefront.web.languages import language, wants_json
from gameday.storefront.web.peers import Call
from gameday.storefront.web.replies import page, reply
from gameday.storefront.web.shop import ADDITION, product_page

CART_AT_CHECKOUT_S = 1.0
NO_CART: dict[str, Any] = {"cart": "", "items": []}
EMAIL: Readers = {"email": fields.email}
_CART = re.compile(r"[0-9a-f]{32}")


async def show_cart(request: web.Request) -> web.StreamResponse:
    """``GET /cart``: the cart in the query or the cookie; a visitor without one sees an empty page."""
    cart = request.query.get("id")
    if not wants_json(request):
        return await _cart_page(request, await _cart(request, cart) if cart else await _own_cart(request))
    cart = cart or request.cookies.get(cookies.CART)
    if not cart:
        raise Problem(400, "id is missing: which cart?")
    return reply(request, await _cart(request, cart), "cart")


async def _cart_page(request: web.Request, held: dict[str, Any], sheet: Sheet | None = None) -> web.Response:
    values = {**held, **await _priced(request, held), "sheet": sheet or Sheet(), "count": cookies.total(held["items"])}
    response = page(request, "cart", values, status=values["sheet"].status)
    if held["cart"] == request.cookies.get(cookies.CART, ""):
        cookies.keep_count(request, response, held["items"])
    elif held is NO_CART:
        cookies.forget_cart(response)
    return response


async def add_to_cart(request: web.Request) -> web.StreamResponse:
    """``POST /cart/items``: 201 with the cart, or 303 to it for a form. Without a cart a new one is made."""
    body = await read_body(request)
    key = service.sound_key(request.headers.get("Idempotency-Key") or str(body.get("key") or uuid.uuid4().hex))
    sheet = read_sheet(request, body, ADDITION, key=key)
    if "quantity" in sheet.wrong and "product" in sheet.said:
        return await product_page(request, sheet.said["product"], addition=sheet)
    if sheet.wrong:
        raise Problem(422, "product is missing or not an id")
    cart = body.get("cart") or (await _own_cart(request))["cart"]
    path = f"/carts/{_sound_cart(cart) if cart else _new_cart(key)}/items"
    answer = await ask(request, Call("cart", path, "POST", {**sheet.said, "create": not cart}, key))
    return _changed(request, answer.body, status=201)


async def change_cart(request: web.Request) -> web.StreamResponse:
    """``POST /cart/items/{product}`` with a quantity, 0 to take it out: 200 with the cart, or 303 to it for a form."""
    body, product = await read_body(request), request.match_info["product"]
    cart = _sound_cart(body.get("cart") or request.cookies.get(cookies.CART))
    quantity = body.get("quantity")
    if type(quantity) is not int or not 0 <= quantity <= fields.MOST_IN_CART:
        if not is_form(request):
            raise Problem(422, f"quantity is not a whole number from 0 to {fields.MOST_IN_CART}")
        held = await _cart(request, cart)
        return await _cart_page(request, held, Sheet(typed={product: str(quantity or "")}, wrong=(product,)))
    answer = await ask(request, Call("cart", f"/carts/{cart}/items/{product}", "PUT", {"quantity": quantity}))
    return _changed(request, answer.body, status=200)


def _changed(request: web.Request, held: dict[str, Any], *, status: int) -> web.Response:
    """The cart after a change, and the browser's cookies with it."""
    response: web.Response
    response = see("/cart") if is_form(request) else web.json_response(held, status=status)
    cookies.keep_count(request, response, held["items"])
    cookies.keep(request, response, cookies.CART, held["cart"])
    return response


async def show_checkout(request: web.Request) -> web.StreamResponse:
    """``GET /checkout``: the form, with a key of its own so that sending it twice orders once."""
    held = await _own_cart(request)
    if wants_json(request):
        return reply(request, held, "checkout")
    return await _checkout_page(request, held, Sheet())


async def _checkout_page(request: web.Request, held: dict[str, Any], sheet: Sheet) -> web.Response:
    values = {**held, **await _priced(request, held), "sheet": sheet}
    return page(request, "checkout", values, status=sheet.status)


async def check_out(request: web.Request) -> web.StreamResponse:
    """``POST /checkout``: 201 with the order (200 when this key's order exists), or 303 to the confirmation."""
    body = await read_body(request)
    key = read_key(request, body)
    cart = _sound_cart(body.get("cart") or request.cookies.get(cookies.CART))
    sheet = read_sheet(request, body, EMAIL, key=key)
    if sheet.wrong:
        return await _checkout_page(request, await _cart(request, cart), sheet)
    wanted: dict[str, Any] = {"cart": cart, "email": sheet.said["email"], "lang": language(request)}
    if (items := await _items_if_known(request, cart)) is not None:
        wanted["items"] = items
    answer = await ask(request, Call("orders", "/orders", "POST", wanted, key))
    if not is_form(request):
        return web.json_response(answer.body, status=answer.status)
    response = see(f"/confirmation?order={answer.body['order']}")
    cookies.forget_cart(response)
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


async def _own_cart(request: web.Request) -> dict[str, Any]:
    """The cart in the cookie; NO_CART when it is gone, which is no fault of the visitor's."""
    cart = request.cookies.get(cookies.CART)
    if not cart or not _CART.fullmatch(cart):
        return NO_CART
    try:
        return await _cart(request, cart)
    except Unavailable:
        raise
    except Problem:
        return NO_CART


async def _items_if_known(request: web.Request, cart: str) -> list[dict[str, Any]] | None:
    """What the cart service says is in the cart; None when it says nothing: orders looks in the database itself."""
    try:
        answer = await ask(request, Call("cart", f"/carts/{cart}", deadline_s=CART_AT_CHECKOUT_S))
    except Problem:
        return None
    return list(answer.body["items"])


async def _priced(request: web.Request, held: dict[str, Any]) -> dict[str, Any]:
    """`known`, the cart's products that the catalog tells of in time, and `total_cents` when these are all."""
    if not held["items"]:
        return {"known": {}, "total_cents": None}
    known = await goods.known_goods(request, (item["product"] for item in held["items"]), language(request))
    costs = [known[i["product"]].cost_cents * i["quantity"] for i in held["items"] if i["product"] in known]
    return {"known": known, "total_cents": sum(costs) if len(costs) == len(held["items"]) else None}


def _sound_cart(cart: object) -> str:
    if not cart:
        raise Problem(422, "cart is missing")
    if not isinstance(cart, str) or not _CART.fullmatch(cart):
        raise Problem(404, "no such cart")
    return cart


def _new_cart(key: str) -> str:
    """The id of a new cart: the same for the same key, so that a request which the edge repeats makes one cart."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"urn:cart:{key}").hex
