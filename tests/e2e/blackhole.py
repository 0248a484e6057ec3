"""A proxy on the loopback that takes every connection, says nothing, and remembers who came."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


class BlackHole:
    """Put `environment` into a process: whatever it sends by way of a proxy ends here and in `caught`."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.caught: list[str] = []
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._take, daemon=True)

    @property
    def environment(self) -> dict[str, str]:
        """Every variable by which proxies are named, and none that excepts anybody."""
        proxy = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        return {**dict.fromkeys(names, proxy), "no_proxy": "", "NO_PROXY": ""}

    def _take(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._held.append(client)
            client.settimeout(0.5)
            try:
                self.caught.append(client.recv(200).decode("latin-1").partition("\r\n")[0])
            except OSError:
                self.caught.append("(said nothing)")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread, as closing would not
        self._listener.close()
        self._thread.join(5)
        for client in self._held:
            client.close()
