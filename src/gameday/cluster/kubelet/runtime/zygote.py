"""The warm parent: a single-threaded process that forks each container from itself.

It has imported what Python services need, so `python -m MODULE` starts in milliseconds
and shares its memory with its siblings; everything else is `exec`ed. It reaps what it
started and reports each exit. When the daemon's end of the socket closes, by SIGKILL
too, it kills all containers and ends.

A container's main process is much like process 1 of a PID namespace: signals that it does
not handle are dropped, orphans become its children, and its end is the end of all of them.

Requests:  {"spawn": id, "argv": [..], "env": {..}, "cwd": path, "name": text}
           with one descriptor for stdout and stderr, or three for stdin, stdout and stderr;
           {"kill": id, "signal": n, "all": bool}
Replies:   {"started": id, "pid": n} | {"failed": id, "reason": text} | {"exited": id, "status": waitstatus}
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import fcntl
import gc
import importlib
import importlib.util
import json
import os
import random
import select
import signal
import socket
import sys
import termios
import traceback
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WARM_MODULES = (
    "aiohttp", "aiohttp.web", "aiosmtpd.controller", "aiosmtpd.smtp", "asyncio",
    "cryptography.hazmat.primitives.serialization", "email.message", "html",
    "jinja2", "json", "logging", "prometheus_client", "psycopg", "smtplib", "ssl", "urllib.request", "uuid", "yaml",
)  # fmt: skip
"""What the storefront's services spend their start-up on; one that is missing is skipped."""

END_S = 2
"""Seconds to wait for killed containers when the daemon is gone."""

MAX_MESSAGE = 1 << 20
"""Bytes of one message; the socket's buffers are raised to hold it."""

_TAMED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SIGWAIT = {"x86_64": "128", "aarch64": "137"}.get(os.uname().machine, "?")
"""The system call rt_sigtimedwait, in which a process does not show the signals that it holds back."""
_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 15, 36
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Request:
    """What a fresh fork shall become."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    name: str
    streams: tuple[int, ...]
    """One for its output, or stdin, stdout and stderr."""
    parent: int


class Zygote:
    """The loop: requests in, exits out. `serve` returns only inside a fork."""

    def __init__(self, daemon: socket.socket) -> None:
        self._daemon = daemon
        self._mains: dict[int, int] = {}
        """Each container's process 1, by the container's id."""
        self._ended: list[dict[str, int]] = []
        self._wake_r, self._wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._wake_w, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for ignored in _TAMED:
            signal.signal(ignored, signal.SIG_IGN)

    def serve(self) -> Request:
        """Serve until the daemon is gone (exits), or return in a fork what it shall run."""
        while True:
            try:
                if request := self._round():
                    return request
            except Exception:  # noqa: BLE001 - whatever it was about: all the other containers live by this loop
                traceback.print_exc()

    def _round(self) -> Request | None:
        ready, _, _ = select.select([self._daemon.fileno(), self._wake_r], [], [])
        if self._wake_r in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_r, 4096)
            self._reap()
        return self._take() if self._daemon.fileno() in ready else None

    def _take(self) -> Request | None:
        try:
            data, fds, _, _ = socket.recv_fds(self._daemon, MAX_MESSAGE, 3)
        except OSError:
            data, fds = b"", []
        if not data:
            self._end()
        message = json.loads(data)
        if "kill" in message:
            self._kill(message["kill"], message["signal"], everything=message["all"])
            return None
        return self._spawn(message, fds)

    def _spawn(self, message: dict[str, Any], fds: list[int]) -> Request | None:
        request = Request(
            message["argv"], message["env"], message["cwd"], message["name"], tuple(fds), parent=os.getpid()
        )
        try:
            pid = os.fork()
        except OSError as problem:
            _close(fds)
            self._send({"failed": message["spawn"], "reason": f"fork: {problem}"})
            return None
        if pid == 0:
            return request
        _close(fds)
        self._mains[message["spawn"]] = pid
        self._send({"started": message["spawn"], "pid": pid})
        return None

    def _kill(self, container: int, number: int, *, everything: bool) -> None:
        pid = self._mains.get(container)
        if pid is None:
            return
        if everything:
            _kill_group(pid)
        if number == signal.SIGKILL or _hears(pid, number):
            _signal(pid, number)

    def _reap(self) -> None:
        """Collect the dead; a container has ended when nothing is left of it, which would keep its ports, for one."""
        containers = {pid: container for container, pid in self._mains.items()}
        with contextlib.suppress(ChildProcessError):
            while info := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                container = containers.pop(info.si_pid, None)
                if container is not None:  # before it is reaped, while its id cannot belong to another
                    _kill_group(info.si_pid)
                _, status = os.waitpid(info.si_pid, 0)
                if container is not None:
                    del self._mains[container]
                    self._ended.append({"exited": container, "status": status})
        if not self._kill_leftovers():
            for message in self._ended:
                self._send(message)
            self._ended.clear()

    def _kill_leftovers(self) -> bool:
        """Kill what the dead left to us, the next subreaper; whether there was anything that we may kill."""
        mains = set(self._mains.values())
        killed = [_signal(pid, signal.SIGKILL) for pid in children_of(os.getpid()) if pid not in mains]
        return any(killed)

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._daemon.send(json.dumps(message).encode())
        except OSError:
            self._end()

    def _end(self) -> None:
        """The daemon is gone: so is everything that it ran."""
        for pid in self._mains.values():
            _kill_group(pid)
        self._mains.clear()
        signal.alarm(END_S)  # SIGALRM ends us, should one of them hang in the kernel
        with contextlib.suppress(ChildProcessError):
            while True:  # what they leave behind comes to us, so that this ends when all are gone
                self._kill_leftovers()
                os.wait()
        os._exit(0)


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


def adopt_orphans() -> None:
    """What its parents leave behind is handed to this process from now on."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children_of(pid: int) -> list[int]:
    """The processes whose parent a single-threaded one is, or the main thread of another."""
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:  # gone, or a kernel without that file: groups still do the work
        return []


