"""Control loops go on, whatever their parts raise."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gameday.cluster import records
from gameday.cluster.reconcile import MAX_RETRY_S, RETRY_S, Key, Loop, own_key
from gameday.cluster.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def config(name: str) -> dict[str, Any]:
    """A small object."""
    return {"metadata": {"name": name, "namespace": "shop"}}


async def run(loop: Loop, until: asyncio.Event) -> None:
    """Let a loop run until an event, twenty seconds at most."""
    task = asyncio.ensure_future(loop.run())
    try:
        async with asyncio.timeout(20):
            await until.wait()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def test_a_key_function_that_raises_does_not_end_the_loop() -> None:
    """Nor the cluster with it: the objects after the bad one are reconciled, listed or seen."""
    store, done, seen = Store(), asyncio.Event(), []

    def keys(obj: dict[str, Any]) -> list[Key]:
        if obj["metadata"]["name"].startswith("bad"):
            raise KeyError("type")
        return own_key(obj)

    def reconcile(key: tuple[str, str]) -> None:
        seen.append(key[1])
        if key[1] == "first":
            store.create("configmaps", config("bad-too"))
            store.create("configmaps", config("last"))
        elif key[1] == "last":
            done.set()

    for name in ("bad", "first"):
        store.create("configmaps", config(name))
    asyncio.run(run(Loop(store, {"configmaps": keys}, reconcile, "test"), done))
    assert seen == ["first", "last"]


def test_what_fails_again_and_again_is_tried_ever_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second, then twice as late each time, up to half a minute; a success begins anew."""
    delays: list[float] = []
    outcomes = iter([*[KeyError("type")] * 9, None, KeyError("type")])

    def reconcile(_: Key) -> None:
        if (outcome := next(outcomes)) is not None:
            raise outcome

    loop = Loop(Store(), {}, reconcile, "test")
    monkeypatch.setattr(loop, "mark_later", lambda _, delay_s: delays.append(delay_s))
    attempt: Callable[[Key], None] = loop._attempt
    for _ in range(11):
        attempt("key")
    assert delays == [RETRY_S, 1, 2, 4, 8, 16, MAX_RETRY_S, MAX_RETRY_S, MAX_RETRY_S, RETRY_S]


def test_a_condition_that_says_nothing_can_be_read_and_set() -> None:
    """Clients write statuses too."""
    pod: dict[str, Any] = {"status": {"conditions": [{}, {"type": "Ready"}]}}
    assert not records.is_ready(pod)
    found = records.condition(pod, "Ready")
    assert found is not None
    assert records.instant(found["lastTransitionTime"]) < 0
    records.set_condition(pod["status"]["conditions"], "Ready", "True")
    assert records.is_ready(pod)
