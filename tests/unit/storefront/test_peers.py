"""How often web asks a peer that does not even open the door."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import TYPE_CHECKING

import pytest

from gameday.storefront.problems import Unavailable
from gameday.storefront.settings import Address
from gameday.storefront.web.peers import ATTEMPTS, Call, Peers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def silent() -> Iterator[Address]:
    """An address that answers no connection, as that of a Service without endpoints: its queue is full."""
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield Address(*listener.getsockname())


@pytest.mark.parametrize(("leaving", "asked"), [(False, ATTEMPTS), (True, 1)])
def test_whoever_is_about_to_end_asks_silence_once(
    silent: Address,
    *,
    leaving: bool,
    asked: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Else as often as it asks anybody: a pod that was killed is silent, too, and the next one answers."""

    async def call() -> None:
        peers = Peers({"catalog": silent}, retries=True, leaving=lambda: leaving)
        await peers.open()
        try:
            await peers.call(Call("catalog", "/products", deadline_s=60))
        finally:
            await peers.close()

    with pytest.raises(Unavailable):
        asyncio.run(call())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["attempt"] for one in lines if one.get("event") == "peer-failed"] == list(range(1, asked + 1))
