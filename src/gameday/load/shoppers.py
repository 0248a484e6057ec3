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
    from collections.abc import Coroutine

    from gameday.load.samples import Recorder

__all__ = ["Plan", "Shoppers", "Surge"]

IN_TIME_S = 0.1
"""A visit that begins later than so long after it was due is not in time."""


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


@dataclass
class Surge:
    """A crowd on top of the usual one, and how it goes: visits that were due so far, and those of them let in in time.

    It comes until its plan's `max_duration_s` is over or `stop` is set; then `over` is.
    """

    plan: Plan
    due: int = 0
    in_time: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def kept(self) -> float:
        """The share of its visits that were let in in time; 1 while none was due."""
        return self.in_time / self.due if self.due else 1.0


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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Client | None = None
        self._opened = threading.Event()
        self._under_way: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._run, name="gameday-shoppers", daemon=True)

    def start(self) -> None:
        """Open the doors, and wait until they are. Raises RuntimeError when they were open before."""
        self._sent_until = time.time()
        self._thread.start()
        self._opened.wait()

    def surge(self, surge: Surge) -> None:
        """Let another crowd in, beside the usual one, and go on. Raises RuntimeError unless shoppers are coming."""
        if self._loop is None or not self.running:
            raise RuntimeError("no shoppers are coming, so there are none to become more")
        began = time.time()
        self._loop.call_soon_threadsafe(lambda: self._keep(self._play_surge(surge, began)))

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
        finally:
            self._opened.set()

    async def _play(self) -> None:
        self._client = Client(self.base_url, self.recorder)
        self._loop = asyncio.get_running_loop()
        self._opened.set()
        started = time.time()
        try:
            for arrival in arrivals(self.plan.seed, self.plan.rate_per_s, self.plan.mix, self.plan.max_duration_s):
                due = started + arrival.at_s
                await self._wait_until(due)
                if self._stop.is_set():
                    break
                self._let_in(arrival, due)
                await asyncio.sleep(0)  # let it count as begun before the clock is moved on
                self._sent_until = due
            if not self._stop.is_set():
                await asyncio.gather(*self._under_way)  # the schedule is over: whoever is inside may finish
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)
            await self._client.close()

    async def _play_surge(self, surge: Surge, started: float) -> None:
        plan = surge.plan
        try:
            for arrival in arrivals(plan.seed, plan.rate_per_s, plan.mix, plan.max_duration_s):
                due = started + arrival.at_s
                await asyncio.sleep(max(0.0, due - time.time()))
                if surge.stop.is_set():
                    break
                surge.due += 1
                surge.in_time += self._let_in(arrival, due)
        finally:
            surge.over.set()

    def _let_in(self, arrival: Arrival, due: float) -> bool:
        """Begin a visit; whether that is in time. One that is very late is a stall: nobody may be judged by it."""
        late_s = time.time() - due
        if late_s > MAX_GAP_S:
            self.heartbeat.note(due, due + late_s, "shoppers")
        self._keep(self._visit(arrival, due))
        return late_s <= IN_TIME_S

    def _keep(self, visit: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(visit)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _wait_until(self, due: float) -> None:
        while not self._stop.is_set() and (wait_s := due - time.time()) > 0:
            self._sent_until = time.time()
            await asyncio.sleep(min(wait_s, 0.1))

    async def _visit(self, arrival: Arrival, due: float) -> None:
        assert self._client is not None
        with contextlib.suppress(asyncio.CancelledError):
            try:
                await visit_shop(self._client, self.recorder, self.carts, self.plan.stock, arrival, due)
            except Exception as problem:  # noqa: BLE001  # one bad visit must not end the others
                self._fail(problem)

    def _fail(self, problem: Exception) -> None:
        self.problem = f"the shoppers broke: {type(problem).__name__}: {problem}"
        evidence.record("note", text=self.problem)
