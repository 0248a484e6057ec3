"""What a container runs: its program, variables and folders on this machine. Reads the store, starts nothing."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gameday.cluster.images import Launch, on_this_machine
from gameday.cluster.kubelet.environment import ConfigError, Mounts, container_variables, expand
from gameday.cluster.kubelet.runtime.client import Command

if TYPE_CHECKING:
    from gameday.cluster.kubelet.volumes import Volumes
    from gameday.cluster.store import Object, Store

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_SIGNALS_MAIN = re.compile(r"\bkill -(?:SIG)?([A-Z0-9]+) 1$")


@dataclass(frozen=True)
class Prepared:
    """A container's command, and what else is known of it before it runs."""

    command: Command
    mounts: Mounts
    stop_signal: int
    last_words: Path
    """Where its termination message is."""

    def beside(self, argv: list[str]) -> Command:
        """A command of a probe, of a hook or of an exec: where the container itself is."""
        return replace(self.command, argv=on_this_machine([self.mounts.rewrite(arg) for arg in argv]))


def signal_to_main(argv: list[str]) -> int | None:
    """What a command that ends with `kill -SIGNAL 1` sends: 0 when it does not get there, None for any other command.

    In its container process 1 is the main process. Here it is the machine's, so the command must never run.
    """
    found = _SIGNALS_MAIN.search(" ".join(argv))
    if found is None:
        return None
    number = int(found[1]) if found[1].isdigit() else int(getattr(signal, f"SIG{found[1]}", 0))
    return 0 if number in (signal.SIGKILL, signal.SIGSTOP) else number


def missing_program(command: Command) -> str:
    """Why a command cannot start; empty when it can."""
    program = command.argv[0] if command.argv else ""
    at = os.path.join(command.cwd, program) if "/" in program else program  # noqa: PTH118 - text
    if shutil.which(at, path=command.env["PATH"]):
        return ""
    return f'exec: "{program}": executable file not found in $PATH'


def prepare(store: Store, pod: Object, spec: Object, launch: Launch, folder: Path, volumes: Volumes) -> Prepared:
    """Everything resolved, expanded and rewritten. Raises ConfigError, OSError."""
    _check_user(pod, spec)
    hostname = (pod["spec"].get("hostname") or pod["metadata"]["name"])[:63]
    ours = {
        "PATH": ":".join(filter(None, [launch.path, str(Path(sys.executable).parent), SYSTEM_PATH])),
        "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "LANG": "C.UTF-8",
        "HOSTNAME": hostname, **_inherited(),
    }  # fmt: skip
    variables = container_variables(store, pod, spec, {**launch.env, **ours})
    root, last_words = folder / "root" / spec["name"], folder / "last-words" / spec["name"]
    last_words.parent.mkdir(exist_ok=True)
    last_words.write_bytes(b"")
    places = {spec.get("terminationMessagePath") or "/dev/termination-log": str(last_words)}
    mounts = Mounts(places | volumes.places(spec, variables))
    _link_mounts(root, mounts)
    # Paths of this machine stay as they are: this project may itself lie below a mount path, such as /tmp.
    environment = {k: v if ours.get(k) == v else mounts.rewrite(v) for k, v in variables.items()}
    argv = [mounts.rewrite(expand(arg, variables)) for arg in launch.argv]
    if launch.argv[0] not in (*spec.get("command", ()), *spec.get("args", ())):
        argv[0] = launch.argv[0]
    cwd = mounts.rewrite(spec.get("workingDir") or "")
    if not cwd or cwd == spec.get("workingDir"):
        cwd = str(_below(root, cwd))
        Path(cwd).mkdir(parents=True, exist_ok=True)
    return Prepared(Command(argv, environment, cwd, pod["metadata"]["name"]), mounts, launch.stop_signal, last_words)


def _check_user(pod: Object, spec: Object) -> None:
    context = {**(pod["spec"].get("securityContext") or {}), **(spec.get("securityContext") or {})}
    if context.get("runAsNonRoot") and context.get("runAsUser") == 0:
        where = f'"{pod["metadata"]["name"]}_{pod["metadata"]["namespace"]}({pod["metadata"]["uid"]})"'
        raise ConfigError(f"container's runAsUser breaks non-root policy (pod: {where}, container: {spec['name']})")


def _link_mounts(root: Path, mounts: Mounts) -> None:
    """Links below the container's root, so that paths relative to `/` find the mounts."""
    root.mkdir(parents=True, exist_ok=True)
    for path, place in mounts.places.items():
        link = _below(root, path)
        with contextlib.suppress(FileExistsError, NotADirectoryError):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(place)


def _below(root: Path, path: str) -> Path:
    """A container's path below its root, which `..` does not leave."""
    return root / os.path.normpath(f"/{path}").lstrip("/")


def _inherited() -> dict[str, str]:
    """What a container gets of the daemon's own environment: how to find Python's modules, the time zone."""
    return {k: os.environ[k] for k in ("PYTHONPATH", "TZ") if k in os.environ}
