"""The shop's own books, read from outside: its database and the mailbox of everybody it writes to.

What shoppers were promised is compared with what the database holds and what the mail
sink received: counted where things arrive, never where they are sent.
"""

from __future__ import annotations

import base64
import json
import threading
import urllib.request
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError

import psycopg

from gameday import reach
from gameday.ledger.proxies import origin_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gameday.kube import Kube

__all__ = ["BooksError", "Database", "Gift", "Mail", "Postbox", "fetch"]

_TIMEOUT_S = 3.0
_PAGE = 200
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy of the environment


class BooksError(Exception):
    """The books cannot be read; the message is one line. A probe that meets it cannot tell."""


@dataclass(frozen=True)
class Gift:
    """A gift as the database knows it."""

    id: str
    registry: str
    owner_email: str
    product_names: tuple[str, ...]


@dataclass(frozen=True)
class Mail:
    """A message as its receiver has it. `template` and `event` are the shop's own headers."""

    id: str
    to: tuple[str, ...]
    subject: str
    created_at: float
    template: str
    event: str
    text: str = field(repr=False)
    html: str = field(repr=False)


def fetch(url: str, *, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """GET a URL directly: status and body, of an error answer as well. Raises BooksError without an answer."""
    request = urllib.request.Request(url, headers=headers or {})  # noqa: S310  # built from a Service's address
    try:
        try:
            with _direct.open(request, timeout=_TIMEOUT_S) as answer:
                return int(answer.status), bytes(answer.read())
        except HTTPError as answer:
            with answer:
                return int(answer.code), bytes(answer.read())
    except (URLError, OSError, HTTPException) as problem:
        raise BooksError(f"no answer from {url}: {getattr(problem, 'reason', problem)}") from problem


class Database:
    """The shop's database, by its Service `db` and the Secret `db-credentials`; reads only."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        """Not connected yet."""
        self._kube, self._namespace = kube, namespace
        self._connection: psycopg.Connection[Any] | None = None
        self._lock = threading.Lock()

    def orders(self, ids: Iterable[str]) -> set[str]:
        """Which of these orders exist."""
        rows = self._query("SELECT id::text FROM orders WHERE id::text = ANY(%s)", list(ids))
        return {str(row[0]) for row in rows}

    def gifts(self) -> dict[str, Gift]:
        """All gifts, by id, with the address of the owner of the registry they were bought from."""
        rows = self._query(
            "SELECT g.id::text, g.registry_id, c.email, p.name_en, p.name_fr FROM gifts g"
            " JOIN registries r ON r.id = g.registry_id JOIN customers c ON c.id = r.owner_id"
            " JOIN products p ON p.id = g.product_id"
        )
        return {str(r[0]): Gift(str(r[0]), str(r[1]), str(r[2]), (str(r[3]), str(r[4]))) for r in rows}

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            for attempt in (1, 2):
                try:
                    connection = self._connection or self._connect()
                    return connection.execute(statement.encode(), values or None).fetchall()
                except psycopg.Error as problem:
                    if self._connection is not None:
                        self._connection.close()
                    self._connection = None
                    if attempt == 2:  # noqa: PLR2004  # a connection of before may have died with its server
                        raise BooksError(
                            f"database {self._namespace}/db: {' '.join(str(problem).split())}"
                        ) from problem
        return []

    def _connect(self) -> psycopg.Connection[Any]:
        core = self._kube.core
        secret = self._kube.plain(core.read_namespaced_secret("db-credentials", self._namespace, _request_timeout=5))
        host, port = reach.service_address(self._kube, self._namespace, origin_of(self._kube, self._namespace, "db"))
        said = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
        self._connection = psycopg.connect(
            host=host,
            port=port,
            user=said["username"],
            password=said["password"],
            dbname=said["database"],
            connect_timeout=3,
            autocommit=True,
            application_name="gameday",
        )
        return self._connection


class Postbox:
    """The mail sink's search API (Mailpit's). Remembers every message it has read: mail does not change."""

    def __init__(self, base_url: str) -> None:
        """`base_url` of the sink's HTTP port, without a trailing slash."""
        self._base_url = base_url
        self._connection: HTTPConnection | None = None
        self._mails: dict[str, Mail] = {}
        self._seen: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def recipients(self) -> list[tuple[str, str]]:
        """(address, subject) of every message received so far; cheap: nothing is opened."""
        with self._lock:
            self._list()
            return [(to["Address"], str(m.get("Subject", ""))) for m in self._seen.values() for to in m.get("To") or []]

    def mails(self, since: float = 0.0) -> list[Mail]:
        """Every message received since a time (Unix seconds), opened."""
        with self._lock:
            self._list()
            return [mail for ident in self._seen if (mail := self._open(ident)).created_at >= since]

    def _list(self) -> None:
        start = 0
        while True:
            listing = self._json(f"/api/v1/messages?start={start}&limit={_PAGE}")
            messages = listing.get("messages") or []
            fresh = [m for m in messages if m["ID"] not in self._seen]
            self._seen.update({m["ID"]: m for m in fresh})
            start += len(messages)
            if not messages or len(fresh) < len(messages) or start >= int(listing.get("total") or 0):
                return

    def _open(self, ident: str) -> Mail:
        known = self._mails.get(ident)
        if known is not None:
            return known
        listed = self._seen[ident]
        headers = {k.lower(): v for k, v in self._json(f"/api/v1/message/{ident}/headers").items()}
        body = self._json(f"/api/v1/message/{ident}")
        mail = Mail(
            ident,
            tuple(to["Address"] for to in listed.get("To") or []),
            str(listed.get("Subject") or ""),
            datetime.fromisoformat(str(listed["Created"])).timestamp(),
            (headers.get("x-shop-template") or [""])[0],
            (headers.get("x-shop-event") or [""])[0],
            str(body.get("Text") or ""),
            str(body.get("HTML") or ""),
        )
        self._mails[ident] = mail
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
                return status, body
