"""The catalog: products and the day's deals, read from the database."""

import uuid
from typing import Any

from aiohttp import web
from psycopg.errors import ForeignKeyViolation

from gameday.storefront import fields, service
from gameday.storefront.database import DATABASE, attach, database_answers
from gameday.storefront.problems import Problem

DEALS_A_DAY = 6


Product = dict[str, Any]

_DESCRIPTIONS = {
    "en": "Made in a small workshop from good things only, soft at every corner, and ready for years of cuddles.",
    "fr": "Fait dans un petit atelier avec de bonnes choses, doux dans tous les coins, prêt pour des années de câlins.",
}


def _product(row: dict[str, Any]) -> Product:
    return {
        "id": row["id"], "name": {"en": row["name_en"], "fr": row["name_fr"]}, "price_cents": row["price_cents"],
        "description": _DESCRIPTIONS, "rating": None if row["rating"] is None else float(row["rating"]),
        "reviews": row["reviews"],
    }  # fmt: skip


async def _select(request: web.Request, condition: str, *values: object) -> list[Product]:
    query = (
        "select id, name_en, name_fr, price_cents,"  # noqa: S608 - ours, all of it
        " (select avg(stars) from reviews where product_id = p.id) as rating,"
        f" (select count(*) from reviews where product_id = p.id) as reviews from products p {condition}"
    )
    async with request.app[DATABASE].connection() as connection:
        cursor = await connection.execute(query.encode(), values)
        return [_product(row) for row in await cursor.fetchall()]


async def list_reviews(request: web.Request) -> web.Response:
    """``GET /products/{id}/reviews``: the newest 20."""
    async with request.app[DATABASE].connection() as connection:
        cursor = await connection.execute(
            "select author, stars, text, to_char(created_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') as at"
            " from reviews where product_id = %s order by created_at desc limit 20",
            (request.match_info["id"],),
        )
        return web.json_response({"reviews": await cursor.fetchall()})


async def review(request: web.Request) -> web.Response:
    """``POST /products/{id}/reviews`` with {"author", "stars", "text"}."""
    key, body = service.read_idempotency_key(request), await service.read_json(request)
    values = (
        str(uuid.uuid4()), request.match_info["id"], fields.line(body, "author", longest=80),
        fields.count(body, "stars", most=5), fields.line(body, "text", longest=1000), key,
    )  # fmt: skip
    async with request.app[DATABASE].connection() as connection:
        try:
            await connection.execute(
                "insert into reviews (id, product_id, author, stars, text, idempotency_key)"
                " values (%s, %s, %s, %s, %s, %s) on conflict do nothing", values,
            )  # fmt: skip
        except ForeignKeyViolation:
            raise Problem(404, "no such product") from None
    return web.json_response({"product": values[1], "stars": values[3]}, status=201)


async def list_products(request: web.Request) -> web.Response:
    """``GET /products``: all of them."""
    return web.json_response({"products": await _select(request, "order by id")})


async def show_product(request: web.Request) -> web.Response:
    """``GET /products/{id}``."""
    found = await _select(request, "where id = %s", request.match_info["id"])
    if not found:
        raise Problem(404, "no such product")
    return web.json_response(found[0])


async def list_deals(request: web.Request) -> web.Response:
    """``GET /deals``: the products on offer, other ones each day."""
    turn = "order by (substr(id, 2)::integer * 7 + extract(doy from now())::integer) %% 40, id limit %s"
    deals = await _select(request, turn, DEALS_A_DAY)
    return web.json_response({"deals": [{**deal, "deal_cents": deal["price_cents"] * 4 // 5} for deal in deals]})


def build() -> web.Application:
    """The application."""
    app = service.application("catalog", ready=database_answers)
    attach(app, "catalog")
    app.router.add_get("/products", list_products)
    app.router.add_get("/products/" + fields.route("id"), show_product)
    app.router.add_get("/deals", list_deals)
    app.router.add_get("/products/" + fields.route("id") + "/reviews", list_reviews)
    app.router.add_post("/products/" + fields.route("id") + "/reviews", review)
    return app


if __name__ == "__main__":
    service.run(build)
