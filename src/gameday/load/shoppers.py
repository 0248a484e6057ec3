"""The crowd: plays a schedule against one edge, from a thread of its own, until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gameday import evidence
from gameday.load.behaviours import CartBook, Stock, visit_shop
from gameday.load.client import TIMEOUT_S, Client
from gameday.load.schedule import DEFAULT_MIX, Arrival, arrivals
from gameday.load.stalls import MAX_GAP_S, Heartbeat

if TYPE_CHECKING:
    from gameday.load.samples import Recorder

__all__ = ["Plan", "Shoppers"]


@dataclass(frozen=True)
class Plan:
    """How many shoppers come, for what, and for how long at the most.

    `rate_per_s` counts visits; a visit to buy is three requests. The crowd goes home by itself
    after `max_duration_s`, whatever becomes of the experiment.
    """

    seed: int = 1
    rate_per_s: float = 15.0
    mix: dict[str, float] = field(default_factory=lambda: dict(DEFAULT_MIX))
    max_duration_s: float = 600.0
    carts: int = 6
    stock: Stock = field(default_factory=Stock)


class Shoppers:
    """Start, look at `recorder` and `carts` at any time, `settle` a window, stop."""

    def __init__(self, base_url: str, plan: Plan, recorder: Recorder, heartbeat: Heartbeat) -> None:
        """Aim at `base_url`, the edge of one storefront, without a trailing slash."""
        self.base_url, self.plan = base_url, plan
        self.recorder, self.heartbeat = recorder, heartbeat
        self.carts = CartBook(plan.carts)
        self.problem: str | None = None
        self._stop = threading.Event()
        self._sent_until = 0.0
        self._thread = threading.Thread(target=self._run, name="gameday-shoppers", daemon=True)

    def start(self) -> None:
        """Open the doors. Raises RuntimeError when they were open before."""
        self._sent_until = time.time()
        self._thread.start()

    def stop(self) -> None:
        """Send nobody any more; what is under way is cut off and counts as failed. Idempotent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=TIMEOUT_S + 1)
        self.recorder.close()

    @property
    def running(self) -> bool:
        """Whether shoppers are still coming."""
        return self._thread.is_alive() and not self._stop.is_set()

    def known_until(self) -> float:
        """All requests due before this time are over: later samples are not a fair picture yet."""
        return min([self._sent_until, *self.recorder.in_flight()[:1]])

    def settle(self, until: float, timeout_s: float = TIMEOUT_S + 0.5) -> bool:
        """Wait until every request due before `until` is over; False when that takes more than `timeout_s`."""
        give_up = time.monotonic() + timeout_s
        while self.known_until() < until:
            if time.monotonic() > give_up or not self._thread.is_alive():
                return False
            time.sleep(0.02)
        return True

    def _run(self) -> None:
        try:
            asyncio.run(self._play())
        except Exception as problem:  # noqa: BLE001  # a guarded thread: the verdict must hear of it
            self._fail(problem)

    async def _play(self) -> None:
        client = Client(self.base_url, self.recorder)
        started = time.time()
        under_way: set[asyncio.Task[Any]] = set()
        try:
            for arrival in arrivals(self.plan.seed, self.plan.rate_per_s, self.plan.mix, self.plan.max_duration_s):
                due = started + arrival.at_s
                await self._wait_until(due)
                if self._stop.is_set():
                    break
                late_s = time.time() - due
                if late_s > MAX_GAP_S:
                    self.heartbeat.note(due, due + late_s, "shoppers")
                task = asyncio.create_task(self._visit(client, arrival, due))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                await asyncio.sleep(0)  # let it count as begun before the clock is moved on
                self._sent_until = due
            if not self._stop.is_set():
                await asyncio.gather(*under_way)  # the schedule is over: whoever is inside may finish
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            await client.close()

    async def _wait_until(self, due: float) -> None:
        while not self._stop.is_set() and (wait_s := due - time.time()) > 0:
            self._sent_until = time.time()
            await asyncio.sleep(min(wait_s, 0.1))

    async def _visit(self, client: Client, arrival: Arrival, due: float) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            try:
                await visit_shop(client, self.recorder, self.carts, self.plan.stock, arrival, due)
            except Exception as problem:  # noqa: BLE001  # one bad visit must not end the others
                self._fail(problem)

    def _fail(self, problem: Exception) -> None:
        self.problem = f"the shoppers broke: {type(problem).__name__}: {problem}"
        evidence.record("note", text=self.problem)
