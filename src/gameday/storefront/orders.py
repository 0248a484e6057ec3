"""Orders: an order, its lines and its event in the outbox are written in one transaction, or not at all.

A caller names the cart; prices come from the products table alone. The same idempotency key gives the same order.
"""

import json
import uuid
from typing import Any

from aiohttp import web

from gameday.storefront import fields, service
from gameday.storefront.database import DATABASE, Connection, attach, database_answers
from gameday.storefront.problems import Problem

MAX_QUANTITY = 999
Lines = list[tuple[str, int, int]]  # product, quantity, price in cents

# One statement, hence one transaction. When the key exists already it writes nothing and returns nothing.
_PLACE = """
with placed as (
    insert into orders (id, idempotency_key, cart_id, email, total_cents)
    values (%(order)s, %(key)s, %(cart)s, %(email)s, %(total_cents)s)
    on conflict (idempotency_key) do nothing
    returning id
), lines as (
    insert into order_lines (order_id, product_id, quantity, price_cents)
    select placed.id, line.*
    from placed, unnest(%(products)s::text[], %(quantities)s::integer[], %(prices)s::integer[]) as line
), told as (
    insert into outbox (kind, event_id, payload)
    select 'order-confirmation', placed.id, %(payload)s::jsonb from placed
)
select id from placed
"""


async def place_order(request: web.Request) -> web.Response:
    """``POST /orders`` with {"cart", "email", "lang"?, "items"?}: 201, or 200 when this key's order exists."""
    key = service.read_idempotency_key(request)
    body = await service.read_json(request)
    cart, email = fields.identifier(body, "cart"), fields.email(body)
    lang = "fr" if body.get("lang") == "fr" else "en"
    async with request.app[DATABASE].connection() as connection:
        known = await _find(connection, "idempotency_key", key)
        if known is None:
            lines = await _lines(connection, cart, body.get("items"))
            order = await _place(connection, key=key, cart=cart, email=email, lang=lang, lines=lines)
            if order is not None:
                return web.json_response(order, status=201)
            known = await _find(connection, "idempotency_key", key)
    if known is None or (known["cart_id"], known["email"]) != (cart, email):
        raise Problem(409, "this Idempotency-Key belongs to another order")
    return web.json_response(_summary(known))


async def show_order(request: web.Request) -> web.Response:
    """``GET /orders/{id}``: the order with its lines."""
    order_id = request.match_info["id"]
    try:
        uuid.UUID(order_id)
    except ValueError:
        raise Problem(404, "no such order") from None
    async with request.app[DATABASE].connection() as connection:
        order = await _find(connection, "id", order_id)
        if order is None:
            raise Problem(404, "no such order")
        cursor = await connection.execute(
            "select product_id as product, quantity, l.price_cents, name_en, name_fr from order_lines l"
            " join products p on p.id = product_id where order_id = %s order by product_id",
            (order_id,),
        )
        lines = await cursor.fetchall()
    return web.json_response({**_summary(order), "email": order["email"], "lines": lines})


async def _lines(connection: Connection, cart: str, items: Any) -> Lines:
    """What is to be bought at today's prices, merged and sorted by product; raises Problem 404 or 422."""
    wanted = _given(items) if items is not None else await _held(connection, cart)
    if not wanted:
        raise Problem(422, "the cart is empty")
    cursor = await connection.execute("select id, price_cents from products where id = any(%s)", (list(wanted),))
    prices = {row["id"]: row["price_cents"] for row in await cursor.fetchall()}
    if unknown := sorted(wanted.keys() - prices.keys()):
        raise Problem(422, f"no such product: {unknown[0][:40]}")
    return [(product, wanted[product], prices[product]) for product in sorted(wanted)]


async def _held(connection: Connection, cart: str) -> dict[str, int]:
    cursor = await connection.execute(
        "select product_id, quantity from carts c left join cart_items i on i.cart_id = c.id where c.id = %s", (cart,)
    )
    rows = await cursor.fetchall()
    if not rows:
        raise Problem(404, "no such cart")
    return {row["product_id"]: row["quantity"] for row in rows if row["product_id"]}


def _given(items: Any) -> dict[str, int]:
    wanted: dict[str, int] = {}
    if not isinstance(items, list):
        raise Problem(422, "items is not a list")
    for item in items:
        if not isinstance(item, dict):
            raise Problem(422, "an item is not an object")
        product = fields.identifier(item, "product")
        wanted[product] = wanted.get(product, 0) + fields.count(item, "quantity", most=MAX_QUANTITY)
    return wanted


async def _place(
    connection: Connection, *, key: str, cart: str, email: str, lang: str, lines: Lines
) -> dict[str, Any] | None:
    """Write the order; None when another request with this key was faster."""
    order, total_cents = uuid.uuid4(), sum(quantity * price for _, quantity, price in lines)
    cursor = await connection.execute(
        _PLACE,
        {
            "order": order,
            "key": key,
            "cart": cart,
            "email": email,
            "total_cents": total_cents,
            "products": [line[0] for line in lines],
            "quantities": [line[1] for line in lines],
            "prices": [line[2] for line in lines],
            "payload": json.dumps({"lang": lang}),
        },
    )
    return _summary({"id": order, "total_cents": total_cents}) if await cursor.fetchone() else None


async def _find(connection: Connection, column: str, value: str) -> dict[str, Any] | None:
    query = f"select id, cart_id, email, total_cents from orders where {column} = %s"  # noqa: S608 - two callers, above
    return await (await connection.execute(query.encode(), (value,))).fetchone()


def _summary(order: dict[str, Any]) -> dict[str, Any]:
    return {"order": str(order["id"]), "status": "confirmed", "total_cents": order["total_cents"]}


def build() -> web.Application:
    """The application."""
    app = service.application("orders", ready=database_answers)
    attach(app, "orders")
    app.router.add_post("/orders", place_order)
    app.router.add_get("/orders/{id}", show_order)
    return app


if __name__ == "__main__":
    service.run(build)
