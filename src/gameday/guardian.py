"""The guardian: a small pod that undoes the ledger of its namespace when the run that set the faults has died.

`python3 -m gameday.guardian`, in a pod. A fault is undone here when its run no longer holds the namespace's Lease
(it was given back, taken by another, or not renewed for ten seconds of the guardian's own clock; for five when it was
old already as the guardian came), or when it has
been on record for longer than its time to live. The guardian first takes the Lease of a dead run, so that one that
was only asleep sets no more faults. What it can do is what ledger entries can say: see `gameday.ledger.entries`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gameday.kube import ApiException, connect_inside
from gameday.ledger import Entry, EntryError, Ledger, LedgerError, revert
from gameday.ledger.calls import CONNECTION_ERRORS, said
from gameday.ledger.lease import DURATION_S, GUARDIANS, RENEW_EVERY_S, Lease, holder_now

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gameday.kube import Kube

__all__ = ["Guardian", "Memory", "main"]

LOOK_EVERY_S = 0.5
FOUND_DEAD_S = 2.5 * RENEW_EVERY_S
"""A Lease that was old when first seen, and stands still for so long, is a dead run's: it missed two renewals."""

TROUBLE = (ApiException, LedgerError, EntryError, *CONNECTION_ERRORS)


@dataclass
class Memory:
    """What was seen when, on one clock. Pure: times come in."""

    _lease: tuple[str, Any] | None = None
    _lease_since: float = 0.0
    _saw_it_renewed: bool = False
    _first_seen: dict[str, float] = field(default_factory=dict)

    def alive(self, holder: str, renewed: Any, now: float, age_s: float = 0.0) -> str:
        """The holder if it has renewed its Lease lately, or was never seen before; empty when it is dead, or nobody.

        `age_s`: how long ago it was renewed, as two machines' clocks have it. That alone says nothing; but of a holder
        that was never seen to renew, as after a start of this pod, it shortens the wait.
        """
        if self._lease != (holder, renewed):
            self._saw_it_renewed = self._lease is not None and self._lease[0] == holder
            self._lease, self._lease_since = (holder, renewed), now
        unchanged_s = now - self._lease_since
        found_dead = not self._saw_it_renewed and age_s >= DURATION_S and unchanged_s >= FOUND_DEAD_S
        return "" if found_dead or unchanged_s >= DURATION_S else holder

    def due(self, entries: Iterable[Entry], alive: str, now: float) -> list[str]:
        """The ids of the faults to undo: their run is over, or their time is.

        The entries must have been read before the Lease: whoever holds it then wrote none of another's.
        """
        known = {entry.id: entry for entry in entries}
        self._first_seen = {key: self._first_seen.get(key, now) for key in known}
        return [
            key
            for key, entry in known.items()
            if (entry.holder and entry.holder != alive) or now - self._first_seen[key] > entry.ttl_s
        ]


class Guardian:
    """Watches one namespace."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        """Nothing seen yet."""
        self._kube, self._namespace = kube, namespace
        self._ledger = Ledger(kube, namespace)
        self._memory = Memory()
        self._told: set[str] = set()

    def look(self) -> None:
        """Look once, and undo what is due. Raises what the API client raises, LedgerError."""
        entries, broken = self._ledger.read()
        holder, renewed = holder_now(self._kube, self._namespace)
        alive = self._memory.alive(
            holder, renewed, time.monotonic(), time.time() - renewed.timestamp() if renewed else 0
        )
        due = set(self._memory.due(entries, alive, time.monotonic()))
        for key, why in broken.items():
            self._tell_once(f"not understood: {why}", fault=key)
        if not due:
            return
        lease = Lease(self._kube, self._namespace, GUARDIANS + os.uname().nodename)
        if not alive and holder and not lease.seize(holder, renewed):
            return  # it was renewed this very moment: its run lives
        for outcome in revert(self._kube, self._namespace, only=lambda entry: entry.id in due):
            if outcome.ok and outcome.fault in due:
                _log("undone", fault=outcome.fault, detail=outcome.detail)
            elif outcome.fault in due:  # and tried again at the next look
                self._tell_once(f"not undone: {outcome.detail}", fault=outcome.fault)
        if not alive and holder:
            lease.release()

    def _tell_once(self, event: str, **details: Any) -> None:
        if event not in self._told:
            self._told.add(event)
            _log(event, **details)


def _log(event: str, **details: Any) -> None:
    sys.stdout.write(json.dumps({"at": time.time(), "event": event, **details}) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Watch until SIGTERM; what goes wrong meanwhile is logged, and tried again."""
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    namespace = os.environ["NAMESPACE"]
    ready = Path(os.environ["READY_FILE"])
    guardian = Guardian(connect_inside(os.environ["ACCOUNT_FOLDER"]), namespace)
    _log("watching", namespace=namespace)
    trouble = ""
    while not over.wait(LOOK_EVERY_S):
        try:
            guardian.look()
            trouble = ""
            ready.touch()
        except TROUBLE as problem:
            ready.unlink(missing_ok=True)
            if said(problem) != trouble:
                trouble = said(problem)
                _log("trouble", detail=trouble)
    return 0


if __name__ == "__main__":
    sys.exit(main())
