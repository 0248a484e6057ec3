"""The engine's pure parts: addresses, images, expansion, mount paths, the clock of probes, log files."""

from __future__ import annotations

import asyncio
import selectors
import sys
from typing import TYPE_CHECKING

import pytest

from gameday.cluster.addresses import AddressError, Addresses, Pool
from gameday.cluster.controllers.rollout import bounds
from gameday.cluster.images import UnknownImageError, resolve
from gameday.cluster.kubelet.environment import Mounts, expand
from gameday.cluster.kubelet.output import Logs, Output
from gameday.cluster.kubelet.probes import Clock, Target

if TYPE_CHECKING:
    from pathlib import Path


def test_two_clusters_never_share_a_range() -> None:
    """Each claim gives another range, until it is given back."""
    first, second = Addresses(), Addresses()
    assert first.number != second.number
    first.close()
    third = Addresses()
    assert third.number <= first.number
    second.close()
    third.close()


def test_a_pool_hands_out_an_address_once() -> None:
    """Taken ones are refused, foreign ones too; one that was given back comes last."""
    pool = Pool("127.9", 1, 1)
    first = pool.take()
    with pytest.raises(AddressError, match="already allocated"):
        pool.claim(first)
    with pytest.raises(AddressError, match="not in the range"):
        pool.claim("10.0.0.1")
    pool.release(first)
    assert pool.take() != first
    pool.claim(first)


@pytest.mark.parametrize(
    "image", ["envoyproxy/envoy:v1.40.0", "docker.io/envoyproxy/envoy", "envoyproxy/envoy@sha256:0"]
)
def test_an_image_is_known_by_its_name(image: str) -> None:
    """Registry, tag and digest do not matter."""
    assert resolve(image, [], ["-c", "x.yaml"]).argv[1:] == [
        "-c",
        "x.yaml",
        "--disable-hot-restart",
        "--concurrency",
        "1",
    ]


def test_python_is_this_python() -> None:
    """The storefront's image has the interpreter that runs us."""
    assert resolve("gameday/storefront:dev", ["python", "-m", "x"], ["y"]).argv == [sys.executable, "-m", "x", "y"]


def test_an_unknown_image_names_the_known_ones() -> None:
    """The message helps."""
    with pytest.raises(UnknownImageError, match="envoyproxy/envoy, gameday/storefront, postgres"):
        resolve("busybox", [], [])


def test_variables_expand_as_kubernetes_does() -> None:
    """Known names are replaced, unknown ones stay, a doubled dollar escapes."""
    assert expand("$(A) $(B) $$(A) $A", {"A": "1"}) == "1 $(B) $(A) $A"


def test_mount_paths_are_rewritten_as_whole_paths() -> None:
    """Only the path itself and what is below it; the longest mount wins."""
    mounts = Mounts({"/etc/edge": "/real/a", "/etc": "/real/b"})
    assert mounts.rewrite("-c=/etc/edge/x.yaml") == "-c=/real/a/x.yaml"
    assert mounts.rewrite("/etc/hosts:/etc/edge") == "/real/b/hosts:/real/a"
    assert mounts.rewrite("/etcetera /my/etc http://h/etc") == "/etcetera /my/etc http://h/etc"


@pytest.mark.parametrize(
    ("rolling", "expected"),
    [
        ({}, (1, 0)),
        ({"maxSurge": 0, "maxUnavailable": 0}, (0, 1)),
        ({"maxSurge": "50%", "maxUnavailable": "50%"}, (2, 1)),
    ],
)
def test_rollout_bounds_round_as_kubernetes_does(rolling: dict[str, int], expected: tuple[int, int]) -> None:
    """Surge is rounded up, unavailable down, and never are both none."""
    assert bounds({"spec": {"replicas": 3, "strategy": {"rollingUpdate": rolling}}}) == expected


class Hurry(selectors.DefaultSelector):
    """A selector that waits for nothing: so many seconds are over at once."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready."""
        self.now_s += timeout or 0
        return super().select(0)


class Leap(asyncio.SelectorEventLoop):
    """A loop whose clock leaps to the next timer when there is nothing else to do, however busy the machine."""

    def __init__(self) -> None:
        self._hurry = Hurry()
        super().__init__(self._hurry)

    def time(self) -> float:
        """The time of its timers."""
        return self._hurry.now_s


def test_a_probe_keeps_its_period_and_counts_its_failures() -> None:
    """Failures come at multiples of the period; extra checks before the first success are not counted."""

    async def story() -> None:
        calls = 0

        async def execute(_argv: list[str], _timeout_s: float | None) -> str | None:
            nonlocal calls
            calls += 1
            return "no"

        loop = asyncio.get_running_loop()
        failures: list[float] = []
        enough = asyncio.Event()

        def failed(_why: str, over: bool) -> None:  # noqa: FBT001
            failures.append(loop.time())
            if over:
                enough.set()

        probe = {"exec": {"command": ["x"]}, "periodSeconds": 0.4, "failureThreshold": 3}
        clock = Clock(probe, Target("127.0.0.1", {}, execute), burst=True)
        task = asyncio.ensure_future(clock.run(lambda: None, failed))
        async with asyncio.timeout(20):
            await enough.wait()
        task.cancel()
        assert failures == pytest.approx([0, 0.4, 0.8])
        assert calls > 3

    with asyncio.Runner(loop_factory=Leap) as runner:
        runner.run(story())


def test_output_becomes_timed_lines(tmp_path: Path) -> None:
    """Each line has its time; the last one needs no end."""

    async def story() -> None:
        import os

        logs = Logs(tmp_path)
        output = Output(logs.path("shop", "web", "uid", "main", 0))
        os.write(output.writer, b"one\ntwo")
        os.close(output.writer)
        output.drain()
        found = logs.read("shop", "web", "uid", "main", previous=False)
        assert found
        lines = [line.split(" ") for line in found.read_text().splitlines()]
        assert [text for _, text in lines] == ["one", "two"]
        assert all(len(stamp) == len("2026-01-01T00:00:00.000000000Z") for stamp, _ in lines)
        assert logs.read("shop", "web", "uid", "main", previous=True) is None

    asyncio.run(story())
