"""Requests with a body: JSON from programs, forms from browsers."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from aiohttp import web

from gameday.storefront import service
from gameday.storefront.problems import Problem

FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
NUMBERS = ("quantity", "stars")
UNPROCESSABLE = 422

Readers = Mapping[str, Callable[[dict[str, Any]], Any]]
"""How each field is read from a body: a function that raises Problem 422."""


@dataclass(frozen=True)
class Sheet:
    """A form as it came: what it says, what was typed into it, and the names of the fields that make no sense."""

    said: dict[str, Any] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()
    key: str = field(default_factory=lambda: uuid4().hex)

    @property
    def status(self) -> int:
        """What the page that shows it is sent with."""
        return UNPROCESSABLE if self.wrong else 200

    def with_wrong(self, name: str) -> "Sheet":
        """The same, with one more field that makes no sense."""
        return Sheet(self.said, self.typed, (*self.wrong, name), self.key)


def is_form(request: web.Request) -> bool:
    """Whether the body is what a browser sends for a form."""
    return request.content_type in FORMS


async def read_body(request: web.Request) -> dict[str, Any]:
    """The fields of the body; of a form they are text, save those that are NUMBERS. Raises Problem 400 or 408."""
    if not is_form(request):
        return await service.read_json(request)
    try:
        async with asyncio.timeout(service.BODY_S):
            posted = await request.post()
    except TimeoutError:
        raise Problem(408, "the form did not arrive in time", headers={"Connection": "close"}) from None
    except (ValueError, web.RequestPayloadError):
        raise Problem(400, "the form cannot be read") from None
    body: dict[str, Any] = {name: value for name, value in posted.items() if isinstance(value, str)}
    for name in NUMBERS:
        if (text := body.get(name, "")).isascii() and text.isdecimal() and len(text) < 10:  # noqa: PLR2004
            body[name] = int(text)
    return body


def read_sheet(request: web.Request, body: dict[str, Any], readers: Readers, *, key: str) -> Sheet:
    """Read all fields; a program is told of the first that makes no sense (Problem 422), a person of all at once."""
    said: dict[str, Any] = {}
    wrong = []
    for name, read in readers.items():
        try:
            said[name] = read(body)
        except Problem:
            if not is_form(request):
                raise
            wrong.append(name)
    return Sheet(said, {name: str(value) for name, value in body.items()}, tuple(wrong), key)


def read_key(request: web.Request, body: dict[str, Any]) -> str:
    """The idempotency key: the header's or, in a form, the hidden field `key`; raises Problem 400."""
    if "Idempotency-Key" not in request.headers and is_form(request):
        return service.sound_key(str(body.get("key", "")))
    return service.read_idempotency_key(request)


def see(path: str) -> web.Response:
    """Send a browser on to another page after a form."""
    return web.Response(status=303, headers={"Location": path, "Cache-Control": "no-store"})
