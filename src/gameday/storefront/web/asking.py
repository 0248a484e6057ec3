"""Asking the other services: for what a page needs, and for what it can do without."""

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from gameday.storefront.problems import Problem, Unavailable
from gameday.storefront.web.peers import PEERS, Answer, Call


@dataclass(frozen=True)
class Patience:
    """How long to wait for what a page can do without; None, the weakness, waits without end and has no fallback."""

    optional_s: float | None


PATIENCE = web.AppKey("patience", Patience)


async def ask(request: web.Request, call: Call) -> Answer:
    """Ask another service for something that is needed."""
    return await request.app[PEERS].call(call)


async def ask_if_quick(request: web.Request, service: str, path: str) -> Any:
    """The JSON at `path` of another service; None when it is not there in time."""
    optional_s = request.app[PATIENCE].optional_s
    try:
        return (await ask(request, Call(service, path, deadline_s=optional_s))).body
    except Unavailable:
        if optional_s is None:
            raise
        return None
    except Problem:
        return None
