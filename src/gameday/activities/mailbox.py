"""The mailbox of everybody the shop writes to, read by Mailpit's search API: our postbox has it, and so has Mailpit.

Asked are `GET /api/v1/messages?start=&limit=` for what there is, newest first, and `GET /api/v1/message/{id}/raw` for
each mail, once: a mail does not change. Mailpit keeps 500 mails unless it is told otherwise (MP_MAX_MESSAGES=0).
"""

from __future__ import annotations

import email
import email.policy
import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any

from gameday.activities.books import BooksError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Mail", "Postbox"]

_TIMEOUT_S = 3.0
_PAGE = 200
MAX_SKEW_S = 1.0
"""When a mail came is the sink's word: with a clock further off than this, what came under a fault nobody can tell.

A date has whole seconds: a clock that is up to a second more off may go unnoticed.
"""


@dataclass(frozen=True)
class Mail:
    """A message as its receiver has it. `template` and `event` are the shop's own headers; `headers` in lower case."""

    id: str
    to: tuple[str, ...]
    subject: str
    created_at: float
    template: str
    event: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    raw: bytes = field(default=b"", repr=False)

    @property
    def lang(self) -> str:
        """Its language, English when it says none."""
        return (self.headers.get("content-language") or ("en",))[0]


class Postbox:
    """The mail sink's search API (Mailpit's). Remembers every message it has read: mail does not change."""

    def __init__(self, base_url: str) -> None:
        """`base_url` of the sink's HTTP port, without a trailing slash."""
        self._base_url = base_url
        self._connection: HTTPConnection | None = None
        self._mails: dict[str, Mail] = {}
        self._seen: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._skew_s = 0.0

    def recipients(self) -> list[tuple[str, str]]:
        """(address, subject) of every message received so far; cheap: nothing is opened."""
        with self._lock:
            self._list()
            return [(to, str(m.get("Subject", ""))) for m in self._seen.values() for to in _receivers(m)]

    def mails(self, since: float = 0.0) -> list[Mail]:
        """Every message received since a time (Unix seconds), opened."""
        with self._lock:
            self._list()
            return [
                self._open(ident) for ident, listed in self._seen.items() if _created(listed) - self._skew_s >= since
            ]

    def check_clock(self) -> None:
        """Raise BooksError when the sink's clock was too far off at its last answer: for who asks when mails came."""
        if self._skew_s:
            raise BooksError(
                f"the clock of {self._base_url} is {self._skew_s:+.0f} s off this machine's, at most {MAX_SKEW_S:g} s "
                "can be told; have both set by NTP"
            )

    def _list(self) -> None:
        """See what is new. Mail that comes meanwhile moves the pages on: one is done at a page with something known."""
        start = 0
        fresh: dict[str, dict[str, Any]] = {}
        while True:
            listing = self._json(f"/api/v1/messages?start={start}&limit={_PAGE}")
            messages = listing.get("messages") or []
            fresh |= {m["ID"]: m for m in messages}
            start += len(messages)
            known = any(m["ID"] in self._seen for m in messages)
            if not messages or known or start >= int(listing.get("total") or 0):
                break
        for ident in reversed(list(fresh)):  # all pages were read: only now do they count as seen
            self._seen.setdefault(ident, fresh[ident])

    def _open(self, ident: str) -> Mail:
        known = self._mails.get(ident)
        if known is not None:
            return known
        status, raw = self._get(f"/api/v1/message/{ident}/raw")
        if status != 200:  # noqa: PLR2004
            raise BooksError(f"postbox {self._base_url}: message {ident} answered {status}, expected 200")
        self._mails[ident] = mail = _parsed(ident, self._seen[ident], raw)
        return mail

    def _json(self, path: str) -> dict[str, Any]:
        status, body = self._get(path)
        try:
            data = json.loads(body)
        except ValueError:
            data = None
        if status != 200 or not isinstance(data, dict):  # noqa: PLR2004
            raise BooksError(f"postbox {self._base_url}{path}: expected JSON with status 200, got status {status}")
        return data

    def _get(self, path: str) -> tuple[int, bytes]:
        """GET over one connection, made anew when it broke: hundreds of mails are read, and some ways are long."""
        while True:
            kept = self._connection
            connection = kept or HTTPConnection(self._base_url.removeprefix("http://"), timeout=_TIMEOUT_S)
            asked_at = time.time()
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                status, body = answer.status, answer.read()
            except (OSError, HTTPException) as problem:
                connection.close()
                self._connection = None
                if kept is None:
                    raise BooksError(f"no answer from {self._base_url}{path}: {problem}") from problem
            else:
                self._connection = connection
                self._skew_s = _skew_s(answer.getheader("Date"), asked_at, time.time())
                return status, body


def _skew_s(date: str | None, asked_at: float, answered_at: float) -> float:
    """By how much a clock that said this date is off, when that is too much for sure; 0 when it is not, or unknown.

    The date leaves out the part of a second, and was written at some time between question and answer.
    """
    with suppress(TypeError, ValueError):
        said = parsedate_to_datetime(date or "").timestamp()
        ahead_s, behind_s = said - answered_at, asked_at - (said + 1)
        return ahead_s if ahead_s > MAX_SKEW_S else -behind_s if behind_s > MAX_SKEW_S else 0.0
    return 0.0


def _receivers(listed: dict[str, Any]) -> list[str]:
    """Whom a message was for, the envelope's included: those whom no header names are in Bcc."""
    return [str(one["Address"]) for name in ("To", "Cc", "Bcc") for one in listed.get(name) or []]


def _created(listed: dict[str, Any]) -> float:
    return datetime.fromisoformat(str(listed["Created"])).timestamp()


def _parsed(ident: str, listed: dict[str, Any], raw: bytes) -> Mail:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    headers: dict[str, tuple[str, ...]] = {}
    for name, value in message.items():
        headers[name.lower()] = (*headers.get(name.lower(), ()), str(value))
    bodies = {kind: message.get_body((kind,)) for kind in ("plain", "html")}
    said = {kind: str(body.get_content()) if body is not None else "" for kind, body in bodies.items()}
    return Mail(
        ident,
        tuple(_receivers(listed)),
        str(listed.get("Subject") or ""),
        _created(listed),
        (headers.get("x-shop-template") or ("",))[0],
        (headers.get("x-shop-event") or ("",))[0],
        said["plain"],
        said["html"],
        headers,
        raw,
    )
