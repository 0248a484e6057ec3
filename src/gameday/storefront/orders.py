"""Orders: an order, its lines and its event in the outbox are written in one transaction, or not at all.

A caller names the cart; prices are the database's own, read in that very transaction: the day's deal where there is
one. The same idempotency key gives the same order.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gameday.storefront import fields, outbox, service, settings
from gameday.storefront.database import DATABASE, Connection, Database, attach, database_answers
from gameday.storefront.logs import log
from gameday.storefront.problems import Problem, Unavailable

MAX_QUANTITY = 999
MAX_LINES = 100
TELL_LATER_S = 3.0

# One statement, hence one transaction. When the key exists already it writes nothing and returns nothing.
_PLACE = """
with wanted as (
    select * from unnest(%(products)s::text[], %(quantities)s::integer[]) as line (product_id, quantity)
), priced as (
    select wanted.product_id, quantity, coalesce(deal_cents, price_cents) as price_cents
    from wanted join products on products.id = wanted.product_id left join deals on deals.product_id = products.id
), placed as (
    insert into orders (id, idempotency_key, cart_id, email, total_cents)
    values (%(order)s, %(key)s, %(cart)s, %(email)s, (select sum(quantity * price_cents) from priced))
    on conflict (idempotency_key) do nothing
    returning id, total_cents
), lines as (
    insert into order_lines (order_id, product_id, quantity, price_cents) select placed.id, priced.* from placed, priced
)
"""
_TELL = """, told as (
    insert into outbox (kind, event_id, payload)
    select 'order-confirmation', placed.id, %(payload)s::jsonb from placed
)
"""
_PLACED = "select id, total_cents from placed"


@dataclass
class Safeguards:
    """What keeps an order from being doubled, and its mail from being lost; each can be switched off, as a weakness."""

    idempotency: bool
    outbox: bool
    untold: list[tuple[str, str]] = field(default_factory=list)
    """Without the outbox: events that this pod remembers, and forgets when it dies."""


SAFEGUARDS = web.AppKey("safeguards", Safeguards)


async def place_order(request: web.Request) -> web.Response:
    """``POST /orders`` with {"cart", "email", "lang"?, "items"?}: 201, or 200 when this key's order exists."""
    key, safeguards = service.read_idempotency_key(request), request.app[SAFEGUARDS]
    if not safeguards.idempotency:
        key = uuid.uuid4().hex
    body = await service.read_json(request)
    cart, email, lang = fields.identifier(body, "cart"), fields.email(body), fields.language(body)
    given = _given(body["items"]) if body.get("items") is not None else None
    async with request.app[DATABASE].connection() as connection:
        known = await _find(connection, "idempotency_key", key)
        if known is None:
            wanted = given if given is not None else await _held(connection, cart)
            await _check(connection, wanted)
            order = {"key": key, "cart": cart, "email": email, "payload": json.dumps({"lang": lang})}
            if (placed := await _place(connection, order, wanted, safeguards)) is not None:
                return web.json_response(_summary(placed), status=201)
            known = await _find(connection, "idempotency_key", key)
    if known is None or (known["cart_id"], known["email"]) != (cart, email):
        raise Problem(409, "this Idempotency-Key belongs to another order")
    return web.json_response(_summary(known))


async def show_order(request: web.Request) -> web.Response:
    """``GET /orders/{id}``: the order with its lines."""
    order_id = fields.uuid_in(request, "id", "no such order")
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


def _given(items: Any) -> dict[str, int]:
    """Quantities by product, as the caller wants them; raises Problem 422."""
    wanted: dict[str, int] = {}
    if not isinstance(items, list):
        raise Problem(422, "items is not a list")
    for item in items:
        if not isinstance(item, dict):
            raise Problem(422, "an item is not an object")
        product = fields.identifier(item, "product")
        wanted[product] = wanted.get(product, 0) + fields.count(item, "quantity", most=MAX_QUANTITY)
    return wanted


async def _held(connection: Connection, cart: str) -> dict[str, int]:
    """Quantities by product, as the cart has them; raises Problem 404."""
    cursor = await connection.execute(
        "select product_id, quantity from carts c left join cart_items i on i.cart_id = c.id where c.id = %s", (cart,)
    )
    rows = await cursor.fetchall()
    if not rows:
        raise Problem(404, "no such cart")
    return {row["product_id"]: row["quantity"] for row in rows if row["product_id"]}


async def _check(connection: Connection, wanted: dict[str, int]) -> None:
    """Raise Problem 422 for what cannot be bought; the bounds also keep the total within an integer."""
    if not wanted:
        raise Problem(422, "the cart is empty")
    if len(wanted) > MAX_LINES or max(wanted.values()) > MAX_QUANTITY:
        raise Problem(422, f"an order takes {MAX_LINES} products and {MAX_QUANTITY} of each at the most")
    cursor = await connection.execute("select id from products where id = any(%s)", (list(wanted),))
    if unknown := sorted(wanted.keys() - {row["id"] for row in await cursor.fetchall()}):
        raise Problem(422, f"no such product: {unknown[0]}")


async def _place(
    connection: Connection, order: dict[str, str], wanted: dict[str, int], safeguards: Safeguards
) -> dict[str, Any] | None:
    """Write the order; None when another request with this key was faster."""
    products = sorted(wanted)
    asked = {**order, "order": uuid.uuid4(), "products": products, "quantities": [wanted[one] for one in products]}
    statement = _PLACE + (_TELL if safeguards.outbox else "") + _PLACED
    placed = await (await connection.execute(statement.encode(), asked)).fetchone()
    if placed is not None and not safeguards.outbox:
        safeguards.untold.append((str(placed["id"]), order["payload"]))
    return placed


async def _find(connection: Connection, column: str, value: str) -> dict[str, Any] | None:
    query = f"select id, cart_id, email, total_cents from orders where {column} = %s"  # noqa: S608 - two callers, above
    return await (await connection.execute(query.encode(), (value,))).fetchone()


def _summary(order: dict[str, Any]) -> dict[str, Any]:
    return {"order": str(order["id"]), "status": "confirmed", "total_cents": order["total_cents"]}


async def _telling(app: web.Application) -> AsyncIterator[None]:
    task = asyncio.create_task(_tell_later(app[DATABASE], app[SAFEGUARDS].untold))
    yield
    task.cancel()


async def _tell_later(database: Database, untold: list[tuple[str, str]]) -> None:
    """The weakness: events are written a moment after their orders, by a pod that may be dead by then."""
    while True:
        await asyncio.sleep(TELL_LATER_S)
        try:
            async with database.connection() as connection:
                while untold:
                    await connection.execute(
                        "insert into outbox (kind, event_id, payload) values ('order-confirmation', %s, %s)", untold[0]
                    )
                    untold.pop(0)
        except Unavailable as error:
            log("not-told", error=str(error), events=len(untold))


def build() -> web.Application:
    """The application; ORDERS_IDEMPOTENCY and ORDERS_OUTBOX are `on`, or `off` as weaknesses."""
    app = service.application("orders", ready=database_answers)
    attach(app, "orders", migrates=True)
    app[SAFEGUARDS] = Safeguards(settings.switch("ORDERS_IDEMPOTENCY"), settings.switch("ORDERS_OUTBOX"))
    if not app[SAFEGUARDS].outbox:
        app.cleanup_ctx.append(_telling)
    outbox.watch(app)
    app.router.add_post("/orders", place_order)
    app.router.add_get("/orders/{id}", show_order)
    return app


if __name__ == "__main__":
    service.run(build)
