"""One container: start it, watch it, restart it with a growing delay, end it gracefully."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gameday.cluster.kubelet.commands import Prepared, missing_program, prepare, signal_to_main
from gameday.cluster.kubelet.environment import UNUSABLE
from gameday.cluster.kubelet.health import Health
from gameday.cluster.kubelet.output import Logs, Output, Said, last_lines
from gameday.cluster.kubelet.probes import Target, check
from gameday.cluster.kubelet.pulling import pull
from gameday.cluster.kubelet.runtime.client import Process, Runtime, StartError
from gameday.cluster.kubelet.status import ContainerRecord, State
from gameday.cluster.store import now

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gameday.cluster.kubelet.volumes import Volumes
    from gameday.cluster.store import Object, Store

log = logging.getLogger(__name__)

BACKOFF_FIRST_S, BACKOFF_MAX_S, BACKOFF_RESET_S = 10.0, 300.0, 600.0
"""CrashLoopBackOff as Kubernetes has it: the first restart is immediate, then 10 s, doubling up to
5 min; a container that ran for 10 min starts anew."""
CONFIG_RETRY_S = 1.0
"""How soon a missing ConfigMap or Secret is looked for again."""
LEAST_GRACE_S = 2.0
"""What is left to a container whose preStop hook took all of its grace period."""
LAST_WORDS_BYTES = 4096


@dataclass(frozen=True)
class Host:
    """What containers of one pod share."""

    store: Store
    runtime: Runtime
    logs: Logs
    folder: Path
    volumes: Volumes
    pod: Callable[[], Object]
    """The pod as it is now."""
    changed: Callable[[], None]
    """A container's record changed."""
    event: Callable[..., None]
    """(reason, message, warning=False)"""


@dataclass(frozen=True)
class Instance:
    """A running process of a container."""

    process: Process
    prepared: Prepared
    output: Output
    started_at: str


