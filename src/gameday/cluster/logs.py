"""Where the API finds the output of containers: the kubelet writes it, the API serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path


class LogSource(Protocol):
    """The kubelet's logs, as files of lines `<RFC 3339 time with nanoseconds, UTC> <text>`."""

    def read(self, namespace: str, pod: str, container: str, *, previous: bool) -> Path | None:
        """The file of the running (or last) instance, or of the one before it; None when there is none.

        The file only grows while its container lives. It may be renamed or unlinked
        afterwards: whoever follows it holds it open.
        """
