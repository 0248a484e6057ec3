"""Pages to look at the mails: a list, and one mail with its HTML in a frame in which no script runs."""

import asyncio
from urllib.parse import urlencode

from aiohttp import web
from jinja2 import Environment, PackageLoader

from gameday.storefront.postbox.mails import Mail, Mailbox
from gameday.storefront.postbox.search import search
from gameday.storefront.postbox.spool import Spool
from gameday.storefront.problems import Problem

MAILBOX = web.AppKey("mailbox", Mailbox)
SPOOL = web.AppKey("spool", Spool)
PAGE = 50
PAGES = Environment(loader=PackageLoader("gameday.storefront.postbox"), autoescape=True)
# A mail is somebody else's HTML: no script of it runs, nothing of it is fetched, no form of it is sent.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'self'; base-uri 'none'"
MAIL_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"


async def show_list(request: web.Request) -> web.Response:
    """``GET /?query=&start=``: the mails, for people, 50 a page."""
    mailbox, query = request.app[MAILBOX], request.query.get("query", "")
    start = int(request.query["start"]) if request.query.get("start", "").isdecimal() else 0

    def look() -> tuple[int, list[Mail]]:
        found = search(mailbox, query)
        return len(found), [mailbox.open(kept) for kept in found[start : start + PAGE]]

    matching, mails = await asyncio.to_thread(look)
    pages = {
        "newer": max(0, start - PAGE) if start else None,
        "older": start + PAGE if start + PAGE < matching else None,
    }
    links = {name: f"/?{urlencode({'query': query, 'start': at})}" for name, at in pages.items() if at is not None}
    return _page("mails", mails=mails, total=len(mailbox), matching=matching, query=query, links=links)


async def show_mail(request: web.Request) -> web.Response:
    """``GET /view/{id}``: one mail, its headers, its text and its HTML."""
    return _page("mail", mail=_mail(request))


async def show_html(request: web.Request) -> web.Response:
    """``GET /view/{id}.html``: a mail's HTML alone, for the frame; in its sandbox by itself as well."""
    headers = {"Content-Security-Policy": MAIL_POLICY, "X-Content-Type-Options": "nosniff"}
    return web.Response(text=_mail(request).html, content_type="text/html", headers=headers)


def _page(template: str, **values: object) -> web.Response:
    text = PAGES.get_template(f"{template}.html.j2").render(values)
    return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": POLICY})


def _mail(request: web.Request) -> Mail:
    mail = request.app[MAILBOX].get(request.match_info["id"])
    if mail is None:
        raise Problem(404, "no such message")
    return mail


def route(router: web.UrlDispatcher) -> None:
    """Add the routes."""
    router.add_get("/", show_list)
    router.add_get("/view/{id:[0-9a-z]+}.html", show_html)
    router.add_get("/view/{id:[0-9a-z]+}", show_mail)
