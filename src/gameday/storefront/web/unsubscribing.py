"""Unsubscribing from bulk mail: a page to ask once more, and the one-click POST of RFC 8058.

The token in the path says who it is: no cookie, no sign-in and no idempotency key is asked for, for a mail program
sends the POST by itself, from anywhere. A GET changes nothing, for scanners follow every link of a mail.
"""

from aiohttp import web

from gameday.storefront import fields
from gameday.storefront.web.asking import ask
from gameday.storefront.web.peers import Call
from gameday.storefront.web.replies import reply


async def show(request: web.Request) -> web.StreamResponse:
    """``GET /unsubscribe/{token}``: a button."""
    return await _unsubscription(request, "GET")


async def unsubscribe(request: web.Request) -> web.StreamResponse:
    """``POST /unsubscribe/{token}``: unsubscribed, with whatever body; the same again when it comes twice."""
    return await _unsubscription(request, "POST")


async def _unsubscription(request: web.Request, method: str) -> web.StreamResponse:
    token = request.match_info["token"]
    body: dict[str, str] | None = {} if method == "POST" else None
    answer = await ask(request, Call("mailer", f"/unsubscriptions/{token}", method, body))
    return reply(request, answer.body, "unsubscribe", token=token)


def route(router: web.UrlDispatcher) -> None:
    """Add the routes."""
    path = "/unsubscribe/" + fields.route("token")
    router.add_get(path, show)
    router.add_post(path, unsubscribe)
