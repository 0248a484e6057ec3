"""Unsubscribing, for web: a token from a mail is checked, and its address suppressed. No cookie, no session."""

from aiohttp import web

from gameday.storefront.database import DATABASE, Connection
from gameday.storefront.mailer.tokens import Tokens, customer_of
from gameday.storefront.problems import Problem

TOKENS = web.AppKey("tokens", Tokens)
_PATH = "/unsubscriptions/{token:[A-Za-z0-9_-]{1,64}}"


async def show(request: web.Request) -> web.Response:
    """``GET /unsubscriptions/{token}``: whether its address is unsubscribed; nothing is changed (RFC 8058, 3.1)."""
    async with request.app[DATABASE].connection() as connection:
        email = await _address(request, connection)
        cursor = await connection.execute(
            "select from customers c left join suppressions s using (email)"
            " where email = %s and (c.unsubscribed or s.email is not null)", (email,)
        )  # fmt: skip
        return web.json_response({"unsubscribed": await cursor.fetchone() is not None})


async def unsubscribe(request: web.Request) -> web.Response:
    """``POST /unsubscriptions/{token}``: no newsletter and no gift alert goes there any more. Idempotent."""
    async with request.app[DATABASE].connection() as connection:
        email = await _address(request, connection)
        await connection.execute(
            "insert into suppressions (email, reason) values (%s, 'unsubscribed') on conflict do nothing", (email,)
        )
    return web.json_response({"unsubscribed": True})


async def _address(request: web.Request, connection: Connection) -> str:
    token = request.match_info["token"]
    cursor = await connection.execute("select email from customers where id = %s", (customer_of(token) or 0,))
    found = await cursor.fetchone()
    if found is None or not request.app[TOKENS].is_sound(token, found["email"]):
        raise Problem(404, "no such subscription")
    return str(found["email"])


def route(app: web.Application, tokens: Tokens) -> None:
    """Add the routes."""
    app[TOKENS] = tokens
    app.router.add_get(_PATH, show)
    app.router.add_post(_PATH, unsubscribe)
