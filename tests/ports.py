"""Ports for programs that are told theirs before they start."""

from __future__ import annotations

import socket
from contextlib import ExitStack


def free_ports(host: str, count: int) -> list[int]:
    """Different ports on which nothing listens; all are held until the last is chosen, or two might be the same."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.create_server((host, 0))) for _ in range(count)]
        return [int(probe.getsockname()[1]) for probe in probes]
