"""Run the fault proxy in this process until SIGTERM."""

from __future__ import annotations

import asyncio
import os
import resource
import sys

from gameday.faultproxy.server import Proxy, Settings, SettingsError


def main() -> int:
    """Serve as the environment says. Returns the exit status: 0, or 2 when the settings or a port are unusable."""
    _allow_many_connections()
    try:
        asyncio.run(Proxy(Settings.read(os.environ)).run())
    except (SettingsError, OSError) as problem:
        print(f"fault proxy: {problem}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _allow_many_connections() -> None:
    """As many as the system lets this process have: those that a blackhole holds must not keep out who would end it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(main())
