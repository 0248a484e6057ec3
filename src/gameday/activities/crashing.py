"""Faults in which the main process of a container dies, and its kubelet starts it again in the same pod."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed, InterruptExecution

from gameday.activities.fault import activity
from gameday.activities.guard import NotAllowedError
from gameday.activities.hunting import hunt
from gameday.kube import ApiException, spare_from_proxies
from gameday.ledger.calls import find, wait_until

if TYPE_CHECKING:
    from gameday.kube import Kube

__all__ = ["Crash", "crash_pods"]

DEFAULT_COMMANDS = (
    ["sh", "-c", '[ "$PPID" = 0 ] && kill -TERM 1'],
    ["python3", "-c", "import os, sys; os.getppid() and sys.exit(1); os.kill(1, 15)"],
)
"""By what is in the image. A command that is put into a container from outside has no parent there: where it has one,
process 1 is not the container's but the node's."""

_AFTER_FAILURE_S = 2.0
"""How long a container may take to be seen dead when the command that was to kill it has failed."""
_ERROR_CHANNEL = 3
_MISSING = ("executable file not found", "no such file or directory")


@activity("crash-pods")
def crash_pods(  # noqa: PLR0913, PLR0917  # each has a default, and a name in the experiment file
    namespace: str,
    label_selector: str,
    every_s: float = 1.0,
    duration_s: float = 8.0,
    times: int | None = None,
    container: str | None = None,
    command: list[str] | None = None,
    one_of: list[str] | None = None,
    seed: int | None = None,
    keep_one: bool = True,  # noqa: FBT001, FBT002  # an argument in an experiment file
    timeout_s: float = 15.0,
) -> dict[str, Any]:
    """Let the main process of a ready pod's container die every `every_s` seconds for `duration_s` s, app after app.

    The kubelet starts it again in the same pod: at once the first time, then after 10 s, 20 s, 40 s and so on up to
    5 min (CrashLoopBackOff; 10 min of calm reset it), which the recovery has to wait for too. `times`: at most so many.
    Nothing needs undoing: `undo.revert_faults` waits until the Deployments are available again. `container`: default
    the pod's first. `command`: run in the container to end it, by pods/exec; by default process 1 gets SIGTERM, from
    `sh` or `python3`. A process 1 that has no handler for a signal does not get it, SIGKILL included: then nothing
    dies, and the error says so. `one_of`, `seed`, `keep_one`: as for `terminate_pods`. Each crash is confirmed by
    another container in the same pod, or one that waits for its restart, within `timeout_s` seconds. Raises
    ActivityFailed when nothing crashed, or an app was never hit. Returns {fault, kind, target, proof, crashed, seed,
    cut_short}.
    """
    words = command if isinstance(command, list) else []
    if command is not None and not (words and all(isinstance(word, str) for word in words)):
        raise NotAllowedError(f"crash-pods {namespace}: command is {command!r}, expected a list of words")
    crash = Crash(container, (command,) if command else DEFAULT_COMMANDS, timeout_s)
    return hunt(
        "crash-pods", crash, namespace, label_selector, every_s=every_s, duration_s=duration_s, one_of=one_of,
        seed=seed, keep_one=keep_one, times=times,
    )  # fmt: skip


@dataclass
class Crash:
    """Ends a container by a command inside it. `commands`: the first that its image has."""

    container: str | None
    commands: tuple[list[str], ...] = DEFAULT_COMMANDS
    timeout_s: float = 15.0
    done: str = "crashed"

    def __call__(self, kube: Kube, namespace: str, pod: Any) -> dict[str, Any] | None:
        """Crash it. Raises ActivityFailed when it lives on; None when its pod went by itself."""
        where = f"crash-pods {namespace}: pod {pod.metadata.name}"
        container = self.container or pod.spec.containers[0].name
        before = _status(pod, container)
        if before is None:
            there = ", ".join(c.name for c in pod.spec.containers)
            raise ActivityFailed(f"{where} has no container {container!r} that runs, it has {there}")
        if self.commands is DEFAULT_COMMANDS and (pod.spec.share_process_namespace or pod.spec.host_pid):
            raise ActivityFailed(
                f"{where} shares its process namespace, so process 1 is not the container's; give `command`"
            )
        ran, problem = self._run(kube, namespace, pod.metadata.name, container)
        deadline = time.monotonic() + (_AFTER_FAILURE_S if problem else self.timeout_s)
        seen: dict[str, Any] = {}

        def crashed() -> bool:
            found = find(kube.core.read_namespaced_pod, pod.metadata.name, namespace)
            same = found is not None and found.metadata.uid == pod.metadata.uid
            seen.update(gone=not same, after=_status(found, container) if same else None)
            return not same or (seen["after"] is not None and has_crashed(before, seen["after"]))

        if not wait_until(crashed, deadline - time.monotonic()):
            raise ActivityFailed(
                f"{where}: container {container} ({before.container_id}) lives on: {self._why(ran, problem)}"
            )
        if seen["gone"]:
            return None
        return {"container": container, **shown(before, seen["after"])}

    def why_not(self, app: str) -> str:
        """A crash that fails is told at once."""
        del app
        return ""

    def _why(self, ran: list[str], problem: str) -> str:
        if problem and any(word in problem for word in _MISSING):
            tried = " nor ".join(command[0] for command in self.commands)
            return f"its image has no {tried}; give a `command` that ends its process 1"
        if problem:
            return f"{ran} failed: {problem}; give a `command` that ends its process 1"
        return (
            f"{ran} ran, and {self.timeout_s:g} s later process 1 is still there; it does not get a signal that it has "
            "no handler for: give a `command` that ends it, or raise timeout_s"
        )

    def _run(self, kube: Kube, namespace: str, pod: str, container: str) -> tuple[list[str], str]:
        """The first command that the image has, and how it failed; empty when it did not, as far as is known."""
        problem = ""
        for command in self.commands:
            problem = run_inside(kube, namespace, pod, container, command, self.timeout_s)
            if not any(word in problem for word in _MISSING):
                return command, problem
        return self.commands[-1], problem


def has_crashed(before: Any, after: Any) -> bool:
    """Whether another container runs in its place, or it has ended and waits to be started again."""
    if after.state.running is not None:
        return bool(after.container_id != before.container_id and after.restart_count > before.restart_count)
    waiting = after.state.waiting
    return waiting is not None and waiting.reason == "CrashLoopBackOff"


def shown(before: Any, after: Any) -> dict[str, Any]:
    """The evidence of a crash, from the container's status before and after."""
    ended = (after.last_state.terminated if after.last_state else None) or after.state.terminated
    return {
        "container_id": before.container_id,
        "restarts": after.restart_count,
        "exit_code": ended.exit_code if ended is not None else None,
        "now": "CrashLoopBackOff" if after.state.running is None else after.container_id,
    }


