"""What shoppers saw: one sample a request, and what the shop confirmed to them.

Both are kept in memory and, when the run has a folder, appended to `samples.jsonl`
and `confirmed.jsonl` there: the record of promises lives outside the shop.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["PAGES", "Confirmed", "Recorder", "Sample"]

PAGES = frozenset({"home", "product"})
"""Behaviours whose requests are page views: HTML for a browser."""


@dataclass(frozen=True)
class Sample:
    """One request as a shopper lived it. Times are Unix seconds.

    `error` is None when the shopper got what was asked for; a fallback page counts as that.
    `latency_ms` runs from when the request was due, so a late or queued one looks as slow as it was.
    `friendly_problems` says why a failed answer was not a friendly one; empty for a good one.
    `body_digest` is of a failed page's body without its request id, to see whether all are the same;
    `fresh_s` for how long a cache may show a failed answer again. `fallback_of` is what a fallback page
    says that it stands in for, or who made it (X-Fallback).
    """

    scheduled_at: float
    sent_at: float | None
    done_at: float
    behaviour: str
    method: str
    path: str
    status: int | None
    latency_ms: float
    error: str | None = None
    fallback: bool = False
    friendly_problems: tuple[str, ...] = ()
    request_id: str = ""
    lang: str = "en"
    body_digest: str = ""
    fresh_s: float = 0.0
    fallback_of: str = ""

    @property
    def is_page(self) -> bool:
        """Whether this was a page view in a browser."""
        return self.behaviour in PAGES

    @property
    def failed(self) -> bool:
        """Whether the shopper did not get what was asked for."""
        return self.error is not None


@dataclass(frozen=True)
class Confirmed:
    """Something the shop acknowledged: it must never be forgotten.

    For an order `id` is the order's, `key` the idempotency key, `owner` the buyer's address; for a
    gift `owner` is the registry, for a membership the member's address; for a cart `key` is what was
    put in, as `product:quantity`.
    """

    at: float
    kind: Literal["order", "gift", "cart", "membership"]
    id: str
    key: str
    owner: str = ""


class Recorder:
    """Takes samples and confirmations from the shoppers' thread; others may look at any time."""

    def __init__(self, folder: Path | None = None) -> None:
        """Keep all in memory and, with a `folder`, in its two files."""
        self._lock = threading.Lock()
        self._samples: list[Sample] = []
        self._confirmed: list[Confirmed] = []
        self._in_flight: dict[int, float] = {}
        self._next = 0
        self._files: dict[str, TextIO] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for name in ("samples", "confirmed"):  # flushed at the end of each line: a killed process loses none
                self._files[name] = (folder / f"{name}.jsonl").open("a", buffering=1, encoding="utf-8")

    def begin(self, scheduled_at: float) -> int:
        """A request is due now: it counts until `finish`. Returns its ticket."""
        with self._lock:
            self._next += 1
            self._in_flight[self._next] = scheduled_at
            return self._next

    def finish(self, ticket: int, samples: Iterable[Sample]) -> None:
        """The requests of a ticket are over, with these results."""
        with self._lock:
            self._in_flight.pop(ticket, None)
            for sample in samples:
                self._samples.append(sample)
                self._write("samples", asdict(sample))

    def confirm(
        self, kind: Literal["order", "gift", "cart", "membership"], ident: str, key: str, owner: str = ""
    ) -> None:
        """The shop acknowledged something to a shopper."""
        promise = Confirmed(time.time(), kind, ident, key, owner)
        with self._lock:
            self._confirmed.append(promise)
            self._write("confirmed", asdict(promise))

    def samples(self, since: float = 0.0, until: float = float("inf")) -> list[Sample]:
        """Samples that were due in [since, until), oldest first as they finished."""
        with self._lock:
            return [sample for sample in self._samples if since <= sample.scheduled_at < until]

    def confirmed(self, kind: str, since: float = 0.0, until: float = float("inf")) -> list[Confirmed]:
        """Acknowledgements of one kind, given in [since, until)."""
        with self._lock:
            return [promise for promise in self._confirmed if promise.kind == kind and since <= promise.at < until]

    def in_flight(self, until: float = float("inf")) -> list[float]:
        """When each request that is still under way was due, of those due before `until`."""
        with self._lock:
            return sorted(due for due in self._in_flight.values() if due < until)

    def close(self) -> None:
        """Close the files; memory stays readable."""
        with self._lock:
            for stream in self._files.values():
                stream.close()
            self._files.clear()

    def _write(self, name: str, line: dict[str, object]) -> None:
        stream = self._files.get(name)
        if stream is not None:
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
