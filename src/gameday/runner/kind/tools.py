"""The programs that a kind cluster is made with: a container engine, kind itself, and what their complaints mean.

Each runs in a session of its own, so that a Ctrl-C reaches us alone: we end the program, and then clear up after it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gameday.runner.errors import EnvironmentFailure, InvalidRequest
from gameday.runner.interrupts import undisturbed
from gameday.runner.kind.complaints import meaning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["ENGINES", "Engine", "Kind", "ToolFailure", "find_engine", "find_kind", "run"]

ENGINES = ("docker", "podman")
OLDEST_KIND = (0, 20, 0)
"""The first whose `kind load docker-image` and node images are those of today (containerd with snapshots)."""

_PROVIDER = "KIND_EXPERIMENTAL_PROVIDER"
"""kind's own variable: which engine it uses."""
_GRACE_S = 5.0
_ENGINE_S = 60.0
"""So long an engine may take for what it was asked for."""
_POLL_S = 0.2
_ASK_S = 30.0
_SAVE_S = 300.0


class ToolFailure(EnvironmentFailure):
    """A program failed. `said` is all that it said."""

    def __init__(self, message: str, said: str = "") -> None:
        """`message`: the line for the user."""
        super().__init__(message)
        self.said = said


def run(
    argv: list[str], *, timeout_s: float, environment: Mapping[str, str] | None = None, engine: str = "docker",
    what: str = "", heard: Callable[[str], None] | None = None, held: tuple[int, ...] = (),
    undo: Callable[[], None] = lambda: None,
) -> str:  # fmt: skip
    """Run a program to its end; returns its stdout. Nothing of it is left, whatever interrupts us.

    Args:
        argv: the program and its arguments.
        timeout_s: it is ended after so many seconds.
        environment: on top of ours.
        engine: what complaints of the engine call it.
        what: what it is for, in words, for the message.
        heard: is told each line of its stderr as it comes.
        held: file descriptors that it inherits.
        undo: should it be interrupted, undoes what it did so far; again and again until all that it started has ended.

    Raises ToolFailure, with what to do when that is known.
    """
    name = what or " ".join([Path(argv[0]).name, *argv[1:3]])
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
            start_new_session=True, env={**os.environ, **(environment or {})}, pass_fds=held,
        )  # fmt: skip
    except OSError as problem:
        raise ToolFailure(f"{name}: cannot run {argv[0]}: {problem.strerror}") from problem
    try:
        out, complaint = _listen(process, timeout_s, heard or (lambda _line: None))
    except BaseException as problem:
        _end(process, undo)
        if isinstance(problem, subprocess.TimeoutExpired):
            raise ToolFailure(f"{name}: not done after {timeout_s:.0f} s; is the machine overloaded?") from None
        raise
    if process.returncode != 0:
        raise ToolFailure(f"{name} failed: {meaning(complaint or out, engine)}", complaint + out)
    return out


def _listen(process: subprocess.Popen[str], timeout_s: float, heard: Callable[[str], None]) -> tuple[str, str]:
    """What a program says until its end, on stdout and on stderr. Raises subprocess.TimeoutExpired."""
    out: list[str] = []
    complaint: list[str] = []

    def listen(pipe: Iterable[str], *ears: Callable[[str], None]) -> None:
        for line in pipe:
            for ear in ears:
                ear(line)

    assert process.stdout is not None
    assert process.stderr is not None
    threads = [
        threading.Thread(target=listen, args=(process.stdout, out.append), daemon=True),
        threading.Thread(target=listen, args=(process.stderr, complaint.append, heard), daemon=True),
    ]
    for thread in threads:
        thread.start()
    process.wait(timeout_s)
    for thread in threads:
        thread.join(_GRACE_S)  # what it left running may have its pipes
    return "".join(out), "".join(complaint)


