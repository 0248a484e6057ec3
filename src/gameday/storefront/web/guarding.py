"""What protects a visitor from forms on other sites, and keeps the language that was chosen.

A form of another site can neither buy nor give in a visitor's name: the cookies are SameSite=Lax, so that it comes
without a cart; a browser says where a form is from (Origin or, without one, Sec-Fetch-Site), and what is from
elsewhere is refused with 403; and each form has a key of its own. Programs send neither header and are let in: they
bring no cookies of anybody's. The scheme is not compared, for TLS may end before this shop.

One POST may come from anywhere: the one-click unsubscription of a mail (RFC 8058), whose token says who it is.
"""

from urllib.parse import urlsplit

from aiohttp import web

from gameday.storefront.problems import Problem
from gameday.storefront.service import Handler
from gameday.storefront.web import cookies
from gameday.storefront.web.phrases import LANGUAGES

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FROM_ANYWHERE = "/unsubscribe/"


@web.middleware
async def refuse_strangers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a change that another site asks for with 403."""
    if not (request.method in SAFE or request.path.startswith(FROM_ANYWHERE) or _is_ours(request)):
        raise Problem(403, "this request comes from another site")
    return await handler(request)


@web.middleware
async def keep_language(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Remember the language of ``?lang=``."""
    response = await handler(request)
    chosen = request.query.get("lang")
    if chosen in LANGUAGES:
        cookies.keep(request, response, cookies.LANGUAGE, chosen)
    return response


def _is_ours(request: web.Request) -> bool:
    origin = request.headers.get("Origin")
    if origin is None:
        return request.headers.get("Sec-Fetch-Site", "none") in {"none", "same-origin"}
    return urlsplit(origin).netloc.lower() == request.host.lower() != ""
