"""Requests with a body: JSON from programs, forms from browsers."""

from typing import Any

from aiohttp import web

from gameday.storefront import service

FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


def is_form(request: web.Request) -> bool:
    """Whether the body is what a browser sends for a form."""
    return request.content_type in FORMS


async def read_body(request: web.Request) -> dict[str, Any]:
    """The fields of the body; of a form they are text, save `quantity`, a number. Raises Problem 400."""
    if not is_form(request):
        return await service.read_json(request)
    body: dict[str, Any] = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    if str(body.get("quantity", "")).isdecimal():
        body["quantity"] = int(body["quantity"])
    return body


def read_key(request: web.Request, body: dict[str, Any]) -> str:
    """The idempotency key: the header's or, in a form, the hidden field `key`; raises Problem 400."""
    if "Idempotency-Key" not in request.headers and is_form(request):
        return service.sound_key(str(body.get("key", "")))
    return service.read_idempotency_key(request)


def see(path: str) -> web.Response:
    """Send a browser on to another page after a form."""
    return web.Response(status=303, headers={"Location": path, "Cache-Control": "no-store"})
