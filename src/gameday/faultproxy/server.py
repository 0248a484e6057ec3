"""The proxy as a whole: its settings, its listeners, and how it leaves."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gameday.faultproxy.control import Control
from gameday.faultproxy.force import Faults
from gameday.faultproxy.relay import Connection, Totals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from gameday.faultproxy.faults import Fault

LINGER_S = 1.0
"""Seconds that it goes on accepting after SIGTERM: Service traffic turns away only that much later."""

DRAIN_S = 1.0
"""Seconds that exchanges under way get after that."""


class SettingsError(ValueError):
    """An environment variable is missing or makes no sense; the message names it."""


@dataclass(frozen=True)
class Settings:
    """What the environment says. `routes` maps the port to listen on to the upstream's port."""

    address: str
    routes: dict[int, int]
    upstream: str
    control_port: int
    token: str

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings. Raises SettingsError."""
        missing = [n for n in ("ROUTES", "UPSTREAM_HOST", "CONTROL_PORT", "CONTROL_TOKEN") if not environment.get(n)]
        if missing:
            raise SettingsError(f"{', '.join(missing)} not set; see the docstring of gameday.faultproxy")
        try:
            pairs = [pair.split("=") for pair in environment["ROUTES"].split(",")]
            routes = {int(listen): int(to) for listen, to in pairs}
            control_port = int(environment["CONTROL_PORT"])
        except ValueError as problem:
            raise SettingsError(
                f"ROUTES must be like 8080=8080,1025=1025 and CONTROL_PORT a number: {problem}"
            ) from None
        # Every interface, for a port-forward comes by the pod's own loopback; but where pods have an address on the
        # machine's loopback, that alone: only there they share a network.
        address = environment.get("POD_IP", "")
        if not address.startswith("127."):
            address = "0.0.0.0"  # noqa: S104
        return cls(address, routes, environment["UPSTREAM_HOST"], control_port, environment["CONTROL_TOKEN"])


class Proxy:
    """Listens on all routes and on the control port, until told to leave."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.faults = Faults(self._begin)
        self.totals = Totals()
        self._control = Control(self.faults, self.totals, settings.token)
        self._open: dict[Connection, asyncio.Task[None] | None] = {}

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then leave in order."""
        leave = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, leave.set)
        address = self._settings.address
        servers = [
            await asyncio.start_server(self._handler(port), address, listen)
            for listen, port in self._settings.routes.items()
        ]
        servers.append(await asyncio.start_server(self._control.serve, address, self._settings.control_port))
        self._control.ready = True
        print(f"fault proxy: {address} {self._settings.routes} -> {self._settings.upstream}", flush=True)  # noqa: T201
        await leave.wait()
        self._control.ready = False
        await self._leave(servers)

    def _begin(self, fault: Fault) -> None:
        """Let a new fault loose on the connections that are open already."""
        for connection in list(self._open):
            connection.meet(fault)

    def _handler(self, port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = Connection(self.faults, self.totals, reader, writer)
            self._open[connection] = asyncio.current_task()
            try:
                await connection.run(self._settings.upstream, port)
            except asyncio.CancelledError:
                connection.abort()
            finally:
                del self._open[connection]

        return handle

    async def _leave(self, servers: list[asyncio.Server]) -> None:
        """Let clients go to the true endpoints: idle connections first, exchanges when answered, the rest by reset."""
        if self.faults.current is not None:
            self.faults.clear(self.faults.current.id)
        await self._close_idle(LINGER_S, keep_accepting=True)
        for server in servers:
            server.close()
        await self._close_idle(DRAIN_S, keep_accepting=False)
        left = [task for task in self._open.values() if task is not None]
        for connection in list(self._open):
            connection.abort()
        await asyncio.wait(left, timeout=0.5) if left else None

    async def _close_idle(self, for_s: float, *, keep_accepting: bool) -> None:
        loop = asyncio.get_running_loop()
        ends = loop.time() + for_s
        while loop.time() < ends and (keep_accepting or self._open):
            for connection in [c for c in self._open if c.idle()]:
                connection.close()
            await asyncio.sleep(0.1)