class Container:
    """One container of a pod, through all its instances."""

    def __init__(self, host: Host, spec: Object) -> None:
        self._host = host
        self.spec = spec
        self.name: str = spec["name"]
        self.record = ContainerRecord(self.name, spec["image"])
        self._count = 0
        self._instance: Instance | None = None
        self._beside: set[Process] = set()
        self._backoff_s = 0.0
        self._ending: asyncio.Task[None] | None = None
        self._hook: asyncio.Future[str | None] | None = None
        self._kill_timer: asyncio.TimerHandle | None = None

    # --- running

    async def run(self, policy: str) -> int:
        """Run it again and again as the restart policy says; returns the last exit code."""
        while True:
            began = asyncio.get_running_loop().time()
            code = await self._attempt()
            if code is not None and (policy == "Never" or (policy == "OnFailure" and code == 0)):
                return code
            if asyncio.get_running_loop().time() - began >= BACKOFF_RESET_S:
                self._backoff_s = 0.0
            await self._back_off()
            self.record.restarts += code is not None

    async def _attempt(self) -> int | None:
        """Run it once; None when it did not even start for an error of ours, which shows, and spares its siblings."""
        try:
            return await self._run_once()
        except Exception as problem:
            log.exception("container %s", self.name)
            why = f"error of the embedded cluster: {problem!r}; see its log"
            self._host.event("FailedSync", why, warning=True)
            if self._instance:
                await self.stop(0)
                return self.record.exit_code
            self._wait("RunContainerError", why)
            return None

    async def _back_off(self) -> None:
        delay_s = self._backoff_s
        self._backoff_s = min(max(2 * delay_s, BACKOFF_FIRST_S), BACKOFF_MAX_S)
        if delay_s:
            meta = self._host.pod()["metadata"]
            where = f"container={self.name} pod={meta['name']}_{meta['namespace']}({meta['uid']})"
            self._host.event(
                "BackOff", f"Back-off restarting failed container {self.name} in pod {where}", warning=True
            )
            if "terminated" in self.record.state:
                self.record.last_state = self.record.state
            self._wait("CrashLoopBackOff", f"back-off {delay_s:g}s restarting failed {where}")
            await asyncio.sleep(delay_s)

    async def _run_once(self) -> int:
        launch = await pull(self.spec, self._wait, self._host.event)
        while True:
            try:
                prepared = prepare(self._host.store, self._host.pod(), self.spec, launch, self._host.folder,
                                   self._host.volumes)  # fmt: skip
                break
            except UNUSABLE as problem:
                self._wait("CreateContainerConfigError", str(problem))
                self._host.event("Failed", f"Error: {problem}", warning=True)
                await asyncio.sleep(CONFIG_RETRY_S)
        self._host.event("Created", f"Created container: {self.name}")
        self.record.id = secrets.token_hex(32)
        if "terminated" in self.record.state:
            self.record.last_state = self.record.state
        try:
            if why := missing_program(prepared.command):
                raise StartError(why)  # noqa: TRY301 - as the runtime says it of what it finds out itself
            instance = await self._start(prepared)
        except StartError as problem:
            self._host.event("Failed", f"Error: {problem}", warning=True)
            self._end("StartError", 128, now(), str(problem))
            return 128
        target = Target(self._host.pod().get("status", {}).get("podIP", ""), self._ports(), self._execute)
        await self._post_start(instance, target)
        self.record.state = {"running": {"startedAt": instance.started_at}}
        health = Health(self.spec, target, self.record, self._host.changed, self._host.event, self._fail)
        await health.watch(instance.process.exited)
        return self._collect(instance)

    def _ports(self) -> dict[str, int]:
        return {p["name"]: p["containerPort"] for p in self.spec.get("ports", []) if p.get("name")}

    async def _start(self, prepared: Prepared) -> Instance:
        meta = self._host.pod()["metadata"]
        here = meta["namespace"], meta["name"], meta["uid"], self.name
        try:
            self._host.logs.forget(*here, self._count - 2)  # nobody can ask for that one any more
            output = Output(self._host.logs.path(*here, self._count))
        except OSError as problem:
            raise StartError(f"output: {problem.strerror}") from problem
        self._count += 1
        process = await self._host.runtime.spawn(prepared.command, output.writer)
        self._instance = Instance(process, prepared, output, now())
        self._host.event("Started", f"Started container {self.name}")
        return self._instance

    def _collect(self, instance: Instance) -> int:
        """After its end: its last words, its exit code."""
        for process in self._beside:
            process.kill()
        if self._kill_timer:
            self._kill_timer.cancel()
        self._instance = self._ending = self._kill_timer = None
        instance.output.drain()
        ended = instance.process.exited.result()
        words = _last_words(instance.prepared.last_words)
        if not words and ended.code and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            words = last_lines(instance.output.path)
        reason = "Completed" if ended.code == 0 else "Error"
        self._end(reason, ended.code, instance.started_at, words.decode(errors="replace"))
        return ended.code

    def _end(self, reason: str, code: int, started_at: str, message: str) -> None:
        said = {"message": message} if message else {}
        self._set(terminated={"exitCode": code, "reason": reason, **said, "startedAt": started_at, "finishedAt": now(),
                              "containerID": f"gameday://{self.record.id}"})  # fmt: skip

    def _wait(self, reason: str, message: str) -> None:
        self._set(waiting={"reason": reason, "message": message})

    def _set(self, **state: dict[str, Any]) -> None:
        made: State = state
        self.record.state = made
        self._host.changed()

    # --- beside it

    async def execute(self, argv: list[str], *streams: int) -> Process:
        """Start a command where the container is, which ends with it at the latest. Raises StartError.

        `streams` are as for `Runtime.spawn`, and are closed here.
        """
        instance, number = self._instance, signal_to_main(argv)
        command = instance.prepared.beside(argv if number is None else ["true"]) if instance else None
        why = missing_program(command) if command else f'container not found ("{self.name}")'
        if command is None or why:
            for fd in streams:
                os.close(fd)
            raise StartError(why)
        process = await self._host.runtime.spawn(command, *streams)
        if instance is None or self._instance is not instance or instance.process.exited.done():
            process.kill()
            raise StartError(f'container not found ("{self.name}")')
        if number:
            instance.process.signal(number)
        self._beside.add(process)
        process.exited.add_done_callback(lambda _: self._beside.discard(process))
        return process

    async def _execute(self, argv: list[str], timeout_s: float | None) -> str | None:
        """Run a probe's or hook's command to its end; None, or why it failed, which is what it said."""
        said, process = Said(), None
        try:
            process = await self.execute(argv, said.writer)
            async with asyncio.timeout(timeout_s):
                ended = await asyncio.shield(process.exited)
            words = said.words()
        except StartError as problem:
            return str(problem)
        finally:
            said.close()
            if process and not process.exited.done():
                process.kill()
        return None if ended.code == 0 else words or f"command {argv} exited with {ended.code}"

    async def _post_start(self, instance: Instance, target: Target) -> None:
        hook = self.spec.get("lifecycle", {}).get("postStart")
        why = await self._call(hook, target, instance, None) if hook else None
        if why and not instance.process.exited.done():
            self._host.event("FailedPostStartHook", f"PostStartHook failed: {why}", warning=True)
            self._fail("FailedPostStartHook")

    async def _call(self, hook: Object, target: Target, instance: Instance, timeout_s: float | None) -> str | None:
        """Call a hook while the container lives; None, or why it failed."""
        self._hook = asyncio.ensure_future(check(hook, target, timeout_s))
        either: set[asyncio.Future[Any]] = {self._hook, instance.process.exited}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            return None if not self._hook.done() or self._hook.cancelled() else self._hook.result()
        finally:
            self._hook.cancel()
            self._hook = None

    # --- ending

    def _fail(self, why: str, grace_s: float | None = None) -> None:
        """End this instance, within the pod's grace period unless another is given; `run` goes on after it."""
        if self._instance and not self._instance.process.exited.done() and self._ending is None:
            if grace_s is None:
                grace_s = float(self._host.pod()["spec"].get("terminationGracePeriodSeconds", 30))
            self._ending = asyncio.ensure_future(self._terminate(self._instance, grace_s, why))

    async def stop(self, grace_s: float) -> None:
        """While `run` is not watching it: preStop, the stop signal, and the wait for its end; `hurry` hurries it."""
        if instance := self._instance:
            if self._ending is None and not instance.process.exited.done():
                why = f"Stopping container {self.name}"
                self._ending = asyncio.ensure_future(self._terminate(instance, grace_s, why))
            self.hurry(grace_s)
            await asyncio.shield(instance.process.exited)
            self._collect(instance)

    async def _terminate(self, instance: Instance, grace_s: float, why: str) -> None:
        self._host.event("Killing", why)
        self.hurry(grace_s)
        hook = self.spec.get("lifecycle", {}).get("preStop")
        if hook and grace_s > 0:
            target = Target(self._host.pod().get("status", {}).get("podIP", ""), self._ports(), self._execute)
            if problem := await self._call(hook, target, instance, None):
                self._host.event("FailedPreStopHook", f"PreStopHook failed: {problem}", warning=True)
        instance.process.signal(instance.prepared.stop_signal)
        await asyncio.shield(instance.process.exited)

    def hurry(self, grace_s: float) -> None:
        """SIGKILL all of it after so many seconds at the latest; a later call can only shorten that."""
        loop = asyncio.get_running_loop()
        when = loop.time() + grace_s
        if self._instance and (self._kill_timer is None or when < self._kill_timer.when()):
            if self._kill_timer:
                self._kill_timer.cancel()
            self._kill_timer = loop.call_at(when, self._time_is_up, grace_s)

    def _time_is_up(self, grace_s: float) -> None:
        if self._instance is None:
            return
        if self._hook and grace_s:
            self._hook.cancel()
            self._kill_timer = asyncio.get_running_loop().call_later(LEAST_GRACE_S, self._instance.process.kill)
        else:
            self._instance.process.kill()


def _last_words(path: Path) -> bytes:
    """What a container left in its file, which it may have replaced by a pipe, a link or something endless."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, LAST_WORDS_BYTES) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    finally:
        os.close(fd)
