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
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from gameday.load.samples import PAGES, Recorder, Sample
from gameday.pages import judge_error_page, judge_problem, preferred_language, same_but_for_request_id

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
        done_at = time.time()
        fallback = status == 200 and "x-fallback" in got  # noqa: PLR2004
        if error is None:
            error = _wrong(status, expect, body, shows if not fallback else "")
        problems = _friendly_problems(visit, accept, status, got, body) if error is not None else ()
        request_id = got.get("x-request-id", "")
        digest = _digest(body, request_id) if error is not None and body and visit.behaviour in PAGES else ""
        seen = (method, path, status, round((done_at - visit.due) * 1e3, 3), error, fallback, problems, request_id)
        lang = preferred_language(visit.accept_language)
        sample = Sample(visit.due, sent_at, done_at, visit.behaviour, *seen, lang, digest)
        self._recorder.finish(ticket, [sample])
        if cut_off:
            raise asyncio.CancelledError
        return Answer(status, error is not None, _json(got, body))


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


def _friendly_problems(
    visit: Visit, accept: str, status: int | None, headers: dict[str, str], body: bytes
) -> tuple[str, ...]:
    """What was not friendly about a failed answer; no answer at all is the least friendly."""
    if status is None:
        return ("no answer at all",)
    if accept == "text/html":
        return tuple(judge_error_page(status, headers, body, visit.accept_language))
    return tuple(judge_problem(status, headers, body))


def _json(headers: dict[str, str], body: bytes) -> dict[str, Any]:
    if "json" not in headers.get("content-type", ""):
        return {}
    try:
        data = json.loads(body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
