"""The objects of the cluster, in memory, with revisions and watches.

The one place where the API, the controllers, the kubelet and the proxy meet.
No I/O here: one asyncio thread calls it, every method is synchronous, and an
object that was handed out is never changed afterwards (writes replace it), so
readers must copy before they edit: `Store.mutate` does that for them.
"""

from __future__ import annotations

import asyncio
import copy
import uuid
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Object = dict[str, Any]
Objects = list[Object]  # a name of its own: inside the class, `list` is the method
EventType = Literal["ADDED", "MODIFIED", "DELETED"]
Propagation = Literal["Background", "Foreground", "Orphan"]

HISTORY = 4096
"""How many past events a watch can resume from; older ones answer 410 Gone."""

HISTORY_BYTES = 48 * 1024 * 1024
"""About how much memory they may take: fewer are kept of large objects."""

FIRST_REVISION = 100
"""A new cluster's revision: on a real one, too, the first versions are long compacted away when a client comes."""

WATCH_BACKLOG = 2048
"""How many unread events a watcher may have before it is dropped (it must list again)."""

_A_LIFE_S = 100 * 365 * 86400
"""The longest grace that a time is reckoned with: one may be given that is longer than there are years."""

WITHOUT_GENERATION = ("leases.coordination.k8s.io", "namespaces", "nodes", "services")
"""Resources with a spec whose changes are not counted."""


class StoreError(Exception):
    """What went wrong, in words for the API's `Status`."""


class NotFoundError(StoreError):
    """There is no such object (404)."""


class AlreadyExistsError(StoreError):
    """An object of that name is there already (409)."""


class ConflictError(StoreError):
    """The object was changed since it was read, or a precondition does not hold (409)."""


class ExpiredError(StoreError):
    """That revision is no longer in the history, or the watcher was too slow (410)."""


@dataclass(frozen=True)
class Event:
    """One change. `resource` is the plural with its group: `pods`, `deployments.apps`."""

    type: EventType
    resource: str
    object: Object
    revision: int
    previous: Object | None = None
    """The object before the change; None when it was added."""

    @property
    def namespace(self) -> str:
        """The object's namespace, empty when it has none."""
        return str(self.object["metadata"].get("namespace", ""))


def now() -> str:
    """This instant as Kubernetes writes it."""
    return written(datetime.now(UTC))


def written(instant: datetime) -> str:
    """An instant of UTC as Kubernetes writes it (RFC 3339, whole seconds)."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def complete_name(meta: Object) -> None:
    """Make a name of `generateName`, where that is all that is given; of 63 characters at most, as a label's value."""
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = meta["generateName"][:58] + uuid.uuid4().hex[:5]


def _finalizers(resource: str, obj: Object) -> Any:
    """What still keeps an object from going away once it is deleted."""
    of_namespace = obj.get("spec", {}).get("finalizers") if resource == "namespaces" else None
    return obj["metadata"].get("finalizers") or of_namespace


def _grace(resource: str, obj: Object, asked_s: int | None) -> int:
    """How many seconds something has from its deletion on: a pod with processes only."""
    spec, meta = obj.get("spec", {}), obj["metadata"]
    ended = obj.get("status", {}).get("phase") in ("Succeeded", "Failed")
    if resource != "pods" or not spec.get("nodeName") or ended:
        return 0
    usual: int = meta.get("deletionGracePeriodSeconds", spec.get("terminationGracePeriodSeconds", 30))
    grace = usual if asked_s is None else asked_s
    return 1 if grace < 0 else grace  # as Kubernetes takes it


def _weight(value: Any) -> int:
    """About how much memory a JSON value takes, in bytes."""
    if isinstance(value, dict):
        return 200 + sum(50 + _weight(item) for item in value.values())
    if isinstance(value, list):
        return 100 + sum(map(_weight, value))
    return 50 + len(value) if isinstance(value, str) else 8


