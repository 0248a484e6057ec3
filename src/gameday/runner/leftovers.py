"""Namespaces that a run made and could not delete, because it was killed or left them for somebody to mend.

A namespace says which process made it; on the machine of that process one can see whether it still runs.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gameday.kube import ApiException
from gameday.ledger import Ledger, LedgerError, stray_nodes
from gameday.ledger.calls import CONNECTION_ERRORS, said
from gameday.ledger.mending import revert_command

if TYPE_CHECKING:
    from gameday.kube import Kube
    from gameday.runner.target import Target

__all__ = ["RUNNER_ANNOTATION", "RUN_LABEL", "Leftover", "all_leftovers", "delete_command", "find_leftovers"]
__all__ += ["this_runner"]

RUN_LABEL = "gameday.dev/run"
RUNNER_ANNOTATION = "gameday.dev/runner"


@dataclass(frozen=True)
class Leftover:
    """A namespace that a run made, and the shell command that deletes it; `over` is None where one cannot tell."""

    namespace: str
    run_id: str
    delete_command: str
    over: bool | None
    age_s: float

    def __str__(self) -> str:
        if self.over:
            return f"namespace {self.namespace} was left by run {self.run_id}, which is over: {self.delete_command}"
        return (
            f"namespace {self.namespace} was made {self.age_s / 60:.0f} min ago by run {self.run_id}, on another "
            f"machine or before a restart; if that run is over: {self.delete_command}"
        )


def this_runner() -> str:
    """What tells this process from every other: the machine's boot, the pid namespace, pid and start time."""
    return "/".join([*_here(), str(os.getpid()), _started_at(os.getpid())])


def find_leftovers(target: Target) -> list[Leftover]:
    """The namespaces on a cluster whose runs have ended, or may have: of another machine's run one cannot tell."""
    return _find(target, target.connect())


def _find(target: Target, kube: Kube) -> list[Leftover]:
    found: Any = kube.core.list_namespace(label_selector=RUN_LABEL, _request_timeout=5)
    left = []
    for meta in (item.metadata for item in found.items):
        runner = (meta.annotations or {}).get(RUNNER_ANNOTATION)
        over = _is_dead(runner)
        if runner is None or meta.deletion_timestamp is not None or over is False:
            continue
        age_s = (datetime.now(UTC) - meta.creation_timestamp).total_seconds()
        delete = delete_command(target, meta.name, faults=_may_hold_faults(kube, meta.name))
        left.append(Leftover(meta.name, meta.labels[RUN_LABEL], delete, over, age_s))
    return left


def all_leftovers(target: Target) -> list[str]:
    """These, and the nodes that a fault has cordoned which no ledger holds any more; each with what mends it."""
    kube = target.connect()
    found = [str(one) for one in _find(target, kube)]
    try:
        return found + [str(one) for one in stray_nodes(kube) if one.cordoned]
    except (ApiException, *CONNECTION_ERRORS) as problem:
        return [*found, f"whether a fault has left a node cordoned cannot be told: {said(problem)}"]


def delete_command(target: Target, namespace: str, *, faults: bool = False) -> str:
    """The shell command that deletes a namespace of a cluster.

    `faults`: its ledger may hold some, which are undone first: the record of them goes with it, and a drain's node
    stays behind.
    """
    where = ["--kubeconfig", str(target.kubeconfig), "--context", target.context]
    delete = shlex.join(["kubectl", *where, "delete", "namespace", namespace])
    return f"{revert_command(target.context, namespace)} && {delete}" if faults else delete


def _may_hold_faults(kube: Kube, namespace: str) -> bool:
    """Whether faults are on record there, or nobody can tell."""
    try:
        return any(Ledger(kube, namespace).read())
    except LedgerError:
        return True


def _is_dead(runner: str | None) -> bool | None:
    """Whether a process of this machine is no more; None for whatever we cannot see from here."""
    parts = (runner or "").split("/")
    if len(parts) != 4 or tuple(parts[:2]) != _here() or not parts[2].isdigit():  # noqa: PLR2004  # as written above
        return None
    return _started_at(int(parts[2])) != parts[3]


def _here() -> tuple[str, str]:
    """This boot of this machine, and the pid namespace; empty where the kernel does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return boot, str(Path("/proc/self/ns/pid").readlink()).removeprefix("pid:")
    except OSError:
        return "", ""


def _started_at(pid: int) -> str:
    """When a process began, in clock ticks since the boot; empty when there is none (a zombie is none)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
