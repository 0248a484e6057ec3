"""The mailer service: the courier at work, and a window on what it does."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from aiohttp import web

from gameday.storefront import service, settings
from gameday.storefront.database import DATABASE, attach
from gameday.storefront.logs import log
from gameday.storefront.mailer import desk, unsubscribing
from gameday.storefront.mailer.config import ConfigFolder
from gameday.storefront.mailer.courier import Courier
from gameday.storefront.mailer.dispatch import Dispatch, Receiver
from gameday.storefront.mailer.letters import DOMAIN
from gameday.storefront.mailer.links import LinkCheck
from gameday.storefront.mailer.post import Post
from gameday.storefront.mailer.rules import Rules
from gameday.storefront.mailer.seal import SIGNED, UNSUBSCRIBE, Seal
from gameday.storefront.mailer.tokens import Tokens
from gameday.storefront.problems import Unavailable

REFRESH_S = 0.25
FINISH_S = 3.0

FOLDER = web.AppKey("folder", ConfigFolder)


async def show_state(request: web.Request) -> web.Response:
    """``GET /state``: the configuration in use, and what was done under each one since this pod started."""
    config = request.app[FOLDER].current
    state = {
        "config_sha256": config.sha256 if config else None,
        "config_loaded_at": config.loaded_at if config else None,
        "pod": settings.pod_name(),
        "by_config": request.app[desk.COURIER].counts(),
    }
    return web.json_response(state)


async def _ready(app: web.Application) -> None:
    if app[FOLDER].current is None:
        raise Unavailable("the configuration")
    await app[DATABASE].check()


async def _follow(folder: ConfigFolder) -> None:
    while True:
        await asyncio.sleep(REFRESH_S)
        folder.refresh()


async def _work(app: web.Application) -> AsyncIterator[None]:
    """Run the courier beside the HTTP server; at the end let it finish the letter at hand."""
    courier = app[desk.COURIER]
    app[FOLDER].refresh()
    following = asyncio.create_task(_follow(app[FOLDER]))
    working = asyncio.create_task(courier.work(settings.number("MAILER_POLL_S", 0.2)))
    working.add_done_callback(_end_when_broken)
    yield
    courier.stop()
    following.cancel()
    await asyncio.wait([working], timeout=FINISH_S)


def _end_when_broken(task: "asyncio.Task[None]") -> None:
    """A mailer whose courier has died is of no use: end the process, so that the kubelet starts another."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log("bug", error=repr(error))
        os._exit(70)


def _seal(rules: Rules) -> Seal | None:
    path = os.environ.get("MAILER_DKIM_KEY_FILE")
    if not path or not settings.switch("MAILER_DKIM"):
        log("unsigned", reason="MAILER_DKIM_KEY_FILE is not set, or MAILER_DKIM is off: mails carry no signature")
        return None
    signed = (*SIGNED, *UNSUBSCRIBE) if rules.unsubscribe == "on" else SIGNED
    return Seal.from_file(path, settings.text("MAILER_DKIM_SELECTOR", "gameday"), DOMAIN, signed)


def _relay() -> settings.Address:
    """Where mail is handed over: the postbox, or MAILER_SMTP_HOST (and _PORT) where a relay is before it."""
    postbox = settings.peer("postbox", "smtp")
    host, port = settings.text("MAILER_SMTP_HOST", postbox.host), settings.number("MAILER_SMTP_PORT", postbox.port)
    return settings.Address(host, int(port))


def _receiver(session: aiohttp.ClientSession) -> Receiver | None:
    """Where mail is received, if it can be asked what it has: a relay of a real shop cannot."""
    return Receiver(settings.peer("postbox"), session) if settings.switch("MAILER_ASKS_RECEIVER") else None


async def _staff(app: web.Application) -> AsyncIterator[None]:
    """Everybody who works here, and the one HTTP session that they share."""
    rules = app[desk.RULES]
    connector = aiohttp.TCPConnector(limit=4, force_close=True)  # a Service that is pointed elsewhere is followed
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        app[desk.LINKS] = links = LinkCheck(rules.shop_url, settings.peer("web"), session)
        dispatch = Dispatch(Post(_relay(), _seal(rules)), rules, _receiver(session))
        app[desk.COURIER] = Courier(app[DATABASE], app[FOLDER], dispatch, rules, links, app[unsubscribing.TOKENS])
        yield


def build() -> web.Application:
    """The application."""
    app = service.application("mailer", ready=_ready)
    attach(app, "mailer")
    app[desk.RULES] = Rules.from_environment()
    app[FOLDER] = ConfigFolder(Path(settings.text("MAILER_CONFIG_DIR", "/etc/mailer")))
    unsubscribing.route(app, Tokens(settings.text("MAILER_UNSUBSCRIBE_KEY").encode()))
    desk.route(app)
    app.cleanup_ctx.extend([_staff, _work])
    app.router.add_get("/state", show_state)
    return app


if __name__ == "__main__":
    service.run(build)