class Watch:
    """The changes of one resource, in order. Iterate it; `close` ends the iteration."""

    def __init__(self, store: Store, resource: str, namespace: str | None) -> None:
        self._store = store
        self.resource = resource
        self.namespace = namespace
        self._events: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self._expired = False
        self.on_expiry: Callable[[], object] = lambda: None
        """Called when the watch is dropped because it was too slow."""

    def wants(self, event: Event) -> bool:
        """Whether this watch is about the event's resource and namespace."""
        return event.resource == self.resource and self.namespace in (None, event.namespace)

    @property
    def idle(self) -> bool:
        """Whether all that happened so far was read."""
        return not self._events

    def offer(self, event: Event) -> None:
        """Queue an event; a watcher that does not read is dropped instead of slowing others."""
        unread = self._events
        if len(unread) >= WATCH_BACKLOG or (unread and unread[0].revision <= self._store.forgotten):
            self._expired = True
            unread.clear()
            self.close()
            self.on_expiry()
            return
        self._events.append(event)
        self._wake.set()

    def close(self) -> None:
        """End the watch; events already queued are still delivered, unless it was too slow."""
        self._closed = True
        self._store.forget(self)
        self._wake.set()

    async def next(self, timeout_s: float | None = None) -> Event | None:
        """The next event; None when the watch was closed. Raises TimeoutError, ExpiredError."""
        while not self._events:
            if self._expired:
                raise ExpiredError("too many unread events: list again")
            if self._closed:
                return None
            self._wake.clear()
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        if self._expired:
            raise ExpiredError("too many unread events: list again")
        return self._events.popleft()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while (event := await self.next()) is not None:
            yield event


