"""The embedded cluster: start one, find one, stop one.

`start` runs `gameday.cluster.daemon` as a process of its own. An owned cluster lives as
long as its caller at most: the daemon reads a pipe whose other end only the caller holds.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gameday.cluster.state import ClusterError, claim, folder_of, is_held, read, state_root

__all__ = ["ClusterError", "Running", "find", "start", "state_root"]

_DAEMONS: dict[int, tuple[subprocess.Popen[bytes], int | None]] = {}
"""Daemons that this process started, with the end of the pipe that keeps an owned one alive."""


@dataclass(frozen=True)
class Running:
    """A cluster that is up."""

    name: str
    kubeconfig: Path
    context: str
    pid: int
    state: Path

    def alive(self) -> bool:
        """Whether its daemon still runs."""
        record = read(self.state)
        return is_held(self.state) and record is not None and record.get("pid") == self.pid

    def stop(self, timeout_s: float = 5) -> None:
        """End it: pods are asked to end, and are killed when time is up. Nothing to do when it is down already."""
        try:
            handle = os.pidfd_open(self.pid) if self.alive() else None
        except ProcessLookupError:
            handle = None
        if handle is not None:
            try:
                signal.pidfd_send_signal(handle, signal.SIGTERM)
                if not select.select([handle], [], [], timeout_s + 1)[0]:
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    select.select([handle], [], [], 2)
            except ProcessLookupError:
                pass
            finally:
                os.close(handle)
        _reap(self.pid)
        if self.state.exists() and self.state == folder_of(self.name):
            with suppress(ClusterError):  # it was killed: what it left goes too
                claim(self.name).drop()


def _reap(pid: int) -> None:
    process, owner = _DAEMONS.pop(pid, (None, None))
    if owner is not None:
        os.close(owner)
    if process is not None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=2)


def start(name: str, *, owned: bool, port: int = 0, timeout_s: float = 10) -> Running:
    """Start a cluster and wait until its API answers.

    Args:
        name: its name; its context is `gameday-<name>`.
        owned: it ends with this process, however that ends. Otherwise it stays until stopped.
        port: the API's port; 0 lets the system choose.
        timeout_s: how long to wait, in seconds.

    Raises ClusterError: already up, port taken, disk full, state folder read-only and the like.
    """
    folder_of(name)
    ready_r, ready_w = os.pipe()
    owner_r, owner_w = os.pipe() if owned else (None, None)
    argv = [sys.executable, "-P", "-m", "gameday.cluster.daemon", name, "--port", str(port), "--ready-fd", str(ready_w)]
    passed = [ready_w]
    if owner_r is not None:
        argv += ["--owner-fd", str(owner_r)]
        passed.append(owner_r)
    try:
        process = subprocess.Popen(
            argv, pass_fds=passed, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as problem:
        for fd in (ready_r, owner_w):
            if fd is not None:
                os.close(fd)
        raise ClusterError(f"cannot start {sys.executable}: {problem.strerror}") from problem
    finally:
        for fd in passed:
            os.close(fd)
    _DAEMONS[process.pid] = (process, owner_w)
    try:
        return _wait_until_ready(name, process, ready_r, timeout_s)
    except BaseException:
        process.kill()
        _reap(process.pid)
        raise
    finally:
        os.close(ready_r)


def _wait_until_ready(name: str, process: subprocess.Popen[bytes], pipe: int, timeout_s: float) -> Running:
    if not select.select([pipe], [], [], timeout_s)[0]:
        raise ClusterError(f"cluster {name} was not ready after {timeout_s:g} s; is the machine overloaded?")
    line = os.read(pipe, 65536)
    if not line:
        code = process.wait()
        raise ClusterError(f"cluster {name}: its daemon ended with code {code} before it was ready")
    answer = json.loads(line)
    if "error" in answer:
        raise ClusterError(answer["error"])
    return Running(name, Path(answer["kubeconfig"]), answer["context"], process.pid, Path(answer["state"]))


def find(name: str) -> Running | None:
    """The cluster of that name if it is up."""
    folder = folder_of(name)
    record = read(folder)
    if record is None or not is_held(folder):
        return None
    return Running(name, Path(record["kubeconfig"]), record["context"], record["pid"], folder)
