"""The mailer service: the courier at work, and a window on what it does."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from gameday.storefront import service, settings
from gameday.storefront.database import DATABASE, attach
from gameday.storefront.logs import log
from gameday.storefront.mailer.config import ConfigFolder
from gameday.storefront.mailer.courier import Courier, Rules
from gameday.storefront.mailer.post import Post, Seal
from gameday.storefront.problems import Unavailable

REFRESH_S = 0.25
FINISH_S = 3.0

FOLDER = web.AppKey("folder", ConfigFolder)
COURIER = web.AppKey("courier", Courier)


async def show_state(request: web.Request) -> web.Response:
    """``GET /state``: the configuration in use, and what was done under each one since this pod started."""
    config = request.app[FOLDER].current
    state = {
        "config_sha256": config.sha256 if config else None,
        "config_loaded_at": config.loaded_at if config else None,
        "pod": settings.pod_name(),
        "by_config": request.app[COURIER].counts(),
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
    courier = app[COURIER]
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


def _seal() -> Seal | None:
    path = os.environ.get("MAILER_DKIM_KEY_FILE")
    if not path:
        log("unsigned", reason="MAILER_DKIM_KEY_FILE is not set: mails carry no DKIM signature")
        return None
    return Seal.from_file(path, settings.text("MAILER_DKIM_SELECTOR", "gameday"))


def build() -> web.Application:
    """The application."""
    app = service.application("mailer", ready=_ready)
    attach(app, "mailer")
    rules = Rules(
        event_join=settings.switch("MAILER_EVENT_JOIN"),
        strict_templates=settings.switch("MAILER_STRICT_TEMPLATES"),
        shop_url=settings.text("MAILER_SHOP_URL", "http://shop.example").rstrip("/"),
    )
    app[FOLDER] = ConfigFolder(Path(settings.text("MAILER_CONFIG_DIR", "/etc/mailer")))
    app[COURIER] = Courier(app[DATABASE], app[FOLDER], Post(settings.peer("postbox", "smtp"), _seal()), rules)
    app.cleanup_ctx.append(_work)
    app.router.add_get("/state", show_state)
    return app


if __name__ == "__main__":
    service.run(build)
