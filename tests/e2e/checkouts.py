"""Shoppers who want to buy, whatever happens, and somebody who kills the shop's pods meanwhile; both by a seed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.e2e.processes import processes_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: A shopper who has not bought by then goes away.
PATIENCE_S = 30.0
PAUSE_S = 0.25
#: A container that dies again and again is started later each time, on every Kubernetes: 0, 10, 20 s.
DATABASE_KILLS = 3
APPS = ["edge", "web", "catalog", "cart", "orders", "registry", "members", "mailer"]


@dataclass
class Purchase:
    """What a shopper sent, and what they saw: every order that was confirmed to them."""

    key: str
    email: str
    confirmed: set[str] = field(default_factory=set)
    attempts: int = 0


async def shop(edge: str, *, seed: int, checkouts: int, over_s: float) -> list[Purchase]:
    """Let so many shoppers come, at random times; each tries again, with the same key, until it is served or weary."""
    dice = random.Random(seed)
    times = sorted(dice.uniform(0, over_s) for _ in range(checkouts))
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=5),
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        started = time.monotonic()
        visits = [_visit(session, edge, started + at, random.Random(dice.random())) for at in times]
        return list(await asyncio.gather(*visits))


async def _visit(session: aiohttp.ClientSession, edge: str, due: float, dice: random.Random) -> Purchase:
    await asyncio.sleep(max(0.0, due - time.monotonic()))
    key = str(uuid.uuid4())
    purchase = Purchase(key, f"buyer-{key}@shop.example")
    until = time.monotonic() + PATIENCE_S
    item = {"product": f"p{dice.randint(1, 40):03d}", "quantity": dice.randint(1, 3)}
    added = await _insist(session, f"{edge}/cart/items", item, f"cart-{key}", until)
    if not added:
        return purchase
    wanted = {"cart": added["cart"], "email": purchase.email}
    # Some click twice, as people do.
    clicks = [
        _insist(session, f"{edge}/checkout", wanted, key, until, purchase) for _ in range(1 + (dice.random() < 0.2))
    ]
    purchase.confirmed |= {order["order"] for order in await asyncio.gather(*clicks) if order}
    return purchase


async def _insist(
    session: aiohttp.ClientSession,
    url: str,
    body: dict[str, Any],
    key: str,
    until: float,
    purchase: Purchase | None = None,
) -> dict[str, Any] | None:
    """Post until it is accepted; None when patience ends. A refusal (4xx) would be the shop's mistake: it is raised."""
    headers = {"Accept": "application/json", "Idempotency-Key": key}
    while time.monotonic() < until:
        if purchase is not None:
            purchase.attempts += 1
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with session.post(url, json=body, headers=headers) as answer:
                if answer.status < 300:
                    return dict(await answer.json())
                assert answer.status >= 500, f"{url} answered {answer.status}: {await answer.text()}"
        await asyncio.sleep(PAUSE_S)
    return None


@dataclass
class Killer:
    """Kills pods by SIGKILL, all processes of each; `kubectl` runs it in the shop's namespace; `state` of the cluster.

    Pods are deleted as well, without grace, so that new ones take their place. Of the database the container alone is
    killed: its data lives as long as its pod (see k8s/base/db). The postbox stays: it is where mails are counted.
    """

    kubectl: Callable[..., str]
    state: Path
    dice: random.Random
    kills: dict[str, int] = field(default_factory=dict)
    problem: BaseException | None = None
    """Why it could not go on killing."""

    def work(self, over_s: float, every_s: float) -> None:
        """Kill for so long, so often; each app once before any is killed again. For a thread: what fails is kept."""
        try:
            self._work(over_s, every_s)
        except BaseException as problem:  # noqa: BLE001  # whoever waits for the thread raises it
            self.problem = problem

    def _work(self, over_s: float, every_s: float) -> None:
        began, bag = time.monotonic(), list[str]()
        database_at = sorted(self.dice.uniform(0.1, 0.8) * over_s for _ in range(DATABASE_KILLS))
        while (passed := time.monotonic() - began) < over_s:
            if database_at and passed > database_at[0]:
                database_at.pop(0)
                self._kill("db")
            if not bag:
                bag = self.dice.sample(APPS, len(APPS))
            self._kill(bag.pop())
            time.sleep(self.dice.uniform(0.5, 1.5) * every_s)

    def _kill(self, app: str) -> None:
        listed = self.kubectl(
            "get",
            "pods",
            "-l",
            f"app={app}",
            "-o",
            "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{'\\n'}{end}",
        )
        pods = [line.split() for line in listed.splitlines()]
        if not pods:
            return
        name, uid = self.dice.choice(pods)
        for folder in self.state.glob(f"**/pods-*/{uid}"):
            for pid in processes_of(folder):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if app != "db":
            with contextlib.suppress(AssertionError, subprocess.SubprocessError):  # gone by itself
                self.kubectl("delete", "pod", name, "--grace-period=0", "--force", "--wait=false")
        self.kills[app] = self.kills.get(app, 0) + 1
