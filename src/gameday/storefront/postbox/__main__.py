"""The postbox service: SMTP in, HTTP out, one process."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from gameday.storefront import service, settings
from gameday.storefront.logs import log
from gameday.storefront.postbox import pages
from gameday.storefront.postbox.mails import Mail, Mailbox, MailboxFullError
from gameday.storefront.postbox.search import search
from gameday.storefront.postbox.spool import Spool
from gameday.storefront.problems import Problem, Unavailable

MAIL_LIMIT_BYTES = 10 * 1024 * 1024
MAX_PAGE = 10_000
MAX_MAILS = 250_000
MAX_BYTES = 2 * 1024**3

SMTP_SERVER = web.AppKey("smtp_server", asyncio.Server)


class Sink:
    """Accepts every mail, save to the addresses that are there to be refused."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._put_off: set[str] = set()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take the recipient."""
        domain = address.rpartition("@")[2].lower()
        if domain == "bounce.test":
            return "550 5.1.1 no such mailbox"
        if domain == "later.test" and address not in self._put_off:
            self._put_off.add(address)
            return "451 4.3.0 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd
        """Keep the mail, then say so."""
        try:
            kept = self._mailbox.keep(bytes(envelope.original_content or b""), tuple(envelope.rcpt_tos))
        except (MailboxFullError, OSError) as error:
            log("mail-refused", error=repr(error))
            return "452 4.3.1 the postbox is full; see DELETE /api/v1/messages"
        log("mail", id=kept.mail_id, recipients=len(kept.recipients), size=kept.place.size)
        return f"250 OK kept as {kept.mail_id}"


async def _listen_for_mail(app: web.Application) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    address = settings.listen_address("SMTP_PORT", 1025)
    sink = Sink(app[pages.MAILBOX])

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
    """``GET /api/v1/messages`` and ``/api/v1/search``: a page of mails, newest first.

    `total` counts all mails, `messages_count` those that match `query`.
    """
    mailbox, query = request.app[pages.MAILBOX], request.query.get("query", "")
    start, limit = _number(request, "start", 0), min(_number(request, "limit", 50), MAX_PAGE)

    def look() -> tuple[int, list[dict[str, Any]]]:
        found = search(mailbox, query)
        return len(found), [mailbox.open(kept).summary for kept in found[start : start + limit]]

    matching, page = await asyncio.to_thread(look)
    body = {"total": len(mailbox), "unread": len(mailbox), "count": len(page), "messages_count": matching}
    return web.json_response({**body, "messages_unread": matching, "start": start, "tags": [], "messages": page})


async def show_message(request: web.Request) -> web.Response:
    """``GET /api/v1/message/{id}``: a mail with its text and HTML."""
    mail = _mail(request)
    return web.json_response({**mail.summary, "Date": mail.summary["Created"], "Text": mail.text, "HTML": mail.html})


async def show_headers(request: web.Request) -> web.Response:
    """``GET /api/v1/message/{id}/headers``: every header with its values."""
    return web.json_response(_mail(request).headers)


async def show_raw(request: web.Request) -> web.Response:
    """``GET /api/v1/message/{id}/raw``: the bytes as they came."""
    return web.Response(body=_mail(request).raw, content_type="text/plain")


async def delete_messages(request: web.Request) -> web.Response:
    """``DELETE /api/v1/messages`` with {"IDs": [...]}: those, or all of them when there is no body."""
    body = await service.read_json(request) if request.can_read_body else {}
    request.app[pages.MAILBOX].forget([str(mail_id) for mail_id in body.get("IDs") or []])
    return web.Response(text="ok")


def _mail(request: web.Request) -> Mail:
    mail = request.app[pages.MAILBOX].get(request.match_info["id"])
    if mail is None:
        raise Problem(404, "no such message")
    return mail


def _number(request: web.Request, name: str, default: int) -> int:
    value: Any = request.query.get(name, str(default))
    if not value.isascii() or not value.isdigit() or len(value) > 9:  # noqa: PLR2004
        raise Problem(400, f"{name} is not a whole number")
    return int(value)


async def _close(app: web.Application) -> None:
    app[pages.SPOOL].close()


def build() -> web.Application:
    """The application."""
    app = service.application("postbox", ready=_listens)
    app[pages.SPOOL] = spool = Spool(Path(settings.text("POSTBOX_DIR", "/var/lib/postbox")))
    max_mails, max_bytes = (
        settings.number("POSTBOX_MAX_MAILS", MAX_MAILS),
        settings.number("POSTBOX_MAX_BYTES", MAX_BYTES),
    )
    app[pages.MAILBOX] = Mailbox(spool, max_mails=int(max_mails), max_bytes=int(max_bytes))
    app.cleanup_ctx.append(_listen_for_mail)
    app.on_cleanup.append(_close)
    app.router.add_get("/api/v1/messages", list_messages)
    app.router.add_get("/api/v1/search", list_messages)
    app.router.add_get("/api/v1/message/{id}", show_message)
    app.router.add_get("/api/v1/message/{id}/headers", show_headers)
    app.router.add_get("/api/v1/message/{id}/raw", show_raw)
    app.router.add_delete("/api/v1/messages", delete_messages)
    pages.route(app.router)
    return app


if __name__ == "__main__":
    service.run(build)
