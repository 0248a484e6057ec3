"""As much of HTTP/1.1 as a proxy needs that counts requests and answers some itself."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

__all__ = ["TooLargeError", "answer", "begins_request", "consume"]

_REQUEST = re.compile(rb"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) \S+ HTTP/1\.[01]\r\n")
HEAD_LIMIT = 65_536
_CHUNK = 65_536


class TooLargeError(ValueError):
    """A request's head is longer than this proxy reads."""


def begins_request(chunk: bytes) -> bool:
    """Whether these bytes begin an HTTP/1 request: a guess by the request line."""
    return _REQUEST.match(chunk) is not None


async def consume(chunk: bytes, reader: asyncio.StreamReader) -> tuple[bool, bytes]:
    """Read a request that `chunk` begins to its end. Returns whether its connection can go on, and what came after it.

    It cannot when the end of the body is not known (a transfer coding), or when the client waits to be told to send
    one. Raises TooLargeError, and EOFError when the client leaves in the middle.
    """
    head, body = await _head(chunk, reader)
    fields = {n.strip().lower(): v.strip().lower() for n, _, v in (x.partition(b":") for x in head.split(b"\r\n")[1:])}
    length = fields.get(b"content-length", b"0")
    if b"transfer-encoding" in fields or b"expect" in fields or not length.isdigit():
        return False, b""
    missing = int(length) - len(body)
    while missing > 0:
        more = await reader.read(min(missing, _CHUNK))
        if not more:
            raise EOFError("the client left in the middle of a request")
        missing -= len(more)
    keeps = head.split(b"\r\n")[0].endswith(b"1.1") and b"close" not in fields.get(b"connection", b"")
    return keeps, body[int(length) :]


async def _head(chunk: bytes, reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    while b"\r\n\r\n" not in chunk:
        if len(chunk) > HEAD_LIMIT:
            raise TooLargeError(f"the head of a request is longer than {HEAD_LIMIT} bytes")
        more = await reader.read(_CHUNK)
        if not more:
            raise EOFError("the client left in the middle of a request")
        chunk += more
    head, _, body = chunk.partition(b"\r\n\r\n")
    return head, body


def answer(
    request: bytes,
    status: int,
    fault: str,
    *,
    keeps: bool,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """The answer to a request that is not passed on; to HEAD its head alone.

    Its `body`, or problem+json that names the fault; its `headers`, where they say a Content-Type that one. `keeps`:
    whether the connection goes on.
    """
    known = {one.value: one.phrase for one in HTTPStatus}
    problem = json.dumps({"title": known.get(status, "Injected"), "status": status, "fault": fault})
    payload = (problem if body is None else body).encode()
    lines = {
        "Content-Type": "application/problem+json" if body is None else "text/plain; charset=utf-8",
        **{name.title(): value for name, value in (headers or {}).items()},
        "X-Gameday-Fault": fault,
        "Content-Length": str(len(payload)),
        **({} if keeps else {"Connection": "close"}),
    }
    head = [f"HTTP/1.1 {status} {known.get(status, 'Injected')}", *(f"{n}: {v}" for n, v in lines.items())]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + (b"" if request.startswith(b"HEAD ") else payload)
