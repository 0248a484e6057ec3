"""The shop's own books, read from outside: its database; the mailbox of everybody it writes to is in `mailbox`.

What shoppers were promised is compared with what the database holds and what the mail
sink received: counted where things arrive, never where they are sent.
"""

from __future__ import annotations

import base64
import threading
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError

import psycopg

from gameday import reach
from gameday.ledger.proxies import origin_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gameday.kube import Kube

__all__ = ["BooksError", "Campaign", "Database", "Gift", "Sent", "fetch"]

_TIMEOUT_S = 3.0


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:
        """Nowhere: the answer is the redirect itself."""


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())  # no proxy of the environment


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
class Sent:
    """A mail as its sender has it in its book. `state`: claimed, accepted (the other side said 250) or bounced."""

    template: str
    event: str
    recipient: str
    state: str
    at: float


@dataclass(frozen=True)
class Campaign:
    """A campaign as the database knows it. `recipients`: of its dry run; `approver` None: nobody approved it."""

    id: str
    template: str
    author: str
    approver: str | None
    recipients: int | None
    approved: int | None
    state: str
    held: str
    made_at: float
    product_names: tuple[str, ...]


def fetch(url: str, *, headers: dict[str, str] | None = None, body: bytes | None = None) -> tuple[int, bytes]:
    """GET a URL directly, or POST `body` to it: status and body, of an error answer as well.

    Raises BooksError without an answer. No redirect is a page of the shop's that was asked for: none is followed.
    """
    request = urllib.request.Request(url, body, headers or {})  # noqa: S310  # built from a Service's address
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

    def order_products(self) -> dict[str, tuple[str, ...]]:
        """By an order's id, the names of what was ordered, in each language."""
        rows = self._query(
            "SELECT l.order_id::text, array_agg(p.name_en) || array_agg(p.name_fr) FROM order_lines l"
            " JOIN products p ON p.id = l.product_id GROUP BY 1"
        )
        return {str(row[0]): tuple(map(str, row[1])) for row in rows}

    def sent(self) -> list[Sent]:
        """The sender's own book of mails."""
        rows = self._query(
            "SELECT template, event_id::text, recipient, state, extract(epoch FROM sent_at)::float8 FROM mails_sent"
        )
        return [Sent(*row) for row in rows]

    def suppressed(self) -> dict[str, tuple[str, float]]:
        """Who must not be written to: by address, why (unsubscribed, bounced) and since when (Unix seconds)."""
        rows = self._query(
            "SELECT email, 'unsubscribed', 0::float8 FROM customers WHERE unsubscribed"
            " UNION ALL SELECT email, reason, extract(epoch FROM since)::float8 FROM suppressions"
        )
        return {str(row[0]): (str(row[1]), float(row[2])) for row in rows}

    def without_consent(self) -> set[str]:
        """The addresses of customers who never asked for bulk mail."""
        return {str(row[0]) for row in self._query("SELECT email FROM customers WHERE NOT newsletter")}

    def campaigns(self) -> list[Campaign]:
        """All campaigns, oldest first."""
        rows = self._query(
            "SELECT c.id::text, c.template, c.author, a.approver, c.recipients, a.recipients, c.state, c.held,"
            " extract(epoch FROM c.created_at)::float8, p.name_en, p.name_fr FROM campaigns c"
            " LEFT JOIN approvals a ON a.campaign_id = c.id LEFT JOIN products p ON p.id = c.product_id"
            " ORDER BY c.created_at"
        )
        return [Campaign(*(*row[:9], tuple(filter(None, row[9:])))) for row in rows]

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
