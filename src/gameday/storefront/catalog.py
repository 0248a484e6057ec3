"""The catalog: products and the day's deals, read from the database."""

from typing import TypedDict

from aiohttp import web

from gameday.storefront import fields, service
from gameday.storefront.database import DATABASE, attach, database_answers
from gameday.storefront.problems import Problem

DEALS_A_DAY = 6


class Product(TypedDict):
    """A product as the catalog's API shows it."""

    id: str
    name: dict[str, str]
    price_cents: int


def _product(row: dict[str, object]) -> Product:
    return Product(
        id=str(row["id"]),
        name={"en": str(row["name_en"]), "fr": str(row["name_fr"])},
        price_cents=int(str(row["price_cents"])),
    )


async def _select(request: web.Request, condition: str, *values: object) -> list[Product]:
    query = f"select id, name_en, name_fr, price_cents from products {condition}"  # noqa: S608 - ours, all of it
    async with request.app[DATABASE].connection() as connection:
        cursor = await connection.execute(query.encode(), values)
        return [_product(row) for row in await cursor.fetchall()]


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
    return web.json_response({"deals": await _select(request, turn, DEALS_A_DAY)})


def build() -> web.Application:
    """The application."""
    app = service.application("catalog", ready=database_answers)
    attach(app, "catalog")
    app.router.add_get("/products", list_products)
    app.router.add_get("/products/" + fields.route("id"), show_product)
    app.router.add_get("/deals", list_deals)
    return app


if __name__ == "__main__":
    service.run(build)
