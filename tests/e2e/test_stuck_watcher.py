"""A watcher that never reads slows nobody, fills no memory, and is cut."""

from __future__ import annotations

import os
import threading
import time
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

ROUNDS, CHANGES, STUCK = 6, 500, 5
TEXT = "x" * 10_000


@pytest.fixture
def running() -> Iterator[Running]:
    """A cluster of our own: its memory is looked at."""
    started = embedded.start(f"stuck-{os.getpid()}", owned=True)
    yield started
    started.stop()


class Reader:
    """A watcher that reads, and notes when each change came."""

    def __init__(self, cluster: Cluster, path: str) -> None:
        self.seen: dict[str, float] = {}
        self._events = cluster.lines(path, {"watch": "true", "timeoutSeconds": 100}, timeout_s=100)
        next(self._events)  # it is there: the watch has begun
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for event in self._events:
            self.seen[event["object"]["metadata"]["resourceVersion"]] = time.monotonic()

    def when(self, version: str) -> float:
        """When the change was seen; it is waited for."""
        end = time.monotonic() + 10
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


def test_a_watcher_that_never_reads_slows_nobody(running: Running) -> None:
    """Writers and a good watcher take as long with five stuck ones; these are cut, and memory stays bounded."""
    cluster = Cluster.of(running.kubeconfig, embedded=True)
    maps = "/api/v1/namespaces/default/configmaps"
    cluster.create(maps, {"metadata": {"name": "busy"}, "data": {"text": TEXT}})
    reader = Reader(cluster, maps)
    change(cluster, f"{maps}/busy", reader, CHANGES // 5)  # so that nothing is done for the first time below
    alone = [change(cluster, f"{maps}/busy", reader, CHANGES)]
    wires = [stuck(running, maps) for _ in range(STUCK)]
    before_mb = memory_mb(running.pid)
    beside = [change(cluster, f"{maps}/busy", reader, CHANGES) for _ in range(ROUNDS)]
    grown_mb = memory_mb(running.pid) - before_mb
    assert all(wire.cut(timeout_s=5) for wire in wires)
    alone.append(change(cluster, f"{maps}/busy", reader, CHANGES))  # after, too: a machine gets busier, or less so
    write, sight = (median(one[n] for one in beside) / median(one[n] for one in alone) for n in (0, 1))
    assert write < 2, f"writes took {write:.1f} times as long"
    assert sight < 2, f"changes were seen {sight:.1f} times as late"
    assert grown_mb < 150
