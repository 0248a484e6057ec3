"""What the API needs of the kubelet: the output of containers, and commands that run in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path


class LogSource(Protocol):
    """The kubelet's logs, as files of lines `<RFC 3339 time with nanoseconds, UTC> <text>`."""

    def read(self, namespace: str, pod: str, uid: str, container: str, *, previous: bool) -> Path | None:
        """The file of the running (or last) instance, or of the one before it; None when there is none.

        The file only grows. It may be unlinked, and one that got long is renamed and goes on
        in a new one of its name: whoever follows it holds it open, and looks for that.
        """


@dataclass(frozen=True)
class Exit:
    """How a process ended: `code` as a container runtime reports it (128 + signal when killed)."""

    code: int


class Started(Protocol):
    """A command that runs in a container."""

    @property
    def exited(self) -> asyncio.Future[Exit]:
        """Completes when it ends."""

    def kill(self) -> None:
        """End it, with whatever it started."""


class CommandError(Exception):
    """A command could not be started in a container."""


class Executor(Protocol):
    """Runs commands in containers."""

    async def execute(self, namespace: str, pod: str, container: str, argv: list[str], *streams: int) -> Started:
        """Start one, with descriptors for stdin, stdout and stderr, closed here. Raises CommandError."""
