"""The postbox service: SMTP in, HTTP out, one process."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session
from jinja2 import Environment, PackageLoader

from gameday.storefront import service, settings
from gameday.storefront.logs import log
from gameday.storefront.postbox.mails import Mail, Mailbox
from gameday.storefront.problems import Problem, Unavailable

MAIL_LIMIT_BYTES = 10 * 1024 * 1024
MAX_PAGE = 10_000

MAILBOX = web.AppKey("mailbox", Mailbox)
SMTP_SERVER = web.AppKey("smtp_server", asyncio.Server)
PAGES = Environment(loader=PackageLoader("gameday.storefront.postbox"), autoescape=True)


class Sink:
    """Accepts every mail."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd
        """Keep the mail, then say so."""
        mail = Mail(bytes(envelope.original_content or b""), tuple(envelope.rcpt_tos))
        self._mailbox.keep(mail)
        log("mail", id=mail.mail_id, recipients=len(mail.recipients), size=len(mail.raw))
        return f"250 OK kept as {mail.mail_id}"


async def _listen_for_mail(app: web.Application) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    address = settings.listen_address("SMTP_PORT", 1025)
    sink = Sink(app[MAILBOX])

    def session() -> SMTP:
        return SMTP(sink, hostname="postbox", ident="ESMTP", data_size_limit=MAIL_LIMIT_BYTES, loop=loop)

    server = await loop.create_server(session, address.host, address.port)
    app[SMTP_SERVER] = server
    yield
    server.close()


async def _listens(app: web.Application) -> None:
    if not app[SMTP_SERVER].is_serving():
        raise Unavailable("SMTP")


async def list_messages(request: web.Request) -> web.Response:
    """``GET /api/v1/messages`` and ``/api/v1/search``: a page of mails, newest first."""
    mailbox = request.app[MAILBOX]
    found = mailbox.search(request.query.get("query", ""))
    start, limit = _number(request, "start", 0), _number(request, "limit", 50)
    page = [mail.summary for mail in found[start : start + limit]]
    body = {"total": len(mailbox), "messages_count": len(found), "count": len(page), "start": start, "messages": page}
    return web.json_response(body)


async def show_message(request: web.Request) -> web.Response:
    """``GET /api/v1/message/{id}``: a mail with its text and HTML."""
    mail = _mail(request)
    return web.json_response({**mail.summary, "Text": mail.text, "HTML": mail.html})


async def show_headers(request: web.Request) -> web.Response:
    """``GET /api/v1/message/{id}/headers``: every header with its values."""
    return web.json_response(_mail(request).headers)


async def show_raw(request: web.Request) -> web.Response:
    """``GET /api/v1/message/{id}/raw``: the bytes as they came."""
    return web.Response(body=_mail(request).raw, content_type="text/plain")


async def delete_messages(request: web.Request) -> web.Response:
    """``DELETE /api/v1/messages`` with {"IDs": [...]}: those, or all of them when there is no body."""
    body = await service.read_json(request) if request.can_read_body else {}
    request.app[MAILBOX].forget([str(mail_id) for mail_id in body.get("IDs") or []])
    return web.Response(text="ok")


async def show_page(request: web.Request) -> web.Response:
    """``GET /``: the mails, for people."""
    mailbox = request.app[MAILBOX]
    query = request.query.get("query", "")
    page = PAGES.get_template("mails.html.j2").render(
        mails=mailbox.search(query)[:100], total=len(mailbox), query=query
    )
    # A mail is somebody else's HTML: no script of it runs, nothing of it is fetched.
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'"
    return web.Response(text=page, content_type="text/html", headers={"Content-Security-Policy": policy})


def _mail(request: web.Request) -> Mail:
    mail = request.app[MAILBOX].get(request.match_info["id"])
    if mail is None:
        raise Problem(404, "no such message")
    return mail


def _number(request: web.Request, name: str, default: int) -> int:
    value: Any = request.query.get(name, str(default))
    if not value.isascii() or not value.isdigit():
        raise Problem(400, f"{name} is not a whole number")
    return min(int(value), MAX_PAGE)


def build() -> web.Application:
    """The application."""
    app = service.application("postbox", ready=_listens)
    app[MAILBOX] = Mailbox()
    app.cleanup_ctx.append(_listen_for_mail)
    app.router.add_get("/", show_page)
    app.router.add_get("/api/v1/messages", list_messages)
    app.router.add_get("/api/v1/search", list_messages)
    app.router.add_get("/api/v1/message/{id}", show_message)
    app.router.add_get("/api/v1/message/{id}/headers", show_headers)
    app.router.add_get("/api/v1/message/{id}/raw", show_raw)
    app.router.add_delete("/api/v1/messages", delete_messages)
    return app


if __name__ == "__main__":
    service.run(build)
