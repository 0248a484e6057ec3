"""What we remember of our kind cluster, in a folder that one command at a time may hold.

The folder `mark` in it is mounted into every node: a cluster that bears it was made from here, and no other is touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from gameday.runner.errors import EnvironmentFailure, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Made", "State"]

_TEXT = """Gameday's kind cluster has this folder mounted in its nodes: that is how `gameday` knows that it made them.
"""


@dataclass(frozen=True)
class Made:
    """The cluster that was made, once it was: what it was asked to be.

    `nodes` counts the control plane in; `node_image` is empty for kind's own; `image` is the storefront's; `data` is
    how much the database of the shop that stays holds, empty while there is none.
    """

    nodes: int
    shop_port: int
    node_image: str
    image: str
    data: str = ""


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
    def mark(self) -> Path:
        """What is mounted into the nodes."""
        return self.folder.absolute() / "mark"

    @property
    def _record(self) -> Path:
        return self.folder / "made.json"

    @contextlib.contextmanager
    def held(self) -> Iterator[int]:
        """Keep every other command of this user's from changing the cluster; yields what holds it, a file descriptor.

        Whoever inherits that holds it too: a kind that outlives us, because we were killed, keeps the next one waiting
        for its end. Raises InvalidRequest when it is held, EnvironmentFailure when the folder cannot be made.
        """
        try:
            self.mark.mkdir(parents=True, exist_ok=True)
            if not (readme := self.mark / "README").exists():
                with contextlib.suppress(OSError):  # a full disk must not keep a cluster from being ended
                    readme.write_text(_TEXT)
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as problem:
            raise EnvironmentFailure(
                f"state folder {self.folder}: {problem.strerror}; set GAMEDAY_STATE to a folder that can be written to"
            ) from problem
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as problem:
                raise InvalidRequest(
                    "another gameday makes or ends the kind cluster just now, or a kind that it began still does: "
                    "wait for its end, a minute or two, and say this again"
                ) from problem
            yield lock
        finally:
            os.close(lock)

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
        self._record.unlink(missing_ok=True)
        self.kubeconfig.unlink(missing_ok=True)

    def remove(self) -> None:
        """Leave nothing; by whoever holds it."""
        shutil.rmtree(self.folder, ignore_errors=True)
