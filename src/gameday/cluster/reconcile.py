"""Level-triggered control loops over the store.

A loop holds the keys that may need work; events only add keys. `reconcile(key)` looks at
the store as it is now, so it never matters which event came first or was lost. Everything
runs in the daemon's one thread: a synchronous `reconcile` sees a consistent store.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING

from gameday.cluster.store import AlreadyExistsError, ConflictError, Event, ExpiredError, NotFoundError, Object, Store

if TYPE_CHECKING:
    from gameday.cluster.store import Watch

log = logging.getLogger(__name__)

Key = Hashable
Keys = Callable[[Object], Iterable[Key]]
"""Which keys an object concerns."""

RETRY_S = 0.5
"""How soon a key is tried again whose reconciliation raised."""
MAX_RETRY_S = 30.0
"""How late at the most, when it raises again and again: each time is twice as late as the last."""


def name_of(obj: Object) -> tuple[str, str]:
    """Namespace and name: the usual key."""
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"]


def own_key(obj: Object) -> list[Key]:
    """The object's own namespace and name."""
    return [name_of(obj)]


class Loop:
    """Calls `reconcile` for each key that an event, a delay or `mark` named, one at a time."""

    def __init__(
        self, store: Store, watches: Mapping[str, Keys], reconcile: Callable[..., float | None], name: str
    ) -> None:
        self._store = store
        self._watches = watches
        self._reconcile = reconcile
        self._name = name
        self._keys: dict[Key, None] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._delays_s: dict[Key, float] = {}
        self._wake = asyncio.Event()

    def mark(self, key: Key) -> None:
        """Reconcile this key soon."""
        self._keys[key] = None
        self._wake.set()

    def mark_later(self, key: Key, delay_s: float) -> None:
        """Reconcile this key after a delay; the last call for a key counts."""
        if key in self._timers:
            self._timers.pop(key).cancel()
        self._timers[key] = asyncio.get_running_loop().call_later(delay_s, self._due, key)

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.mark(key)

    async def run(self) -> None:
        """Run until cancelled. What exists already is reconciled first."""
        async with asyncio.TaskGroup() as tasks:
            for resource, keys in self._watches.items():
                tasks.create_task(self._follow(resource, keys))
            tasks.create_task(self._work())

    async def _follow(self, resource: str, keys: Keys) -> None:
        while True:
            watch = self._store.watch(resource)
            for obj in self._store.list(resource):
                self._mark_all(keys, obj)
            try:
                await self._read(watch, keys)
            except ExpiredError:  # too slow once: the list above catches up
                log.warning("%s: missed events of %s, listing again", self._name, resource)
            finally:
                watch.close()

    async def _read(self, watch: Watch, keys: Keys) -> None:
        event: Event
        async for event in watch:
            self._mark_all(keys, event.object)
            if event.previous is not None:  # what it concerned before: old labels, an old selector
                self._mark_all(keys, event.previous)

    def _mark_all(self, keys: Keys, obj: Object) -> None:
        try:
            for key in keys(obj):
                self.mark(key)
        except Exception:  # nor must one that cannot be told whom it concerns
            log.exception("%s: whom %s concerns", self._name, name_of(obj))

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            keys, self._keys = list(self._keys), {}
            for key in keys:
                self._attempt(key)
            await asyncio.sleep(0)

    def _attempt(self, key: Key) -> None:
        delay_s = self._delays_s.pop(key, RETRY_S)
        try:
            again_s = self._reconcile(key)
        except (NotFoundError, ConflictError, AlreadyExistsError):  # it moved under us: look again
            again_s = RETRY_S
        except Exception:  # one bad object must not stop the loop for the others
            log.exception("%s: %s", self._name, key)
            again_s, self._delays_s[key] = delay_s, min(2 * delay_s, MAX_RETRY_S)
        if again_s is not None:
            self.mark_later(key, again_s)
