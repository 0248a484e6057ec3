"""One proxied TCP connection: bytes, back-pressure, half-closes and resets pass through."""

from __future__ import annotations

import asyncio
import socket
import struct

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def reset(sock: socket.socket) -> None:
    """Close a connection with a reset, so that its client sees a failure and no clean end."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    sock.close()


class Side(asyncio.Protocol):
    """One of the two ends; what it receives is written to the other."""

    def __init__(self, other: Side | None = None) -> None:
        self.transport: asyncio.Transport
        self._other = other
        self._ended = False
        self._lost = False
        if other:
            other.pair(self)

    @property
    def lost(self) -> bool:
        """Whether this end's connection is gone."""
        return self._lost

    @property
    def ended(self) -> bool:
        """Whether this end has said that it sends no more."""
        return self._ended

    def pair(self, other: Side) -> None:
        """Name the other end."""
        self._other = other

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; with the second end in place, bytes may flow."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self._other is None:
            transport.pause_reading()  # until there is somewhere to write to
        else:
            self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Pass bytes on."""
        if self._other and not self._other.lost:
            self._other.transport.write(data)

    def eof_received(self) -> bool:
        """Pass a half-close on; when both ends have sent theirs, close."""
        self._ended = True
        if self._other is None or self._other.ended:
            return False
        if self._other.transport.can_write_eof() and not self._other.transport.is_closing():
            self._other.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        """This end is full: stop reading at the other."""
        if self._other and not self._other.lost:
            self._other.transport.pause_reading()

    def resume_writing(self) -> None:
        """This end has room again."""
        if self._other and not self._other.lost and not self._other.transport.is_closing():
            self._other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """A reset on one end is a reset on the other; a clean end closes cleanly."""
        self._lost = True
        if self._other is None or self._other.lost:
            return
        if exc:
            sock = self._other.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._other.transport.abort()
        else:
            self._other.transport.close()


async def join(client: socket.socket, host: str, port: int) -> None:
    """Connect an accepted client to a backend; a backend that cannot be reached resets the client."""
    loop = asyncio.get_running_loop()
    try:
        _, backend = await loop.create_connection(Side, host, port)
    except OSError:
        reset(client)
        return
    if backend.lost:
        reset(client)
        return
    try:
        await loop.connect_accepted_socket(lambda: Side(backend), client)
    except OSError:
        client.close()
        backend.transport.abort()