class Store:
    """All objects, by resource, namespace and name."""

    def __init__(self) -> None:
        self.revision = FIRST_REVISION
        self._objects: dict[str, dict[tuple[str, str], Object]] = {}
        self.forgotten = FIRST_REVISION
        """The revision up to which events are no longer known."""
        self._history: deque[Event] = deque()
        self._history_bytes = 0
        self._watches: list[Watch] = []

    # --- reading

    def get(self, resource: str, namespace: str, name: str) -> Object:
        """The object; raises NotFoundError. Do not edit what it returns."""
        found = self.find(resource, namespace, name)
        if found is None:
            raise NotFoundError(f'{resource} "{name}" not found')
        return found

    def find(self, resource: str, namespace: str, name: str) -> Object | None:
        """The object, or None. Do not edit what it returns."""
        return self._objects.get(resource, {}).get((namespace, name))

    def list(self, resource: str, namespace: str | None = None) -> Objects:
        """All objects of a resource, of one namespace or (None) of all, sorted by name."""
        items = self._objects.get(resource, {})
        return [o for (ns, _), o in sorted(items.items()) if namespace in (None, ns)]

    def owned_by(self, resource: str, owner: Object) -> Objects:
        """The objects of a resource whose ownerReferences name the owner's UID."""
        uid, namespace = owner["metadata"]["uid"], owner["metadata"].get("namespace")
        return [
            o
            for o in self.list(resource, namespace)
            if any(r["uid"] == uid for r in o["metadata"].get("ownerReferences", []))
        ]

    # --- writing

    def create(self, resource: str, obj: Object) -> Object:
        """Store a new object with a UID, a creation time and a revision of its own.

        `metadata.generateName` is completed. Raises AlreadyExistsError.
        """
        obj = copy.deepcopy(obj)
        meta = obj["metadata"]
        complete_name(meta)
        key = (meta.get("namespace", ""), meta["name"])
        if key in self._objects.get(resource, {}):
            raise AlreadyExistsError(f'{resource} "{meta["name"]}" already exists')
        meta["uid"] = str(uuid.uuid4())
        meta["creationTimestamp"] = now()
        if "spec" in obj and resource not in WITHOUT_GENERATION:
            meta["generation"] = 1
        return self._commit("ADDED", resource, obj)

    def update(self, resource: str, obj: Object, *, bump_generation: bool = True) -> Object:
        """Replace an object.

        A `metadata.resourceVersion` in it must be the stored one (else ConflictError), a
        missing one overwrites. Server-kept fields are kept; a changed spec raises the
        generation. An update that changes nothing makes no event. An object that is being
        deleted and lost its last finalizer goes away. Raises NotFoundError, ConflictError.
        """
        obj = copy.deepcopy(obj)
        meta = obj["metadata"]
        old = self.get(resource, meta.get("namespace", ""), meta["name"])
        kept = old["metadata"]
        if meta.get("resourceVersion") not in (None, "", kept["resourceVersion"]):
            raise ConflictError(
                f'Operation cannot be fulfilled on {resource} "{meta["name"]}": the object has been '
                "modified; please apply your changes to the latest version and try again"
            )
        if meta.get("uid") not in (None, "", kept["uid"]):
            raise ConflictError(f'the UID in the precondition ({meta["uid"]}) is not that of "{meta["name"]}"')
        for field in (
            "uid",
            "creationTimestamp",
            "generation",
            "resourceVersion",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ):
            if field in kept:
                meta[field] = kept[field]
            else:
                meta.pop(field, None)
        if obj == old:
            return old
        if bump_generation and "generation" in kept and obj.get("spec") != old.get("spec"):
            meta["generation"] = kept["generation"] + 1
        if "deletionTimestamp" in meta and not _finalizers(resource, obj) and resource != "pods":
            return self._remove(resource, obj)
        return self._commit("MODIFIED", resource, obj)

    def mutate(self, resource: str, namespace: str, name: str, edit: Callable[[Object], None]) -> Object:
        """Read, edit a copy in place, and store it. Raises NotFoundError."""
        obj = copy.deepcopy(self.get(resource, namespace, name))
        edit(obj)
        return self.update(resource, obj)

    def delete(  # noqa: C901 - one branch a kind of lingering
        self,
        resource: str,
        namespace: str,
        name: str,
        *,
        grace_s: int | None = None,
        propagation: Propagation = "Background",
        uid: str | None = None,
    ) -> Object:
        """Begin or finish a deletion, and return the object as it now is.

        A pod that is bound to a node and has a grace period, or anything with finalizers,
        is only marked with `deletionTimestamp`: the kubelet or the finalizers' owner ends
        it. A namespace's finalizers are in its spec. `Foreground` and `Orphan` add the
        finalizer that the garbage collector serves.
        Raises NotFoundError, ConflictError (UID precondition).
        """
        obj = copy.deepcopy(self.get(resource, namespace, name))
        meta = obj["metadata"]
        if uid not in (None, meta["uid"]):
            raise ConflictError(f"the UID in the precondition ({uid}) does not match the one in record ({meta['uid']})")
        finalizer = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(propagation)
        if finalizer and finalizer not in meta.setdefault("finalizers", []):
            meta["finalizers"].append(finalizer)
        if not meta.get("finalizers"):
            meta.pop("finalizers", None)
        grace = _grace(resource, obj, grace_s)
        if not grace and not _finalizers(resource, obj):
            return self._remove(resource, obj)
        if resource == "namespaces":
            obj["status"] = {**obj.get("status", {}), "phase": "Terminating"}
        before, span = meta.get("deletionGracePeriodSeconds", grace), timedelta(seconds=min(grace, _A_LIFE_S))
        if "deletionTimestamp" not in meta:
            meta["deletionTimestamp"] = written(datetime.now(UTC) + span)
            if resource != "namespaces":
                meta["deletionGracePeriodSeconds"] = grace
            if "generation" in meta:
                meta["generation"] += 1
        elif grace < before:
            began = datetime.fromisoformat(meta["deletionTimestamp"]) - timedelta(seconds=min(before, _A_LIFE_S))
            meta |= {"deletionTimestamp": written(began + span), "deletionGracePeriodSeconds": grace}
        if obj == self.get(resource, namespace, name):
            return obj
        return self._commit("MODIFIED", resource, obj)

    def _remove(self, resource: str, obj: Object) -> Object:
        meta = obj["metadata"]
        previous = self._objects[resource].pop((meta.get("namespace", ""), meta["name"]))
        return self._publish("DELETED", resource, obj, previous)

    def _commit(self, kind: EventType, resource: str, obj: Object) -> Object:
        meta = obj["metadata"]
        items = self._objects.setdefault(resource, {})
        key = (meta.get("namespace", ""), meta["name"])
        previous, items[key] = items.get(key), obj
        return self._publish(kind, resource, obj, previous)

    def _publish(self, kind: EventType, resource: str, obj: Object, previous: Object | None) -> Object:
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        event = Event(kind, resource, obj, self.revision, previous)
        self._history.append(event)
        self._history_bytes += _weight(obj)
        while len(self._history) > HISTORY or self._history_bytes > HISTORY_BYTES:
            gone = self._history.popleft()
            self._history_bytes -= _weight(gone.object)
            self.forgotten = gone.revision
        for watch in [w for w in self._watches if w.wants(event)]:
            watch.offer(event)
        return obj

    # --- watching

    def watch(self, resource: str, namespace: str | None = None, since: int | None = None) -> Watch:
        """Watch a resource from after revision `since` (None: from now on). Raises ExpiredError."""
        watch = Watch(self, resource, namespace)
        if since is not None and since < self.revision:
            if since < self.forgotten:
                raise ExpiredError(f"too old resource version: {since} ({self.forgotten})")
            for event in self._history:
                if event.revision > since and watch.wants(event):
                    watch.offer(event)
        self._watches.append(watch)
        return watch

    def forget(self, watch: Watch) -> None:
        """Stop offering events to a watch."""
        if watch in self._watches:
            self._watches.remove(watch)
