"""Fixtures: one storefront for the whole session."""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import aiohttp
import pytest

from .stage import Stage, Visitor

T = TypeVar("T")
Play = Callable[[Callable[[Visitor], Awaitable[T]]], T]


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """Every service, running."""
    # Not pytest's own temporary folder: that is closed to the user whom the database runs as, a case tested apart.
    with tempfile.TemporaryDirectory(prefix="gameday-test-") as folder:
        Path(folder).chmod(0o755)
        made = Stage(Path(folder), f"127.201.{os.getpid() % 250 + 1}")
        try:
            made.raise_curtain()
            yield made
        finally:
            made.close()


def play(scene: Callable[[Visitor], Awaitable[T]]) -> T:
    """Run a scene with a visitor of its own."""

    async def _run() -> T:
        timeout = aiohttp.ClientTimeout(total=20)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            return await scene(Visitor(session))

    return asyncio.run(_run())
