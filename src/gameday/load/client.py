"""One request of a shopper, judged on the spot.

Every request has a connection of its own: a kept one that the server closed in the
meantime would look like a failure of the shop, and a browser would not show it.
No retries, no redirects, no proxy from the environment.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

from gameday.load.samples import PAGES, Recorder, Sample
from gameday.pages import (
    freshness_s,
    judge_error_page,
    judge_head,
    judge_problem,
    preferred_language,
    same_but_for_request_id,
)

__all__ = ["TIMEOUT_S", "Answer", "Client", "Visit"]

TIMEOUT_S = 5.0
"""A request without a whole answer after this many seconds has failed."""


@dataclass(frozen=True)
class Answer:
    """What came back: `data` is the JSON of a JSON answer, {} otherwise; `failed` as the sample says."""

    status: int | None
    failed: bool
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Visit:
    """What a request is part of: which behaviour, in which language, due when (Unix seconds)."""

    behaviour: str
    accept_language: str
    due: float


class Client:
    """Sends requests to one base URL and records a sample of each."""

    def __init__(self, base_url: str, recorder: Recorder) -> None:
        """`base_url` without a trailing slash; must be used inside a running event loop."""
        self._base_url = base_url
        self._recorder = recorder
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            trust_env=False,
        )

    async def close(self) -> None:
        """Drop all connections."""
        await self._session.close()

    async def page(self, visit: Visit, path: str, *, shows: str) -> Answer:
        """View a page; it is the right one when its HTML has `shows` in it, or says it is a fallback."""
        return await self._send(visit, "GET", path, accept="text/html", shows=shows)

    async def get(self, visit: Visit, path: str, *, expect: tuple[int, ...] = (200,)) -> Answer:
        """Read JSON."""
        return await self._send(visit, "GET", path, accept="application/json", expect=expect)

    async def post(self, visit: Visit, path: str, payload: dict[str, Any], *, key: str = "") -> Answer:
        """Send JSON, with an Idempotency-Key when `key` is given; 200 and 201 are good."""
        return await self._send(
            visit, "POST", path, accept="application/json", payload=payload, key=key, expect=(200, 201)
        )

    def skip(self, visit: Visit, method: str, path: str, why: str) -> None:
        """Record a request that was never sent, because what it needs had failed: that failed as well."""
        now = time.time()
        lang = preferred_language(visit.accept_language)
        sample = Sample(
            visit.due, None, now, visit.behaviour, method, path, None, (now - visit.due) * 1e3, why, lang=lang
        )
        self._recorder.finish(self._recorder.begin(visit.due), [sample])

    async def _send(
        self,
        visit: Visit,
        method: str,
        path: str,
        *,
        accept: str,
        payload: dict[str, Any] | None = None,
        key: str = "",
        shows: str = "",
        expect: tuple[int, ...] = (200,),
    ) -> Answer:
        ticket = self._recorder.begin(visit.due)
        seen = await self._exchange(visit, method, path, accept, payload, key)
        fallback = seen.status == 200 and "x-fallback" in seen.headers  # noqa: PLR2004
        error = seen.error or _wrong(seen.status, expect, seen.body, shows if not fallback else "")
        problems = _friendly_problems(visit, accept, seen) if error is not None else ()
        self._recorder.finish(ticket, [_sample(visit, method, path, seen, error, problems)])
        if seen.cut_off:
            raise asyncio.CancelledError
        return Answer(seen.status, error is not None, _json(seen.headers, seen.body))

    async def head(self, visit: Visit, path: str) -> None:
        """Ask for a page with HEAD as well, and compare: a monitor must learn from it what a visitor does.

        The GET before it and the one after it must agree, or nothing can be said of the HEAD between them.
        """
        ticket = self._recorder.begin(visit.due)
        before = await self._exchange(visit, "GET", path, "text/html")
        asked = replace(visit, due=time.time())
        head = await self._exchange(asked, "HEAD", path, "text/html")
        after = await self._exchange(visit, "GET", path, "text/html") if not head.cut_off else head
        problems: tuple[str, ...] = ()
        if before.status is not None and before.status == after.status and head.status is not None:
            steady = {name: value for name, value in before.headers.items() if after.headers.get(name) == value}
            problems = tuple(judge_head((before.status, steady), (head.status, head.headers), head.body))
        error = head.error or _wrong(head.status, (200,), b"", "")
        if problems and error is None:
            error = problems[0]
        self._recorder.finish(ticket, [_sample(asked, "HEAD", path, head, error, problems)])
        if after.cut_off:
            raise asyncio.CancelledError

    async def _exchange(
        self, visit: Visit, method: str, path: str, accept: str, payload: dict[str, Any] | None = None, key: str = ""
    ) -> _Exchange:
        """One request and its answer, whatever became of it."""
        headers = {"Accept": accept, "Accept-Language": visit.accept_language, "User-Agent": "gameday-shopper"}
        if key:
            headers["Idempotency-Key"] = key
        sent_at, cut_off = time.time(), False
        status, error, body, got = None, None, b"", {}
        try:
            async with self._session.request(
                method, self._base_url + path, headers=headers, json=payload, allow_redirects=False
            ) as response:
                status, got = response.status, {name.lower(): value for name, value in response.headers.items()}
                body = await response.read()
        except TimeoutError:
            error = f"timeout after {TIMEOUT_S:g} s"
        except (aiohttp.ClientError, OSError) as problem:
            error = f"{type(problem).__name__}: {problem}"
        except asyncio.CancelledError:
            error, cut_off = "still in flight at the end", True
        return _Exchange(sent_at, time.time(), status, got, body, error, cut_off)


@dataclass(frozen=True)
class _Exchange:
    """What came of one request; `error` says why there is no whole answer."""

    sent_at: float
    done_at: float
    status: int | None
    headers: dict[str, str]
    body: bytes
    error: str | None
    cut_off: bool


def _sample(
    visit: Visit, method: str, path: str, seen: _Exchange, error: str | None, problems: tuple[str, ...]
) -> Sample:
    """The sample of an exchange."""
    failed = error is not None
    request_id = seen.headers.get("x-request-id", "")
    return Sample(
        visit.due,
        seen.sent_at,
        seen.done_at,
        visit.behaviour,
        method,
        path,
        seen.status,
        round((seen.done_at - visit.due) * 1e3, 3),
        error,
        seen.status == 200 and "x-fallback" in seen.headers,  # noqa: PLR2004
        problems,
        request_id,
        preferred_language(visit.accept_language),
        _digest(seen.body, request_id) if failed and seen.body and visit.behaviour in PAGES else "",
        freshness_s(seen.headers) if failed else 0.0,
        seen.headers.get("x-fallback", ""),
    )


def _digest(body: bytes, request_id: str) -> str:
    """What tells one error page from another, whatever request it was made for."""
    return hashlib.sha256(same_but_for_request_id(body, request_id)).hexdigest()[:12]


def _wrong(status: int | None, expect: tuple[int, ...], body: bytes, shows: str) -> str | None:
    """Why this answer is not what the shopper asked for, or None."""
    if status not in expect:
        return f"status {status}"
    if shows and shows.encode() not in body:
        return f"status {status} with a page that is not the one asked for"
    return None


def _friendly_problems(visit: Visit, accept: str, seen: _Exchange) -> tuple[str, ...]:
    """What was not friendly about a failed answer; no answer at all is the least friendly."""
    if seen.status is None:
        return ("nothing: no answer at all",)
    if accept == "text/html":
        return tuple(judge_error_page(seen.status, seen.headers, seen.body, visit.accept_language))
    return tuple(judge_problem(seen.status, seen.headers, seen.body))


def _json(headers: dict[str, str], body: bytes) -> dict[str, Any]:
    if "json" not in headers.get("content-type", ""):
        return {}
    try:
        data = json.loads(body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
