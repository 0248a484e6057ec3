"""What we remember of our kind cluster, in a folder that one command at a time may hold.

A folder in it, whose name no other has, is mounted into every node: a cluster that bears this mark was made from here,
and no other is touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import uuid
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from gameday.runner.errors import EnvironmentFailure, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["InUse", "Made", "State"]

_TEXT = """Gameday's kind cluster has this folder mounted in its nodes: that is how `gameday` knows that it made them.
"""


class InUse(InvalidRequest):
    """Another command makes or ends the cluster just now, or runs in it."""


@dataclass(frozen=True)
class Made:
    """The cluster that was made, once it was: what it was asked to be.

    `nodes` counts the control plane in; `node_image` is empty for kind's own; `image` is the storefront's; `data` is
    how much the database of the shop that stays holds, empty while there is none; `for_runs`: it goes with the last run
    that is in it.
    """

    nodes: int
    shop_port: int
    node_image: str
    image: str
    data: str = ""
    for_runs: bool = False


@dataclass(frozen=True)
class State:
    """The folder, whether it is there or not."""

    folder: Path

    @classmethod
    def here(cls) -> State:
        """This user's: beside those of the embedded clusters."""
        from gameday.cluster import state_root  # late: it is the embedded cluster's

        return cls(state_root() / "kind")

    @property
    def kubeconfig(self) -> Path:
        """The cluster's own; the user's is never written to."""
        return self.folder / "kubeconfig"

    @property
    def mark(self) -> Path | None:
        """What is mounted into the nodes. Another state may have the same path, on another machine with this engine."""
        return next(self.folder.resolve().glob("mark-*"), None)

    @property
    def engine(self) -> tuple[str, str] | None:
        """The name and the identity of the engine that has the cluster, from before its first node on."""
        try:
            name, identity = json.loads(self._engine.read_text())
        except (OSError, ValueError, TypeError):
            return None
        return str(name), str(identity)

    @property
    def _record(self) -> Path:
        return self.folder / "made.json"

    @property
    def _engine(self) -> Path:
        return self.folder / "engine.json"

    @contextlib.contextmanager
    def held(self) -> Iterator[int]:
        """Keep every other command of this user's from changing the cluster; yields what holds it, a file descriptor.

        Whoever inherits that holds it too: a kind that outlives us, because we were killed, keeps the next one waiting
        for its end. Raises InUse when it is held, EnvironmentFailure when the folder cannot be made.
        """
        refusal = (
            "another gameday makes or ends the kind cluster just now, or a kind that it began still does: wait for its "
            "end, a minute or two, and say this again"
        )
        with self._locked("lock", fcntl.LOCK_EX, refusal) as lock:
            yield lock

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep the cluster from being ended while a run is in it. Raises InUse while somebody ends it."""
        with self._locked("runs", fcntl.LOCK_SH, "another gameday ends the kind cluster just now: say this again"):
            yield

    @contextlib.contextmanager
    def unused(self) -> Iterator[None]:
        """Keep runs out. Raises InUse while one is in it."""
        with self._locked("runs", fcntl.LOCK_EX, "a run is under way in the kind cluster: wait for its end, or end it"):
            yield

    @contextlib.contextmanager
    def _locked(self, name: str, how: int, refusal: str) -> Iterator[int]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / name, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as problem:
            raise self._unwritable(problem) from problem
        try:
            try:
                fcntl.flock(lock, how | fcntl.LOCK_NB)
            except BlockingIOError as problem:
                raise InUse(refusal) from problem
            yield lock
        finally:
            os.close(lock)

    def _unwritable(self, problem: OSError) -> EnvironmentFailure:
        return EnvironmentFailure(
            f"state folder {self.folder}: {problem.strerror}; set GAMEDAY_STATE to a folder that can be written to"
        )

    def begin(self, engine: str, identity: str) -> Path:
        """Remember which engine will have the cluster, by whoever holds it; returns the cluster's mark.

        `identity`: the engine's own, as far as it has one. Raises EnvironmentFailure.
        """
        try:
            mark = self.mark or self.folder.resolve() / f"mark-{uuid.uuid4().hex}"
            mark.mkdir(exist_ok=True)
            (mark / "README").write_text(_TEXT)
            self._engine.write_text(json.dumps([engine, identity]))
        except OSError as problem:
            raise self._unwritable(problem) from problem
        return mark

    def write(self, made: Made) -> None:
        """Remember a cluster that is whole."""
        pending = self._record.with_suffix(".new")
        pending.write_text(json.dumps(asdict(made)))
        pending.replace(self._record)

    def read(self) -> Made | None:
        """What was made; None when nothing was, or not to its end."""
        try:
            found: dict[str, Any] = json.loads(self._record.read_text())
            return Made(**{one.name: found[one.name] for one in fields(Made)})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def forget(self) -> None:
        """The cluster is no more, or not whole."""
        for file in (self._record, self.kubeconfig, self._engine):
            file.unlink(missing_ok=True)

    def remove(self) -> None:
        """Leave nothing; by whoever holds it."""
        shutil.rmtree(self.folder, ignore_errors=True)
