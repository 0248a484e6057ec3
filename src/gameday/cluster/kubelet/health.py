"""The probes of one instance of a container, and what follows from them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from gameday.cluster.kubelet.probes import Clock, Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.cluster.kubelet.status import ContainerRecord
    from gameday.cluster.store import Object


class Health:
    """Probes a container from its start on, and keeps `started` and `ready` of its record."""

    def __init__(
        self, spec: Object, target: Target, record: ContainerRecord, changed: Callable[[], None],
        event: Callable[..., None], fail: Callable[[str, float | None], None],
    ) -> None:  # fmt: skip
        """`fail(why, grace_s)` ends the container for its startup or liveness probe, which may have a grace period."""
        self._spec = spec
        self._target = target
        self._record = record
        self._changed = changed
        self._event = event
        self._fail = fail
        self._clocks: dict[str, asyncio.Task[None]] = {}

    async def watch(self, exited: asyncio.Future[Any]) -> None:
        """Probe until the container has ended."""
        try:
            async with asyncio.TaskGroup() as group:
                if "startupProbe" in self._spec:
                    self._start(group, "Startup", lambda: self._started(group))
                    self._changed()
                else:
                    self._started(group)
                await asyncio.shield(exited)
                for clock in self._clocks.values():
                    clock.cancel()
        finally:
            self._record.ready = self._record.started = False

    def _start(self, group: asyncio.TaskGroup, kind: str, passed: Callable[[], None]) -> None:
        probe = self._spec[f"{kind.lower()}Probe"]
        clock = Clock(probe, self._target, burst=kind != "Liveness")
        self._clocks[kind] = group.create_task(clock.run(passed, lambda why, over: self._failed(kind, why, over)))

    def _started(self, group: asyncio.TaskGroup) -> None:
        if self._record.started:
            return
        self._record.started = True
        if startup := self._clocks.pop("Startup", None):
            startup.cancel()
        if "livenessProbe" in self._spec:
            self._start(group, "Liveness", lambda: None)
        if "readinessProbe" in self._spec:
            self._start(group, "Readiness", lambda: self._set_ready(True))
        else:
            self._record.ready = True
        self._changed()

    def _failed(self, kind: str, why: str, over: bool) -> None:  # noqa: FBT001
        self._event("Unhealthy", f"{kind} probe failed: {why}", warning=True)
        if over and kind == "Readiness":
            self._set_ready(False)
        elif over:
            grace_s = self._spec[f"{kind.lower()}Probe"].get("terminationGracePeriodSeconds")
            self._clocks[kind].cancel()  # as the kubelet: not asked again while the container takes its time to end
            self._fail(f"Container {self._record.name} failed {kind.lower()} probe, will be restarted", grace_s)

    def _set_ready(self, ready: bool) -> None:  # noqa: FBT001
        if self._record.ready != ready:
            self._record.ready = ready
            self._changed()
