"""Addresses of a cluster: a range 127.N.0.0/16 of the loopback, claimed so that clusters never collide.

The claim is an abstract Unix socket: one name space for all users of the machine, and the
kernel drops it with its holder, however that died. Pods get 127.N.128-255.x, Services
127.N.1-127.x, the API 127.N.0.1.
"""

from __future__ import annotations

import errno
import socket
from collections import deque

FIRST_RANGE, LAST_RANGE = 16, 250


class AddressError(Exception):
    """No range, no address or no such address; one line."""


class Pool:
    """Addresses handed out one by one; one that was given back is used again last of all."""

    def __init__(self, prefix: str, first: int, last: int) -> None:
        self._free = deque(f"{prefix}.{third}.{fourth}" for third in range(first, last + 1) for fourth in range(1, 255))
        self._all = frozenset(self._free)

    def take(self) -> str:
        """The next free address. Raises AddressError."""
        if not self._free:
            raise AddressError("the cluster's range of addresses is used up; delete pods or Services")
        return self._free.popleft()

    def claim(self, address: str) -> None:
        """Take this very address. Raises AddressError when it is foreign or in use."""
        try:
            self._free.remove(address)
        except ValueError:
            why = "provided IP is already allocated" if address in self._all else "the provided IP is not in the range"
            raise AddressError(f"{address}: {why}") from None

    def release(self, address: str) -> None:
        """Give an address back; unknown ones and free ones are ignored."""
        if address in self._all and address not in self._free:
            self._free.append(address)


class Addresses:
    """The claimed range; it is ours until this process ends or `close`."""

    def __init__(self) -> None:
        self._claim, self.number = _claim_range()
        self.prefix = f"127.{self.number}"
        self.api = f"{self.prefix}.0.1"
        self.pods = Pool(self.prefix, 128, 255)
        self.services = Pool(self.prefix, 1, 127)

    def close(self) -> None:
        """Let others have the range."""
        self._claim.close()


def _claim_range() -> tuple[socket.socket, int]:
    for number in range(FIRST_RANGE, LAST_RANGE + 1):
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0gameday-range-127.{number}")
        except OSError as problem:
            claim.close()
            if problem.errno != errno.EADDRINUSE:
                raise
        else:
            return claim, number
    raise AddressError(f"all ranges 127.{FIRST_RANGE}-{LAST_RANGE}.0.0/16 are in use: that many clusters are up here")