def _end(process: subprocess.Popen[str], undo: Callable[[], None]) -> None:
    """End a program, and then all that it started.

    What it has asked the engine for comes to its end first: the engine would make a container that it was asked for
    even when nobody waits for it any more, after all was cleared up.
    """
    with undisturbed():
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
        until = time.monotonic() + _ENGINE_S
        while _group_lives(process.pid) and time.monotonic() < until:
            undo()
            time.sleep(_POLL_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        undo()


def _group_lives(leader: int) -> bool:
    """Whether a process of that group runs; one that has ended, and that nobody has waited for yet, does not."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    if not Path("/proc/self/stat").exists():
        return True
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            state, _parent, group, *_ = stat.read_bytes().rpartition(b")")[2].split()  # a name may be no text
            if int(group) == leader and state not in b"ZX":
                return True
    return False


@dataclass(frozen=True)
class Engine:
    """A container engine that answers: `docker` or `podman`, its program, and how it calls its own version."""

    name: str
    path: str

    def run(self, *argv: str, timeout_s: float = _ASK_S, what: str = "") -> str:
        """Run one of its commands; returns its stdout. Raises ToolFailure."""
        return run([self.path, *argv], timeout_s=timeout_s, engine=self.name, what=what)

    def identity(self) -> str:
        """What tells it from other engines of that name, which another DOCKER_HOST leads to; podman has nothing."""
        return self.run("info", "--format", "{{.ID}}").strip() if self.name == "docker" else ""

    def save(self, images: list[str], archive: str) -> None:
        """Write images to a new file, as Docker's archives are. Raises ToolFailure."""
        several = [] if self.name == "docker" else ["--format", "docker-archive", "--multi-image-archive"]
        self.run("save", *several, "--output", archive, *images, timeout_s=_SAVE_S, what="saving images")

    def has_image(self, image: str) -> bool:
        """Whether it has an image of that name already."""
        try:
            self.run("image", "inspect", "--format", "{{.Id}}", image)
        except ToolFailure:
            return False
        return True


@dataclass(frozen=True)
class Kind:
    """The program `kind`, with the engine that it uses, and its version."""

    path: str
    engine: Engine
    version: tuple[int, ...]

    def held(self, lock: int) -> tuple[int, ...]:
        """What it shall inherit of the lock, so that nobody comes between should it outlive us.

        Podman would hand it on to its name server, which lives as long as the containers do
        (github.com/containers/podman/issues/27854).
        """
        return (lock,) if self.engine.name == "docker" else ()

    def run(
        self, *argv: str, timeout_s: float = _ASK_S, what: str = "", heard: Callable[[str], None] | None = None,
        held: tuple[int, ...] = (), undo: Callable[[], None] = lambda: None,
    ) -> str:  # fmt: skip
        """Run one of its commands; returns its stdout. `heard`, `held`, `undo` as in `run`. Raises ToolFailure."""
        return run(
            [self.path, *argv], timeout_s=timeout_s, environment={_PROVIDER: self.engine.name},
            engine=self.engine.name, what=what, heard=heard, held=held, undo=undo,
        )  # fmt: skip


def find_engine(remembered: str | None = None) -> Engine:
    """The one that is remembered, or that KIND_EXPERIMENTAL_PROVIDER names; else docker if it answers, else podman.

    Raises InvalidRequest when another is named, EnvironmentFailure: none is installed, or what is does not answer, and
    what to do.
    """
    asked = remembered or os.environ.get(_PROVIDER)
    if asked and asked not in ENGINES:
        raise InvalidRequest(f"{_PROVIDER}={asked}: expected {' or '.join(ENGINES)}; unset it to have one found")
    found = [(name, path) for name in ([asked] if asked else ENGINES) if (path := shutil.which(name))]
    if not found:
        raise EnvironmentFailure(
            f"no container engine here ({asked or ' or '.join(ENGINES)}), and kind needs one; install Docker "
            "(Debian, Ubuntu: sudo apt-get install docker.io; elsewhere see docs.docker.com/engine/install) or podman; "
            "'gameday up' without --cluster needs none"
        )
    problems = []
    for name, path in found:
        engine = Engine(name, path)
        try:
            if "podman" in engine.run("--version"):  # podman-docker calls it docker
                engine = Engine("podman", path)
            engine.run("version", "--format", "{{.Server.Version}}", what=f"asking {name} for its version")
        except ToolFailure as problem:
            problems.append(problem)
        else:
            return engine
    raise problems[0]


def find_kind(engine: Engine) -> Kind:
    """Raises EnvironmentFailure when there is none, or one too old for us, with how to install it."""
    path = shutil.which("kind")
    oldest = ".".join(map(str, OLDEST_KIND))
    how = (
        "install it: brew install kind; or go install sigs.k8s.io/kind@latest; or, from Debian 13 on, sudo apt-get "
        "install kind; or the one file of kind.sigs.k8s.io/docs/user/quick-start"
    )
    if path is None:
        raise EnvironmentFailure(f"no kind here, which makes clusters of containers; {how}")
    said = run([path, "version"], timeout_s=_ASK_S, what="asking kind for its version")
    number = re.search(r"v(\d+)\.(\d+)\.(\d+)", said)
    if number is None:
        raise EnvironmentFailure(f"{path} does not say its version, but: {' '.join(said.split())[:80]!r}; {how}")
    version = tuple(map(int, number.groups()))
    if version < OLDEST_KIND:
        raise EnvironmentFailure(f"kind {number[0]} ({path}) is too old, {oldest} or later is needed; {how}")
    return Kind(path, engine, version)
