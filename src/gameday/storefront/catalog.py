"""The catalog: products, the day's deals and reviews."""

import uuid
from typing import Any, TypedDict

from aiohttp import web
from psycopg.errors import ForeignKeyViolation

from gameday.storefront import fields, service
from gameday.storefront.database import DATABASE, Connection, attach, database_answers
from gameday.storefront.problems import Problem

REVIEWS_SHOWN = 20


class Product(TypedDict):
    """A product as the catalog's API shows it; `rating` is the mean number of stars, None without reviews."""

    id: str
    name: dict[str, str]
    description: dict[str, str]
    price_cents: int
    rating: float | None
    reviews: int


class Deal(Product):
    """A product that is on offer today."""

    deal_cents: int


_PRODUCTS = """
select id, name_en, name_fr, description_en, description_fr, price_cents, review_count, review_stars, deal_cents
from products left join deals on product_id = id
"""

# One statement, hence one transaction. When the key exists already it writes nothing and returns nothing.
_REVIEW = """
with reviewed as (
    insert into reviews (id, product_id, author, stars, text, idempotency_key)
    values (%(review)s, %(product)s, %(author)s, %(stars)s, %(text)s, %(key)s)
    on conflict (idempotency_key) do nothing
    returning id, product_id, stars
), counted as (
    update products set review_count = review_count + 1, review_stars = review_stars + reviewed.stars
    from reviewed where products.id = reviewed.product_id
)
select id from reviewed
"""


def _product(row: dict[str, Any]) -> Product:
    count = row["review_count"]
    return Product(
        id=row["id"],
        name={"en": row["name_en"], "fr": row["name_fr"]},
        description={"en": row["description_en"], "fr": row["description_fr"]},
        price_cents=row["price_cents"],
        rating=round(row["review_stars"] / count, 2) if count else None,
        reviews=count,
    )


def _offered(row: dict[str, Any]) -> Product | Deal:
    """A product, with its price of the day when it has one."""
    shown = _product(row)
    return shown if row["deal_cents"] is None else Deal(**shown, deal_cents=row["deal_cents"])


async def _select(request: web.Request, rest: str, *values: object) -> list[Product | Deal]:
    async with request.app[DATABASE].connection() as connection:
        cursor = await connection.execute(f"{_PRODUCTS} {rest}".encode(), values or None)
        return [_offered(row) for row in await cursor.fetchall()]


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
    """``GET /deals``: the products on offer, other ones each day, with the price that orders charge today."""
    return web.json_response({"deals": await _select(request, "where deal_cents is not null order by id")})


async def list_reviews(request: web.Request) -> web.Response:
    """``GET /products/{id}/reviews``: the newest 20."""
    product = request.match_info["id"]
    async with request.app[DATABASE].connection() as connection:
        if not await (await connection.execute("select 1 from products where id = %s", (product,))).fetchone():
            raise Problem(404, "no such product")
        cursor = await connection.execute(
            "select author, stars, text, created_at from reviews where product_id = %s"
            " order by created_at desc, id limit %s",
            (product, REVIEWS_SHOWN),
        )
        rows = await cursor.fetchall()
    reviews = [
        {"author": row["author"], "stars": row["stars"], "text": row["text"], "at": row["created_at"].isoformat()}
        for row in rows
    ]
    return web.json_response({"reviews": reviews})


async def review(request: web.Request) -> web.Response:
    """``POST /products/{id}/reviews`` with {"author", "stars", "text"}: 201, or 200 when this key's review exists."""
    key, body = service.read_idempotency_key(request), await service.read_json(request)
    wanted = {
        "review": str(uuid.uuid4()),
        "product": request.match_info["id"],
        "author": fields.line(body, "author", longest=fields.LONGEST_NAME),
        "stars": fields.count(body, "stars", most=5),
        "text": fields.line(body, "text", longest=fields.LONGEST_REVIEW),
        "key": key,
    }
    async with request.app[DATABASE].connection() as connection:
        written, is_new = await _review(connection, wanted)
    return web.json_response({"review": written, "product": wanted["product"]}, status=201 if is_new else 200)


async def _review(connection: Connection, wanted: dict[str, Any]) -> tuple[str, bool]:
    """Write the review and return its id and whether it is new; raises Problem 404 or 409."""
    try:
        if await (await connection.execute(_REVIEW, wanted)).fetchone():
            return wanted["review"], True
    except ForeignKeyViolation:
        raise Problem(404, "no such product") from None
    cursor = await connection.execute(
        "select id::text, product_id, author from reviews where idempotency_key = %s", (wanted["key"],)
    )
    known = await cursor.fetchone()
    if known is None or (known["product_id"], known["author"]) != (wanted["product"], wanted["author"]):
        raise Problem(409, "this Idempotency-Key belongs to another review")
    return known["id"], False


def build() -> web.Application:
    """The application."""
    app = service.application("catalog", ready=database_answers)
    attach(app, "catalog", migrates=True)
    product = "/products/" + fields.route("id")
    app.router.add_get("/products", list_products)
    app.router.add_get(product, show_product)
    app.router.add_get(product + "/reviews", list_reviews)
    app.router.add_post(product + "/reviews", review)
    app.router.add_get("/deals", list_deals)
    return app


if __name__ == "__main__":
    service.run(build)
