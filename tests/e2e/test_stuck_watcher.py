"""A watcher that never reads slows nobody, fills no memory, and is cut."""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pytest

from gameday import cluster as embedded
from tests.contract.clusters import MERGE, Cluster
from tests.fuzz.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gameday.cluster import Running

ROUNDS, CHANGES, STUCK = 5, 250, 5
FILLING, CUTTING = 450, 3000
"""Of so many changes some are left over when the sockets of a watcher that never reads are full; so many get it cut."""
TEXT = "x" * 10_000


@pytest.fixture
def running() -> Iterator[Running]:
    """A cluster of our own: its memory is looked at."""
    started = embedded.start(f"stuck-{os.getpid()}", owned=True, timeout_s=60)
    yield started
    started.stop()


class Reader:
    """A watcher that reads, and notes when each change came."""

    def __init__(self, cluster: Cluster, path: str) -> None:
        self.seen: dict[str, float] = {}
        self._events = cluster.lines(path, {"watch": "true", "timeoutSeconds": 600}, timeout_s=600)
        next(self._events)  # it is there: the watch has begun
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for event in self._events:
            self.seen[event["object"]["metadata"]["resourceVersion"]] = time.monotonic()

    def when(self, version: str) -> float:
        """When the change was seen; it is waited for."""
        end = time.monotonic() + 60
        while version not in self.seen:
            assert time.monotonic() < end, f"change {version} was not seen"
            time.sleep(0.0005)
        return self.seen[version]


def change(cluster: Cluster, path: str, reader: Reader, count: int) -> tuple[float, float]:
    """Change an object so many times; the median seconds that a write took, and until the reader saw it."""
    writes, sights = [], []
    for number in range(count):
        began = time.monotonic()
        version = cluster.patch(path, {"metadata": {"annotations": {"number": str(number)}}}, MERGE)["metadata"][
            "resourceVersion"
        ]
        writes.append(time.monotonic() - began)
        sights.append(max(reader.when(version) - began, 0))
    return median(writes), median(sights)


def memory_mb(pid: int) -> float:
    """What a process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def stuck(running: Running, path: str) -> Wire:
    """A watcher that asks, and never reads."""
    wire = Wire(running.kubeconfig)
    wire.begin(f"GET {path}?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {wire.token}\r\n\r\n".encode())
    return wire


@pytest.mark.timeout(400)
def test_a_watcher_that_never_reads_slows_nobody(running: Running) -> None:
    """Writers and a good watcher take as long with five stuck ones; these are cut, and memory stays bounded.

    Each time is held against the one just before, alone: a machine gets busier, or less so.
    """
    cluster = Cluster.of(running.kubeconfig, embedded=True)
    maps = "/api/v1/namespaces/default/configmaps"
    cluster.create(maps, {"metadata": {"name": "busy"}, "data": {"text": TEXT}})
    reader = Reader(cluster, maps)
    change(cluster, f"{maps}/busy", reader, CHANGES // 5)  # so that nothing is done for the first time below
    pairs = []
    for _ in range(ROUNDS):
        alone = change(cluster, f"{maps}/busy", reader, CHANGES)
        with ExitStack() as closing:
            for _ in range(STUCK):
                closing.enter_context(stuck(running, maps))
            change(cluster, f"{maps}/busy", reader, FILLING)
            pairs.append((alone, change(cluster, f"{maps}/busy", reader, CHANGES)))
    before_mb = memory_mb(running.pid)
    wires = [stuck(running, maps) for _ in range(STUCK)]
    change(cluster, f"{maps}/busy", reader, CUTTING)
    grown_mb = memory_mb(running.pid) - before_mb
    assert all(wire.cut(timeout_s=30) for wire in wires)
    write, sight = (median(beside[n] / alone[n] for alone, beside in pairs) for n in (0, 1))
    assert write < 2, f"writes took {write:.1f} times as long"
    assert sight < 2, f"changes were seen {sight:.1f} times as late"
    assert grown_mb < 150
