"""The cart service's HTTP API."""

from typing import Any

from aiohttp import web

from gameday.storefront import fields, service, settings
from gameday.storefront.cart.stores import DatabaseStore, Item, MemoryStore, Store
from gameday.storefront.database import DATABASE, attach, database_answers
from gameday.storefront.problems import Problem

STORE = web.AppKey("store", Store)
_CART = "/carts/{id:[0-9a-f]{32}}"


async def add_item(request: web.Request) -> web.Response:
    """``POST /carts/{id}/items`` with {"product", "quantity", "create"}: 201 and the cart."""
    key = service.read_idempotency_key(request)
    body = await service.read_json(request)
    cart = request.match_info["id"]
    items = await request.app[STORE].add(cart, _item(body), key, create=body.get("create") is True)
    return web.json_response({"cart": cart, "items": items}, status=201)


async def set_item(request: web.Request) -> web.Response:
    """``PUT /carts/{id}/items/{product}`` with {"quantity"}: 200 and the cart; 0 takes the product out.

    It says how many there shall be, not how many more: so it needs no key to be safe to repeat.
    """
    body = await service.read_json(request)
    taken_out = type(body.get("quantity")) is int and not body["quantity"]
    quantity = 0 if taken_out else fields.count(body, "quantity", most=fields.MOST_IN_CART)
    cart, product = request.match_info["id"], request.match_info["product"]
    items = await request.app[STORE].put(cart, Item(product=product, quantity=quantity))
    if items is None:
        raise Problem(404, "no such cart")
    return web.json_response({"cart": cart, "items": items})


async def show_cart(request: web.Request) -> web.Response:
    """``GET /carts/{id}``."""
    cart = request.match_info["id"]
    items = await request.app[STORE].items(cart)
    if items is None:
        raise Problem(404, "no such cart")
    return web.json_response({"cart": cart, "items": items})


def _item(body: dict[str, Any]) -> Item:
    quantity = fields.count(body, "quantity", most=fields.MOST_IN_CART, default=1)
    return Item(product=fields.identifier(body, "product"), quantity=quantity)


def build() -> web.Application:
    """The application; CART_STORE says where carts are kept: `database` or `memory`."""
    kept_in = settings.text("CART_STORE", "database")
    if kept_in == "memory":
        app = service.application("cart")
        app[STORE] = MemoryStore()
    elif kept_in == "database":
        app = service.application("cart", ready=database_answers)
        attach(app, "cart", migrates=True)
        app[STORE] = DatabaseStore(app[DATABASE])
    else:
        raise settings.SettingError(f"environment variable CART_STORE is {kept_in!r}; expected database or memory")
    app.router.add_post(_CART + "/items", add_item)
    app.router.add_put(_CART + "/items/" + fields.route("product"), set_item)
    app.router.add_get(_CART, show_cart)
    return app


if __name__ == "__main__":
    service.run(build)
