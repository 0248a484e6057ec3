"""What no answer may be, and what is left of a request when all is taken away that its failure does not need."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fuzz.grammar import Request
    from tests.fuzz.wire import Reply

_SHRINK_S = 15.0
_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")


def fault_of(request: Request, reply: Reply) -> str:
    """What is wrong with an answer; empty when nothing is."""
    if reply.hung:
        return "no answer in time"
    if reply.status is None:
        return "" if request.odd else f"no answer, the connection is gone: {reply.body.decode()}"
    if reply.status >= 500 and reply.status != 501:  # 501: refused by name
        return f"status {reply.status}"
    if not reply.kind.startswith("application/json") or request.method == "HEAD":
        return ""
    try:
        body = _strict(reply.body)
    except ValueError as problem:
        return f"the answer is not JSON: {problem}"
    if reply.status >= 400 and (body.get("kind"), body.get("code")) != ("Status", reply.status):
        return f"status {reply.status} without a Status that says so"
    name = body.get("metadata", {}).get("name") if reply.status == 201 else None
    if name is not None and not _NAME.fullmatch(name):
        return f"an object was made with the name {name!r}"
    return ""


def _strict(data: bytes) -> Any:
    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is not JSON")

    return json.loads(data.decode(), parse_constant=refuse)


class Log:
    """The daemon's log, read from where it was read last."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = 0
        self._lock = threading.Lock()

    def complaints(self) -> str:
        """What was added, if there are errors or tracebacks in it."""
        with self._lock, self._file.open("rb") as log:
            log.seek(self._read)
            data = log.read()
            self._read += len(data)
        text = data.decode("utf-8", "replace")
        return text if any(word in text for word in ("Traceback", " ERROR ", " CRITICAL ", "Error:")) else ""


def shrink(request: Request, fails: Callable[[Request], bool]) -> Request:
    """The smallest request found that still fails."""
    end = time.monotonic() + _SHRINK_S
    progress = True
    while progress:
        progress = False
        for smaller in _smaller(request):
            if time.monotonic() > end:
                return request
            if fails(smaller):
                request, progress = smaller, True
                break
    return request


def _smaller(request: Request) -> Iterator[Request]:
    if request.manner != "whole":
        yield replace(request, manner="whole")
    for index in range(len(request.headers)):
        yield replace(request, headers=request.headers[:index] + request.headers[index + 1 :])
    path, _, query = request.target.partition("?")
    parameters = query.split("&") if query else []
    for index in range(len(parameters)):
        rest = "&".join(parameters[:index] + parameters[index + 1 :])
        yield replace(request, target=path + (f"?{rest}" if rest else ""))
    if request.body:
        yield replace(request, body=None)
        yield replace(request, body=b"{}")
        yield from _smaller_bodies(request)


def _smaller_bodies(request: Request) -> Iterator[Request]:
    try:
        body = json.loads(request.body or b"")
    except (ValueError, RecursionError):
        data = request.body or b""
        yield from (replace(request, body=cut) for cut in (data[: len(data) // 2], data[len(data) // 2 :], data[:-1]))
        return
    for smaller in _without_one(body):
        yield replace(request, body=json.dumps(smaller).encode("utf-8", "surrogatepass"))


def _without_one(value: Any) -> Iterator[Any]:
    """The value with one thing less in it, the largest things first."""
    if isinstance(value, dict):
        for key in value:
            yield {k: v for k, v in value.items() if k != key}
        for key, item in value.items():
            yield from ({**value, key: smaller} for smaller in _without_one(item))
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield value[:index] + value[index + 1 :]
            yield from ([*value[:index], smaller, *value[index + 1 :]] for smaller in _without_one(item))
