"""Fixtures: one storefront for the whole session."""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import aiohttp
import pytest

from tests.chromium import Chromium, why_not

from .places import Place, places
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


@pytest.fixture(scope="module")
def only_the_seed(stage: Stage) -> None:
    """Customers and registries that other tests made are forgotten, for those that count on the seed's."""
    theirs = "id !~ '^r[0-9]{4}$'"
    stage.query(f"delete from gifts where registry_id in (select id from registries where {theirs})")
    stage.query(f"delete from registries where {theirs}")
    stage.query("delete from customers where id > 1000000")
    stage.query("delete from members where email not in (select email from customers)")


@pytest.fixture(scope="module")
def mailer_away(stage: Stage, only_the_seed: None) -> Iterator[None]:
    """The usual mailer is away: each test brings one of its own."""
    stage.send_mailer_away()
    yield
    stage.processes["mailer"] = stage.start("mailer")


def play(scene: Callable[[Visitor], Awaitable[T]]) -> T:
    """Run a scene with a visitor of its own."""

    async def _run() -> T:
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            return await scene(Visitor(session))

    return asyncio.run(_run())


@pytest.fixture(scope="session")
def shop_pages(stage: Stage) -> Iterator[dict[str, Place]]:
    """Every page of the shop, by name."""
    with stage.start("web", stage.spare_host(), CATALOG_SERVICE_HOST=stage.spare_host()) as tired:
        yield places(stage, tired.url)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """A real browser; where none is, its tests are skipped, unless GAMEDAY_TEST_BROWSER=required."""
    if why_not():
        (pytest.fail if os.environ.get("GAMEDAY_TEST_BROWSER") == "required" else pytest.skip)(why_not())
    made = Chromium()
    try:
        yield made
    finally:
        made.close()