def _status(pod: Any, container: str) -> Any | None:
    found = next((s for s in pod.status.container_statuses or [] if s.name == container), None)
    return found if found is not None and found.state is not None and found.container_id else None


def run_inside(kube: Kube, namespace: str, pod: str, container: str, command: list[str], timeout_s: float) -> str:
    """Run a command in a container by pods/exec; returns why it failed, empty when it did not or nobody can tell.

    Why is in the words of whoever said so: the node, of a program that is not there, as of an API that refuses it, for
    want of the right to `pods/exec` for example. The end of the container ends the command too.
    """
    from kubernetes.stream import stream  # late: it brings a WebSocket client

    spare_from_proxies(kube)
    try:
        session = stream(
            kube.core.connect_get_namespaced_pod_exec, pod, namespace, container=container, command=command,
            stdin=False, stdout=True, stderr=True, tty=False, _preload_content=False,
        )  # fmt: skip
    except ApiException as problem:  # made by the client of whatever stopped the handshake, a signal too
        if isinstance(problem.__context__, InterruptExecution | KeyboardInterrupt | SystemExit):
            raise problem.__context__ from None
        told = re.search(r'"message": ?"((?:[^"\\]|\\.)*)"', str(problem.reason))
        return told[1].replace('\\"', '"') if told else " ".join(str(problem.reason).split())[:300]
    try:
        session.run_forever(timeout=timeout_s)
        words = session.read_stderr() if session.peek_stderr() else ""
        return failure(session.read_channel(_ERROR_CHANNEL), words)
    finally:
        session.close()


def failure(status: str, words: str) -> str:
    """What the Status at the end of an exec says, and what the command wrote to stderr; empty if it went well. Pure."""
    try:
        found = json.loads(status)
    except ValueError:
        return ""
    if not isinstance(found, dict) or found.get("status") != "Failure":
        return ""
    return " ".join(f"{found.get('message', 'no reason given')} {words[:200]}".split())
