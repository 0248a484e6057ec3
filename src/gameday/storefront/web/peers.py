"""Calls to the other services: a deadline for the whole, and a few retries inside it, from a bounded budget.

Every call is safe to repeat: reads are, and writes carry an idempotency key.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from gameday.storefront.logs import log, request_id
from gameday.storefront.problems import Problem, Unavailable
from gameday.storefront.settings import Address

REQUIRED_S = 2.0
ATTEMPTS = 4
FIRST_PAUSE_S = 0.03
CONNECT_S = 0.06
WORTH_ANOTHER_TRY = frozenset({502, 503})


@dataclass
class RetryBudget:
    """Retries are paid from what calls earn, so that an outage is not answered with a storm."""

    tokens: float = 20.0
    most: float = 20.0
    earned_by_a_call: float = 0.5

    def earn(self) -> None:
        """Put in what one call earns."""
        self.tokens = min(self.most, self.tokens + self.earned_by_a_call)

    def spend(self) -> bool:
        """Take one retry out, if there is one."""
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(frozen=True)
class Call:
    """One request to another service; `deadline_s` None waits as long as it takes."""

    service: str
    path: str
    method: str = "GET"
    body: dict[str, Any] | None = None
    key: str | None = None
    deadline_s: float | None = REQUIRED_S


@dataclass(frozen=True)
class Answer:
    """What a service said: a status below 300 and its JSON."""

    status: int
    body: Any


class Peers:
    """The services behind the pages."""

    def __init__(
        self, addresses: dict[str, Address], *, retries: bool, leaving: Callable[[], bool] = lambda: False
    ) -> None:
        """`leaving`: whether this service is about to end. It then asks nobody again who did not even answer the door.

        A whole shop may be going, and visitors would wait for the error page of its last moments.
        """
        self._addresses = addresses
        self._leaving = leaving
        self._attempts = ATTEMPTS if retries else 1
        self._budgets = {service: RetryBudget() for service in addresses}
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Open the client session."""
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=15)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))

    async def close(self) -> None:
        """Close it."""
        if self._session is not None:
            await self._session.close()

    async def call(self, call: Call) -> Answer:
        """What `call` is answered with; raises Problem for a 4xx and Unavailable for the rest."""
        budget = self._budgets[call.service]
        budget.earn()
        try:
            async with asyncio.timeout(call.deadline_s):
                return await self._try(call, budget)
        except TimeoutError:
            log("deadline", peer=call.service, path=call.path, deadline_s=call.deadline_s)
            raise Unavailable(call.service) from None

    async def _try(self, call: Call, budget: RetryBudget) -> Answer:
        for attempt in range(1, self._attempts + 1):
            try:
                status, body = await self._once(call)
                trouble, silent = f"status {status}", False
            except aiohttp.ClientError as error:
                status, body, trouble = 502, None, f"{type(error).__name__}: {error}"
                silent = isinstance(error, aiohttp.ConnectionTimeoutError)
            if status not in WORTH_ANOTHER_TRY:
                return _answer(call, status, body)
            log("peer-failed", peer=call.service, path=call.path, attempt=attempt, trouble=trouble)
            if attempt == self._attempts or (silent and self._leaving()) or not budget.spend():
                break
            pause_s = FIRST_PAUSE_S * 2.5 ** (attempt - 1)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - spreads load, guards nothing
        raise Unavailable(call.service)

    async def _once(self, call: Call) -> tuple[int, Any]:
        assert self._session is not None, "open() comes first"
        headers = {"X-Request-Id": request_id.get()}
        if call.key is not None:
            headers["Idempotency-Key"] = call.key
        url = self._addresses[call.service].url + call.path
        patience = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S if call.deadline_s else None)
        async with self._session.request(
            call.method, url, json=call.body, headers=headers, timeout=patience, allow_redirects=False
        ) as response:
            is_json = response.content_type.endswith("json")
            return response.status, await response.json(content_type=None) if is_json else None


def _answer(call: Call, status: int, body: Any) -> Answer:
    if status < 300 and body is not None:  # noqa: PLR2004 - HTTP's classes
        return Answer(status, body)
    if 400 <= status < 500:  # noqa: PLR2004
        raise Problem(status, str((body or {}).get("detail", "not accepted")))
    raise Unavailable(call.service)


PEERS = web.AppKey("peers", Peers)
