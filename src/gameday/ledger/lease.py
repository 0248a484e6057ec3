"""The Lease of a namespace: who runs experiments there now. One run at a time; whoever stops renewing it has died.

A run takes it before its first fault and renews it until its last undo is proven. Whether another's is alive is
told by its renewTime changing on our own clock, never by comparing two machines' clocks (as in client-go's
leaderelection). A run's processes share one holder's name, by $GAMEDAY_LEASE.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kubernetes.client import CoordinationV1Api

from gameday.kube import ApiException
from gameday.ledger.calls import CONFLICT, CONNECTION_ERRORS, find, persist

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.kube import Kube
    from gameday.ledger.entries import Entry

__all__ = ["DURATION_S", "GUARDIANS", "HOLDER_VARIABLE", "LEASE_NAME", "HeldError", "Lease", "holder_now"]
__all__ += ["holder_of_this_run", "may_undo", "new_holder", "taken_by"]

LEASE_NAME = "gameday-run"
GUARDIAN = "gameday-guardian"
"""The name of the Deployment that watches the Lease, and its pods' label `app`."""

GUARDIANS = "guardian/"
"""How a guardian's name as a holder begins: it has the namespace of a dead run for as long as the undo takes."""

HOLDER_VARIABLE = "GAMEDAY_LEASE"
"""Names the holder to the processes of one run."""

DURATION_S = 10.0
"""Not renewed for this long, its holder counts as dead."""

RENEW_EVERY_S = 2.0
_LOOK_EVERY_S = 0.2
_TRIES = 8


class HeldError(Exception):
    """Another run holds the namespace; the message is one line."""


def new_holder() -> str:
    """A name that no other run has, and that tells a person where it runs."""
    return f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"


def holder_of_this_run() -> str:
    """The name under which this process's run holds its namespace; empty when it holds none."""
    return os.environ.get(HOLDER_VARIABLE, "")


def holder_now(kube: Kube, namespace: str) -> tuple[str, Any]:
    """Who holds a namespace, and when that was last renewed; empty when nobody does."""
    return _held(find(CoordinationV1Api(kube.client).read_namespaced_lease, LEASE_NAME, namespace))


def taken_by(kube: Kube, namespace: str, holder: str) -> str | None:
    """Which other run has the namespace by now that `holder` had; empty when none has, None when it cannot be told."""
    try:
        now = holder_now(kube, namespace)[0] if holder else ""
    except (ApiException, *CONNECTION_ERRORS):
        return None
    is_guardian = now.startswith(GUARDIANS) and now.count("/") == 1  # a run's name has two
    return "" if now == holder or is_guardian else now


def may_undo(holder: str, other: str | None) -> Callable[[Entry], bool]:
    """Which entries a run may undo, given which `other` has its namespace: all but that one's, in doubt its own."""
    if other is None:
        return lambda entry: entry.holder in ("", holder)
    return lambda entry: not other or entry.holder != other


def _held(found: Any | None) -> tuple[str, Any]:
    return ("", None) if found is None else (found.spec.holder_identity or "", found.spec.renew_time)


class Lease:
    """One run's hold on a namespace. `lost` is set once it is seen that another has it, or had."""

    def __init__(self, kube: Kube, namespace: str, holder: str) -> None:
        """Nothing is taken yet."""
        self._kube, self._namespace, self.holder = kube, namespace, holder
        self._api = CoordinationV1Api(kube.client)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self.lost = threading.Event()

    def take(self) -> None:
        """Take it, and go on renewing it until `release` or `leave`.

        Raises HeldError when another run renews it; a dead one's is taken after DURATION_S.
        """
        seen: tuple[str, Any] | None = None
        ends = time.monotonic() + DURATION_S
        while True:
            found = find(self._api.read_namespaced_lease, LEASE_NAME, self._namespace)
            now = other, _ = _held(found)
            if other not in ("", self.holder):
                if seen is None or other != seen[0]:
                    ends = time.monotonic() + DURATION_S
                elif now != seen:  # however long we have not looked: it lives
                    raise HeldError(
                        f"namespace {self._namespace}: the run {other} is under way there, and only one may be at a "
                        f"time; wait until it is over, or use another namespace"
                    )
                if time.monotonic() <= ends:
                    seen = now
                    time.sleep(_LOOK_EVERY_S)
                    continue
            if self._write(found, self.holder):  # else somebody wrote meanwhile: look again
                break
        self._thread = threading.Thread(target=self._renew, name="gameday-lease", daemon=True)
        self._thread.start()

    def seize(self, holder: str, renewed: Any) -> bool:
        """Take it from a dead holder, unless that has renewed it since; not renewed, for what is soon done."""
        found = find(self._api.read_namespaced_lease, LEASE_NAME, self._namespace)
        return _held(found) == (holder, renewed) and self._write(found, self.holder)

    def leave(self) -> None:
        """Stop renewing, and leave it to another process of this run."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=RENEW_EVERY_S + DURATION_S)

    def release(self) -> None:
        """Give it back, for the next run to take at once. Raises what the API client raises."""
        self.leave()
        for _ in range(_TRIES):
            found = find(self._api.read_namespaced_lease, LEASE_NAME, self._namespace)
            if found is None or found.spec.holder_identity != self.holder or self._write(found, ""):
                return

    def _renew(self) -> None:
        while not self._over.wait(RENEW_EVERY_S):
            try:
                found = find(self._api.read_namespaced_lease, LEASE_NAME, self._namespace)
                if found is None or found.spec.holder_identity != self.holder:
                    self.lost.set()
                    return
                self._write(found, self.holder)  # a conflict: another process of this run renewed it
            except (ApiException, *CONNECTION_ERRORS):
                continue  # out of reach: when it is in reach again one sees whether it is still ours

    def _write(self, found: Any | None, holder: str) -> bool:
        """Write the holder, provided the Lease is still as found; False when it is not."""
        moment = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        spec = {"holderIdentity": holder, "leaseDurationSeconds": int(DURATION_S), "renewTime": moment}
        try:
            if found is None:
                labels = {"app.kubernetes.io/managed-by": "gameday"}
                body: dict[str, Any] = {"metadata": {"name": LEASE_NAME, "labels": labels}, "spec": spec}
                persist(self._api.create_namespaced_lease, self._namespace, body)
            else:
                body = {"metadata": {"resourceVersion": found.metadata.resource_version}, "spec": spec}
                persist(self._api.patch_namespaced_lease, LEASE_NAME, self._namespace, body)
        except ApiException as problem:
            if problem.status == CONFLICT:  # of a create too: it exists already
                return False
            raise
        return True
