"""`kubectl logs`: a container's output, from the files that the kubelet writes."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from os.path import samestat
from typing import TYPE_CHECKING, BinaryIO

from aiohttp import web

from gameday.cluster.api.errors import ApiError, not_found
from gameday.cluster.api.requests import Object, Place, flag, whole_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gameday.cluster.logs import LogSource
    from gameday.cluster.store import Store

_POLL_EVERY_S = 0.1
_CHUNK_BYTES = 64 * 1024


class PodLogs:
    """Serves the `log` subresource of pods."""

    def __init__(self, store: Store, source: LogSource) -> None:
        self._store = store
        self._source = source
        self._closing = False

    def close(self) -> None:
        """End every follower at its next look."""
        self._closing = True

    async def serve(self, request: web.Request, place: Place) -> web.StreamResponse:
        """Stream the log, and with `follow` what is added until the container ends."""
        query = request.query
        pod = self._store.find("pods", place.namespace or "", place.name)
        if pod is None:
            raise not_found(place.resource, place.name)
        container = chosen_container(pod, query.get("container", ""))
        previous = flag(query, "previous")
        # A container that waits to be restarted has no instance but the last one, which is the previous one too.
        state, last = (container_status(pod, container).get(field, {}) for field in ("state", "lastState"))
        missing = previous and not last
        before = previous and "waiting" not in state
        path = None if missing else self._source.read(place.namespace or "", place.name, pod["metadata"]["uid"],
                                                      container, previous=before)  # fmt: skip
        if path is None or not path.exists():
            raise ApiError(400, _why_none(pod, container, previous=previous))
        since, tail = _since(query), whole_number(query, "tailLines")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        limit = whole_number(query, "limitBytes")
        with closing(_Copy(path, response, timestamps=flag(query, "timestamps"), limit=limit)) as copy:
            await asyncio.to_thread(_seek, copy.log, since, tail)
            await response.prepare(request)
            try:
                await copy.drain()
                if flag(query, "follow") and not previous:
                    await self._follow(request, copy, pod, container)
                await copy.finish()
            except ConnectionResetError:
                pass  # the client went away
        return response

    async def _follow(self, request: web.Request, copy: _Copy, pod: Object, container: str) -> None:
        instance = _instance(pod, container)
        meta = pod["metadata"]
        while not self._closing and request.transport is not None and not request.transport.is_closing():
            current = self._store.find("pods", meta["namespace"], meta["name"])
            ended = current is None or _instance(current, container) != instance or _ended(current, container)
            await copy.drain()
            if ended or copy.left == 0:
                return
            await asyncio.sleep(_POLL_EVERY_S)


class _Copy:
    """Copies whole lines of a growing log to a response."""

    def __init__(self, path: Path, response: web.StreamResponse, *, timestamps: bool, limit: int | None) -> None:
        self._path = path
        self.log = path.open("rb")
        self._response = response
        self._timestamps = timestamps
        self.left = limit
        """How many bytes the answer may still have."""
        self._partial = b""

    def close(self) -> None:
        """Close the file."""
        self.log.close()

    def _read(self) -> bytes:
        chunk = self.log.read(_CHUNK_BYTES)
        with suppress(FileNotFoundError):  # its pod is gone
            if not chunk and not samestat(self._path.stat(), os.fstat(self.log.fileno())):  # it was set aside
                self.log.close()
                self.log = self._path.open("rb")
                chunk = self.log.read(_CHUNK_BYTES)
        return chunk

    async def drain(self) -> None:
        """Copy all that is there now; a line without its end waits for it."""
        while self.left != 0 and (chunk := self._read()):
            *lines, self._partial = (self._partial + chunk).split(b"\n")
            await self._send(b"".join(self._shown(line) + b"\n" for line in lines))

    async def finish(self) -> None:
        """Copy the last line, should it have no end."""
        await self._send(self._shown(self._partial))

    async def _send(self, data: bytes) -> None:
        if self.left is not None:
            data, self.left = data[: self.left], max(0, self.left - len(data))
        if data:
            await self._response.write(data)
            await asyncio.sleep(0)  # everybody's turn, and the moment in which the loss of the client is told

    def _shown(self, line: bytes) -> bytes:
        return line if self._timestamps else line.partition(b" ")[2]


def _seek(log: BinaryIO, since: str, tail: int | None) -> None:
    """Place a log at the first line that is wanted."""
    starts = list(_line_starts(log, since.encode()))
    if tail is not None:
        starts = starts[len(starts) - min(tail, len(starts)) :]
    log.seek(starts[0] if starts else 0, 0 if starts else 2)


def _line_starts(log: BinaryIO, since: bytes) -> Iterator[int]:
    position = 0
    for line in log:
        # RFC 3339 times in UTC compare as text up to the second.
        if line[:19] >= since:
            yield position
        position += len(line)


def _since(query: Mapping[str, str]) -> str:
    """The earliest time wanted, `2026-01-31T12:00:00`, or nothing. Raises ApiError 400."""
    seconds, text = whole_number(query, "sinceSeconds"), query.get("sinceTime")
    try:
        moment = datetime.now(UTC) - timedelta(seconds=seconds) if seconds is not None else None
        if text:
            moment = datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError:  # before all times
        return ""
    except ValueError as problem:
        raise ApiError(400, f'sinceTime: Invalid value: "{text}": expected an RFC 3339 time') from problem
    return moment.isoformat()[:19] if moment else ""


def chosen_container(pod: Object, wanted: str) -> str:
    """The container that a request means. Raises ApiError 400."""
    name, spec = pod["metadata"]["name"], pod["spec"]
    containers = [c["name"] for c in spec.get("containers", [])]
    initial = [c["name"] for c in spec.get("initContainers", [])]
    if wanted:
        if wanted not in containers + initial:
            raise ApiError(400, f"container {wanted} is not valid for pod {name}")
        return wanted
    if len(containers) > 1:
        also = f" or one of the init containers: [{' '.join(initial)}]" if initial else ""
        raise ApiError(400, f"a container name must be specified for pod {name}, choose one of: "
                            f"[{' '.join(containers)}]{also}")  # fmt: skip
    return str(containers[0])


def container_status(pod: Object, container: str) -> Object:
    """What the status says of a container; {} when it says nothing yet."""
    status = pod.get("status", {})
    for found in status.get("containerStatuses", []) + status.get("initContainerStatuses", []):
        if found.get("name") == container:
            return dict(found)
    return {}


def _instance(pod: Object, container: str) -> tuple[str, int]:
    return pod["metadata"]["uid"], container_status(pod, container).get("restartCount", 0)


def _ended(pod: Object, container: str) -> bool:
    finished = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return finished or "terminated" in container_status(pod, container).get("state", {})


def _why_none(pod: Object, container: str, *, previous: bool) -> str:
    name = pod["metadata"]["name"]
    if previous:
        return f'previous terminated container "{container}" in pod "{name}" not found'
    reason = container_status(pod, container).get("state", {}).get("waiting", {}).get("reason", "ContainerCreating")
    waits = "trying and failing to pull image" if "ImagePull" in reason else f"waiting to start: {reason}"
    return f'container "{container}" in pod "{name}" is {waits}'
