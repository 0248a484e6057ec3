"""The shop window: the home page, and a product with what others say of it."""

import asyncio
from functools import partial

from aiohttp import web

from gameday.storefront import fields
from gameday.storefront.web import goods
from gameday.storefront.web.asking import ask, ask_if_quick
from gameday.storefront.web.forms import Readers, Sheet, is_form, read_body, read_key, read_sheet, see
from gameday.storefront.web.languages import language, wants_json
from gameday.storefront.web.peers import Call
from gameday.storefront.web.replies import page, reply

ADDITION: Readers = {
    "product": partial(fields.identifier, name="product"),
    "quantity": partial(fields.count, name="quantity", most=fields.MOST_IN_CART, default=1),
}
REVIEW: Readers = {
    "author": partial(fields.line, name="author", longest=fields.LONGEST_NAME),
    "stars": partial(fields.count, name="stars", most=5),
    "text": partial(fields.line, name="text", longest=fields.LONGEST_REVIEW),
}


async def show_home(request: web.Request) -> web.StreamResponse:
    """``GET /``: the day's deals or, when the catalog does not answer in time, the fallback home page."""
    found = await ask_if_quick(request, "catalog", "/deals")
    if found is None:
        response = reply(request, {"deals": [], "fallback": True}, "fallback")
        response.headers["X-Fallback"] = "catalog"
        return response
    lang = language(request)
    shown = [goods.read(product, lang) for product in found["deals"]] if not wants_json(request) else []
    return reply(request, {"deals": found["deals"], "fallback": False}, "home", products=shown)


async def show_product(request: web.Request) -> web.StreamResponse:
    """``GET /product/{id}``."""
    if not wants_json(request):
        return await product_page(request, request.match_info["id"])
    answer = await ask(request, Call("catalog", f"/products/{request.match_info['id']}"))
    return reply(request, answer.body, "product")


async def product_page(
    request: web.Request, product: str, *, addition: Sheet | None = None, review: Sheet | None = None
) -> web.Response:
    """A product with its reviews, which can be missing. The sheets are shown again."""
    answer, found = await asyncio.gather(
        ask(request, Call("catalog", f"/products/{product}")),
        ask_if_quick(request, "catalog", f"/products/{product}/reviews"),
    )
    addition, review = addition or Sheet(), review or Sheet()
    values = {
        "product": goods.read(answer.body, language(request)),
        "reviews": found["reviews"] if found else None,
        "addition": addition,
        "review": review,
    }
    return page(request, "product", values, status=max(addition.status, review.status))


async def review_product(request: web.Request) -> web.StreamResponse:
    """``POST /product/{id}/reviews``: 201 as the catalog says it, or 303 to the reviews on the product's page."""
    body, product = await read_body(request), request.match_info["id"]
    sheet = read_sheet(request, body, REVIEW, key=read_key(request, body))
    if sheet.wrong:
        return await product_page(request, product, review=sheet)
    answer = await ask(request, Call("catalog", f"/products/{product}/reviews", "POST", sheet.said, sheet.key))
    if is_form(request):
        return see(f"/product/{product}#reviews")
    return web.json_response(answer.body, status=answer.status)