def _signal(pid: int, number: int) -> bool:
    """Whether there was somebody to hear it: it may be gone, or have become another user."""
    try:
        os.kill(pid, number)
    except OSError:
        return False
    return True


def _kill_group(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def _hears(pid: int, number: int) -> bool:
    """Whether a process 1 gets a signal: the kernel drops what it neither handles nor holds back."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        if Path(f"/proc/{pid}/syscall").read_text().startswith(f"{_SIGWAIT} "):
            return True
    except OSError:  # gone
        return False
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigBlk:", "SigCgt:"))]
    return any(mask >> (number - 1) & 1 for mask in masks)


def _die_with(parent: int) -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


def _enter(parent: int) -> None:
    """First steps of a fork: a session, signals and orphans of its own."""
    os.setsid()
    _die_with(parent)
    adopt_orphans()  # survives exec
    faulthandler.disable()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGPIPE, *_TAMED):
        signal.signal(number, signal.SIG_DFL)


def become(request: Request) -> None:
    """Turn this fork into the container: returns when a Python module has run to its end."""
    _enter(request.parent)
    _libc.prctl(_PR_SET_NAME, f"pod:{request.name}".encode()[:15], 0, 0, 0)
    streams = request.streams
    for number, stream in enumerate(streams if len(streams) > 1 else (os.open(os.devnull, os.O_RDONLY), *streams * 2)):
        os.dup2(stream, number)
    os.closerange(3, 4096)  # the daemon's socket too
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - kept open
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115 - kept open
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115 - kept open
    os.environ.clear()
    os.environ.update(request.env)
    module = request.argv[2:3] if request.argv[:2] == [sys.executable, "-m"] else []
    try:
        os.chdir(request.cwd)
        code = _load(module[0]) if module else None
    except (OSError, ImportError) as problem:
        sys.exit(f"cannot start {request.argv}: {problem}")
    if code:
        _run(code, request.argv)
        return
    # Python ignores SIGPIPE; a program that is executed expects the default
    try:
        os.execvpe(request.argv[0], request.argv, request.env)  # noqa: S606 - its purpose
    except OSError as problem:
        sys.stderr.write(f"exec {request.argv[0]}: {problem.strerror}\n")
        os._exit(127 if isinstance(problem, FileNotFoundError) else 126)


def _load(name: str) -> types.ModuleType:
    """The module to run, as `python -m` would find it."""
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - text
    extra = os.environ.get("PYTHONPATH", "")
    sys.path[1:1] = [p for p in extra.split(os.pathsep) if p and p not in sys.path]
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{name}.__main__")
    if spec is None or spec.loader is None:
        raise ImportError(f"no module named {name}")
    main = types.ModuleType("__main__")
    main.__dict__.update(
        __spec__=spec, __loader__=spec.loader, __file__=spec.origin, __package__=spec.parent,
        __code__=spec.loader.get_code(spec.name),  # type: ignore[attr-defined]
    )  # fmt: skip
    return main


def _run(main: types.ModuleType, argv: list[str]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as in any fresh interpreter
    sys.argv = [str(main.__file__), *argv[3:]]
    sys.modules["__main__"] = main
    random.seed()
    gc.enable()
    exec(main.__dict__.pop("__code__"), main.__dict__)  # noqa: S102 - its purpose


def main() -> None:
    """Warm up, then serve the daemon at the descriptor in `sys.argv[1]`."""
    faulthandler.enable()  # into the daemon's log, as all that this process says
    daemon = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(daemon.fileno(), False)
    _libc.prctl(_PR_SET_NAME, b"gameday-zygote", 0, 0, 0)
    adopt_orphans()
    for name in WARM_MODULES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    become(Zygote(daemon).serve())


if __name__ == "__main__":
    main()
