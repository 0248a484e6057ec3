"""One container: start it, probe it, restart it with a growing delay, stop it gracefully."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gameday.cluster.images import Launch, NoCommandError, UnknownImageError, resolve
from gameday.cluster.kubelet.environment import ConfigError, container_variables, expand
from gameday.cluster.kubelet.output import Logs, Output
from gameday.cluster.kubelet.probes import Clock, Target, check
from gameday.cluster.kubelet.runtime.client import Command, Exit, Process, Runtime, StartError
from gameday.cluster.kubelet.status import ContainerRecord, State
from gameday.cluster.store import now

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.cluster.kubelet.volumes import Volumes
    from gameday.cluster.store import Object, Store

BACKOFF_FIRST_S, BACKOFF_MAX_S, BACKOFF_RESET_S = 10.0, 300.0, 600.0
"""CrashLoopBackOff as Kubernetes has it: the first restart is immediate, then 10 s, doubling up to
5 min; a container that ran for 10 min starts anew."""
CONFIG_RETRY_S = 1.0
"""How soon a missing ConfigMap or Secret is looked for again."""

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


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


class Container:
    """One container of a pod, through all its instances."""

    def __init__(self, host: Host, spec: Object) -> None:
        self._host = host
        self.spec = spec
        self.name: str = spec["name"]
        self.record = ContainerRecord(self.name, spec["image"])
        self._instance = -1
        self._process: Process | None = None
        self._launch: Launch | None = None
        self._command: Command | None = None
        self._output: Output | None = None
        self._backoff_s = 0.0

    # --- running

    async def run(self, policy: str) -> int:
        """Run it again and again as the restart policy says; returns the last exit code."""
        while True:
            began = asyncio.get_running_loop().time()
            code = await self._run_once()
            if policy == "Never" or (policy == "OnFailure" and code == 0):
                return code
            if asyncio.get_running_loop().time() - began >= BACKOFF_RESET_S:
                self._backoff_s = 0.0
            await self._back_off()
            self.record.restarts += 1

    async def _back_off(self) -> None:
        delay_s = self._backoff_s
        self._backoff_s = min(max(2 * delay_s, BACKOFF_FIRST_S), BACKOFF_MAX_S)
        if delay_s:
            meta = self._host.pod()["metadata"]
            where = f"container={self.name} pod={meta['name']}_{meta['namespace']}({meta['uid']})"
            self._host.event(
                "BackOff", f"Back-off restarting failed container {self.name} in pod {where}", warning=True
            )
            self.record.last_state = self.record.state
            self._set(waiting={"reason": "CrashLoopBackOff",
                               "message": f"back-off {delay_s:g}s restarting failed {where}"})  # fmt: skip
            await asyncio.sleep(delay_s)

    async def _run_once(self) -> int:
        launch = await self._pull()
        command = await self._configure(launch)
        self._instance += 1
        self.record.id = uuid.uuid4().hex
        if "terminated" in self.record.state:
            self.record.last_state = self.record.state
        if shutil.which(command.argv[0], path=command.env["PATH"]) is None:
            why = f'exec: "{command.argv[0]}": executable file not found in $PATH'
            self._host.event("Failed", f"Error: {why}", warning=True)
            self._end("StartError", 128, now(), why)
            return 128
        started_at = now()
        process = await self._start(command)
        try:
            async with asyncio.TaskGroup() as probes:
                tasks = self._start_probes(probes, process)
                ended = await asyncio.shield(process.exited)
                for task in tasks:
                    task.cancel()
        finally:
            self.record.ready = self.record.started = False
        self._collect(ended, started_at)
        return ended.code

    async def _pull(self) -> Launch:
        delay_s = BACKOFF_FIRST_S
        while True:
            try:
                launch = resolve(self.spec["image"], self.spec.get("command") or [], self.spec.get("args") or [])
            except UnknownImageError as problem:
                await self._refuse_image(str(problem), delay_s)
                delay_s = min(2 * delay_s, BACKOFF_MAX_S)
            except NoCommandError as problem:
                self._set(waiting={"reason": "CreateContainerError", "message": str(problem)})
                self._host.event("Failed", f"Error: {problem}", warning=True)
                await asyncio.sleep(delay_s)
            else:
                self._host.event("Pulled", f'Container image "{self.spec["image"]}" already present on machine')
                return launch

    async def _refuse_image(self, why: str, delay_s: float) -> None:
        self._host.event("Failed", f'Failed to pull image "{self.spec["image"]}": {why}', warning=True)
        self._host.event("Failed", "Error: ErrImagePull", warning=True)
        self._set(waiting={"reason": "ErrImagePull", "message": why})
        await asyncio.sleep(1)
        self._host.event("BackOff", f'Back-off pulling image "{self.spec["image"]}"')
        self._host.event("Failed", "Error: ImagePullBackOff", warning=True)
        message = f'Back-off pulling image "{self.spec["image"]}": {why}'
        self._set(waiting={"reason": "ImagePullBackOff", "message": message})
        await asyncio.sleep(delay_s)

    async def _configure(self, launch: Launch) -> Command:
        while True:
            try:
                return self._make_command(launch)
            except (ConfigError, OSError) as problem:
                self._set(waiting={"reason": "CreateContainerConfigError", "message": str(problem)})
                self._host.event("Failed", f"Error: {problem}", warning=True)
                await asyncio.sleep(CONFIG_RETRY_S)

    def _make_command(self, launch: Launch) -> Command:
        """Everything resolved, expanded and rewritten. Raises ConfigError, OSError."""
        pod, folder = self._host.pod(), self._host.folder
        mounts = self._host.volumes.mounts(self.spec)
        root = folder / "root" / self.name
        _link_mounts(root, mounts.places)
        ours = {
            "PATH": ":".join(filter(None, [launch.path, _python_folder(), SYSTEM_PATH])),
            "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "LANG": "C.UTF-8",
            "HOSTNAME": pod["metadata"]["name"], **_inherited(),
        }  # fmt: skip
        variables = container_variables(self._host.store, pod, self.spec, {**launch.env, **ours})
        # Paths of this machine stay as they are: this project may itself lie below a mount path, such as /tmp.
        environment = {k: v if ours.get(k) == v else mounts.rewrite(v) for k, v in variables.items()}
        argv = [mounts.rewrite(expand(arg, variables)) for arg in launch.argv]
        if launch.argv[0] not in (*self.spec.get("command", ()), *self.spec.get("args", ())):
            argv[0] = launch.argv[0]
        cwd = mounts.rewrite(self.spec.get("workingDir") or "")
        if not cwd or cwd == self.spec.get("workingDir"):
            cwd = str(root / cwd.lstrip("/"))
            Path(cwd).mkdir(parents=True, exist_ok=True)
        self._launch = launch
        return Command(argv, environment, cwd, pod["metadata"]["name"])

    async def _start(self, command: Command) -> Process:
        meta = self._host.pod()["metadata"]
        path = self._host.logs.path(meta["namespace"], meta["name"], meta["uid"], self.name, self._instance)
        self._output = Output(path)
        self._host.event("Created", f"Created container: {self.name}")
        self._command = command
        try:
            process = await self._host.runtime.spawn(command, self._output.writer)
        except StartError as problem:
            raise ConfigError(str(problem)) from problem
        self._process = process
        self._set(running={"startedAt": now()})
        self._host.event("Started", f"Started container {self.name}")
        return process

    def _collect(self, ended: Exit, started_at: str) -> None:
        self._process = None
        if self._output:
            self._output.drain()
        reason = "Completed" if ended.code == 0 else "Error"
        self._end(reason, ended.code, started_at, "", ended.signal)

    def _end(self, reason: str, code: int, started_at: str, message: str, number: int = 0) -> None:
        state: dict[str, Any] = {"exitCode": code, "reason": reason, "startedAt": started_at, "finishedAt": now(),
                                 "containerID": f"gameday://{self.record.id}"}  # fmt: skip
        if message:
            state["message"] = message
        if number:
            state["signal"] = number
        self._set(terminated=state)

    def _set(self, **state: dict[str, Any]) -> None:
        made: State = state
        self.record.state = made
        self._host.changed()

    # --- probes

    def _target(self) -> Target:
        ports = {p["name"]: p["containerPort"] for p in self.spec.get("ports", []) if p.get("name")}
        return Target(self._host.pod().get("status", {}).get("podIP", ""), ports, self._execute)

    def _start_probes(self, group: asyncio.TaskGroup, process: Process) -> list[asyncio.Task[None]]:
        tasks: list[asyncio.Task[None]] = []
        target = self._target()

        def start(field: str, passed: Callable[[], None], failed: Callable[[str, bool], None]) -> None:
            clock = Clock(self.spec[field], target, burst=field != "livenessProbe")
            tasks.append(group.create_task(clock.run(passed, failed)))

        def started() -> None:
            if self.record.started:
                return
            self.record.started = True
            if tasks:
                tasks.pop(0).cancel()
            if "livenessProbe" in self.spec:
                start("livenessProbe", lambda: None, lambda why, over: self._unhealthy("Liveness", why, process, over))
            if "readinessProbe" in self.spec:
                start("readinessProbe", lambda: self._set_ready(True), self._unready)
            else:
                self.record.ready = True
            self._host.changed()

        if "startupProbe" in self.spec:
            start("startupProbe", started, lambda why, over: self._unhealthy("Startup", why, process, over))
        else:
            started()
        return tasks

    def _set_ready(self, ready: bool) -> None:  # noqa: FBT001
        if self.record.ready != ready:
            self.record.ready = ready
            self._host.changed()

    def _unready(self, why: str, over: bool) -> None:  # noqa: FBT001
        self._host.event("Unhealthy", f"Readiness probe failed: {why}", warning=True)
        if over:
            self._set_ready(False)

    def _unhealthy(self, kind: str, why: str, process: Process, over: bool) -> None:  # noqa: FBT001
        self._host.event("Unhealthy", f"{kind} probe failed: {why}", warning=True)
        if over and not process.exited.done():
            message = f"Container {self.name} failed {kind.lower()} probe, will be restarted"
            self._host.event("Killing", message)
            grace_s = self._host.pod()["spec"].get("terminationGracePeriodSeconds", 30)
            process.signal(self._stop_signal())
            asyncio.get_running_loop().call_later(grace_s, process.kill)

    async def _execute(self, argv: list[str], timeout_s: float) -> str | None:
        """Run a probe's or hook's command beside the container; None, or why it failed."""
        if self._command is None:
            return "the container is not running"
        command = self._command
        mounts = self._host.volumes.mounts(self.spec)
        argv = [mounts.rewrite(arg) for arg in argv]
        if argv and argv[0] in ("python", "python3"):
            argv = [*resolve("gameday/storefront", argv, []).argv]
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        beside = Command(argv, command.env, command.cwd, command.name)
        try:
            process = await self._host.runtime.spawn(beside, null)
        except StartError as problem:
            return str(problem)
        try:
            async with asyncio.timeout(timeout_s):
                ended = await asyncio.shield(process.exited)
        except (TimeoutError, asyncio.CancelledError):
            process.kill()
            raise
        return None if ended.code == 0 else f"command exited with code {ended.code}"

    # --- stopping

    def _stop_signal(self) -> int:
        return int(self._launch.stop_signal) if self._launch else 15

    async def stop(self, grace_s: float) -> None:
        """After `run` was cancelled: preStop, the stop signal, and the wait for its end; `kill` hurries it."""
        process = self._process
        if process is None or process.exited.done():
            return
        started_at = self.record.state.get("running", {}).get("startedAt", now())
        self._host.event("Killing", f"Stopping container {self.name}")
        hook = self.spec.get("lifecycle", {}).get("preStop")
        if hook and grace_s > 0:
            calling = asyncio.ensure_future(check(hook, self._target(), grace_s))
            either: set[asyncio.Future[Any]] = {calling, process.exited}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not calling.done():
                calling.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await calling
            elif why := calling.result():
                self._host.event("FailedPreStopHook", f"PreStopHook failed: {why}", warning=True)
        process.signal(self._stop_signal())
        ended = await asyncio.shield(process.exited)
        self.record.ready = self.record.started = False
        self._collect(ended, started_at)

    def kill(self) -> None:
        """SIGKILL everything of this container now."""
        if self._process:
            self._process.kill()


def _link_mounts(root: Path, places: Any) -> None:
    """Links below the container's root, so that paths relative to `/` find the mounts."""
    root.mkdir(parents=True, exist_ok=True)
    for path, place in places.items():
        link = root / path.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            with contextlib.suppress(FileExistsError):
                link.symlink_to(place)


def _python_folder() -> str:
    return str(Path(sys.executable).parent)


def _inherited() -> dict[str, str]:
    """What a container gets of the daemon's own environment: how to find Python's modules, the time zone."""
    return {k: os.environ[k] for k in ("PYTHONPATH", "TZ") if k in os.environ}
