"""Watches: a stream of changes, one JSON document a line."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Any

from aiohttp import web

from gameday.cluster import tables
from gameday.cluster.api.errors import ApiError
from gameday.cluster.api.forms import formed, wanted_form
from gameday.cluster.api.requests import Filter, Place, encode, flag, is_number, whole_number
from gameday.cluster.store import Event, ExpiredError, Object, Store, Watch

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_TIMEOUT_S = 3600
BOOKMARK_EVERY_S = 60.0
_LAST_BOOKMARK_S = 2.0
"""How long before a watch's end its last bookmark comes."""
_LOOK_EVERY_S = 2.0
"""How soon a client that went away is noticed when nothing happens."""


class Watches:
    """Serves watches, and ends them all when the server closes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: set[Watch] = set()

    def close(self) -> None:
        """End every watch."""
        for watch in list(self._open):
            watch.close()

    async def serve(self, request: web.Request, place: Place, chosen: Filter) -> web.StreamResponse:
        """Answer a watch request until its timeout, its client or the server ends it."""
        since, initial = self._start(request.query)
        stream = _Stream(request, place, chosen)
        if since is not None and since > self._store.revision:
            return await stream.refuse(f"resource version {since} is of an earlier life of this cluster: list again")
        try:
            watch = self._store.watch(place.key, place.namespace or None, since)
        except ExpiredError as problem:
            return await stream.refuse(str(problem))
        self._open.add(watch)
        watch.on_expiry = stream.cut
        try:
            await stream.run(watch, self._store, initial=initial)
        except ConnectionResetError:
            pass  # the client went away
        finally:
            watch.close()
            self._open.discard(watch)
        return stream.response

    def _start(self, query: Mapping[str, str]) -> tuple[int | None, bool]:
        """From which revision to watch (None: now), and whether to begin with all that exists."""
        text = query.get("resourceVersion", "")
        if text in ("", "0") or flag(query, "sendInitialEvents"):
            return None, query.get("sendInitialEvents") != "false"
        if not is_number(text):
            raise ApiError(400, f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: invalid syntax')
        return int(text), False


class _Stream:
    """One watch's response."""

    def __init__(self, request: web.Request, place: Place, chosen: Filter) -> None:
        self._request = request
        self._place = place
        self._chosen = chosen
        self._bookmarks = flag(request.query, "allowWatchBookmarks")
        self._headed = False
        self._writing = False
        timeout_s = whole_number(request.query, "timeoutSeconds") or DEFAULT_TIMEOUT_S
        self._ends_at = time.monotonic() + timeout_s
        self.response = web.StreamResponse(headers={"Content-Type": "application/json", "Cache-Control": "no-cache"})

    def cut(self) -> None:
        """The watch was dropped: a client that does not read cannot even be told so."""
        if self._writing and self._request.transport is not None:
            self._request.transport.abort()

    async def _write(self, kind: str, obj: Any) -> None:
        self._writing = True
        await self.response.write(encode({"type": kind, "object": obj}) + b"\n")
        self._writing = False
        await asyncio.sleep(0)  # everybody's turn, and the moment in which the loss of the client is told

    async def refuse(self, why: str) -> web.StreamResponse:
        """End the watch with an ERROR event: the client must list again."""
        if not self.response.prepared:
            await self.response.prepare(self._request)
        status = ApiError(410, why).status()
        await self._write("ERROR", status)
        return self.response

    async def run(self, watch: Watch, store: Store, *, initial: bool) -> None:
        """Stream what exists in the store, if `initial`, then the changes."""
        existing = store.list(watch.resource, watch.namespace) if initial else []
        revision = store.revision
        await self.response.prepare(self._request)
        for obj in existing:
            if self._chosen.accepts(obj):
                await self._send("ADDED", obj)
        if flag(self._request.query, "sendInitialEvents"):
            await self._send_bookmark(revision, {"k8s.io/initial-events-end": "true"})
        bookmark_at = self._next_bookmark()
        while (left_s := self._ends_at - time.monotonic()) > 0 and not self._gone():
            try:
                event = await watch.next(min(left_s, _LOOK_EVERY_S, max(0.0, bookmark_at - time.monotonic())))
            except TimeoutError:
                if time.monotonic() >= bookmark_at and watch.idle:  # so all is told up to the store's revision
                    bookmark_at = self._next_bookmark()
                    await self._send_bookmark(store.revision)
                continue
            except ExpiredError as problem:
                await self.refuse(str(problem))
                return
            if event is None:
                return
            await self._forward(event)

    def _next_bookmark(self) -> float:
        """When to send the next one: every minute, and shortly before the end."""
        now = time.monotonic()
        left_s = self._ends_at - _LAST_BOOKMARK_S - now
        return now + min(left_s, BOOKMARK_EVERY_S) if left_s > 0 else math.inf

    def _gone(self) -> bool:
        return self._request.transport is None or self._request.transport.is_closing()

    async def _forward(self, event: Event) -> None:
        """Send an event as this watch sees it: an object that leaves the selection is DELETED to it."""
        before = event.previous is not None and self._chosen.accepts(event.previous)
        after = event.type != "DELETED" and self._chosen.accepts(event.object)
        if after:
            await self._send("MODIFIED" if before else "ADDED", event.object)
        elif before:
            await self._send("DELETED", event.object)

    async def _send(self, kind: str, obj: Object) -> None:
        await self._write(kind, self._formed(obj))

    def _formed(self, obj: Object) -> Any:
        made = formed(self._request, self._place, obj)
        if made["kind"] == "Table" and self._headed:
            made["columnDefinitions"] = None
        self._headed = True
        return made

    async def _send_bookmark(self, revision: int, annotations: Object | None = None) -> None:
        if not self._bookmarks:
            return
        meta: Object = {"resourceVersion": str(revision), "creationTimestamp": None}
        if annotations:
            meta["annotations"] = annotations
        resource = self._place.resource
        obj = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
        if wanted_form(self._request.headers.get("Accept", "")) == "Table":
            obj = {**tables.table(self._place.key, []), "metadata": meta}
        await self._write("BOOKMARK", obj)
