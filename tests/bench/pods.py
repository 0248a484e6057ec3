"""How fast pods start on the embedded cluster, and what 200 of them cost.

    python -m tests.bench.pods [--pods 200] [--output docs/bench-pods.md]

Measures, from outside the daemon, on a cluster of its own:
- the start of one Python service, from scheduled to Running (twenty, one after the other);
- the same while 200 pods come up at once, and how long until all of them are Ready;
- the daemon's resident memory with them, and the warm parent's;
- the daemon's share of a core while they do nothing.
Fails (exit 1) past the bounds below.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gameday import cluster as embedded
from tests.contract.clusters import Cluster
from tests.contract.manifests import container, deployment, pod

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_START_S = 0.150
"""From scheduled to Running: the median of pods that start one after the other."""
MAX_DAEMON_MIB = 120
SINGLE_STARTS = 20
IDLE_S = 10.0

SERVICE = ["python3", "-m", "http.server", "--bind", "$(POD_IP)", "8080"]


@dataclass
class Figures:
    """What was measured."""

    single_starts_s: list[float]
    single_answers_s: list[float]
    burst_starts_s: list[float]
    all_ready_s: float
    daemon_mib: float
    parent_mib: float
    idle_share: float

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"one after the other: scheduled to Running {_spread(self.single_starts_s)}"
        yield f"one after the other: scheduled to answering its readiness probe {_spread(self.single_answers_s)}"
        yield f"{len(self.burst_starts_s)} at once: scheduled to Running {_spread(self.burst_starts_s)}"
        yield f"{len(self.burst_starts_s)} at once: all Ready after {self.all_ready_s:.1f} s"
        yield f"daemon {self.daemon_mib:.0f} MiB, warm parent {self.parent_mib:.0f} MiB (private)"
        yield f"daemon when nothing happens: {self.idle_share:.1%} of a core"

    def faults(self) -> Iterator[str]:
        """Which bounds do not hold."""
        if statistics.median(self.single_starts_s) > MAX_START_S:
            yield f"a pod's start takes more than {MAX_START_S} s"
        if self.daemon_mib > MAX_DAEMON_MIB:
            yield f"the daemon takes more than {MAX_DAEMON_MIB} MiB"


def _spread(seconds: list[float]) -> str:
    ranked = sorted(seconds)
    middle, last = statistics.median(ranked), ranked[int(0.95 * (len(ranked) - 1))]
    return f"median {middle * 1000:.0f} ms, 95 % within {last * 1000:.0f} ms, at most {ranked[-1] * 1000:.0f} ms"


class Stopwatch:
    """Reads when pods were first seen scheduled and Running, from a watch."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._path = cluster.path("pods", namespace)
        self._version = cluster.read(self._path)["metadata"]["resourceVersion"]

    def starts(self, count: int) -> tuple[list[float], list[float]]:
        """Until so many pods are ready: seconds from scheduled to Running, and from scheduled to Ready."""
        scheduled: dict[str, float] = {}
        began: dict[str, float] = {}
        answered: dict[str, float] = {}
        query = {"watch": "true", "resourceVersion": self._version, "timeoutSeconds": "120"}
        for event in self._cluster.lines(self._path, query, timeout_s=125):
            seen, at = event["object"], time.monotonic()
            name = seen["metadata"]["name"]
            if seen["spec"].get("nodeName"):
                scheduled.setdefault(name, at)
            if _running(seen):
                began.setdefault(name, at - scheduled[name])
            if _ready(seen):
                answered.setdefault(name, at - scheduled[name])
            if len(answered) == count:
                return list(began.values()), list(answered.values())
        raise TimeoutError(f"{len(answered)} of {count} pods came up in time")


def _running(seen: dict[str, Any]) -> bool:
    return seen["status"].get("phase") == "Running" and all(
        "running" in one["state"] for one in seen["status"]["containerStatuses"]
    )


def _ready(seen: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in seen["status"].get("conditions", []))


def measure(cluster: Cluster, daemon_pid: int, count: int) -> Figures:
    """All figures, on a fresh cluster."""
    pods = cluster.path("pods", "default")
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 10}
    service = container(SERVICE, readinessProbe=probe)
    single: list[float] = []
    answers: list[float] = []
    for number in range(SINGLE_STARTS):
        watch = Stopwatch(cluster, "default")
        cluster.create(pods, pod(f"one-{number}", service))
        took, answered = watch.starts(1)
        single, answers = single + took, answers + answered
        cluster.call("DELETE", f"{pods}/one-{number}", query={"gracePeriodSeconds": "0"})
        cluster.until_gone(f"{pods}/one-{number}")
    watch, began = Stopwatch(cluster, "default"), time.monotonic()
    cluster.create(cluster.path("deployments", "default"), deployment("many", service, replicas=count))
    burst, _ = watch.starts(count)
    all_ready_s = time.monotonic() - began
    before = _cpu_s(daemon_pid)
    time.sleep(IDLE_S)
    idle = (_cpu_s(daemon_pid) - before) / IDLE_S
    parent = int(Path(f"/proc/{daemon_pid}/task/{daemon_pid}/children").read_text().split()[0])
    return Figures(single, answers, burst, all_ready_s, _memory(daemon_pid, "Rss"), _private(parent), idle)


def document(figures: Figures) -> str:
    """The figures as Markdown."""
    told = [f"- {line}" for line in figures.lines()]
    where = f"Python {platform.python_version()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.0f} at the end"
    return "\n".join(["# The start of pods on the embedded cluster", "", f"`make bench`: {where}.", "", *told, ""])


def _memory(pid: int, field: str) -> float:
    """MiB, from the kernel's summary."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"no {field} of process {pid}")


def _private(pid: int) -> float:
    return _memory(pid, "Private_Clean") + _memory(pid, "Private_Dirty")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure, say so, and tell whether the bounds hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=200)
    parser.add_argument("--output", type=Path, help="write the figures there too, as Markdown")
    options = parser.parse_args()
    running = embedded.start(f"bench-{os.getpid()}", owned=True)
    try:
        figures = measure(Cluster.of(running.kubeconfig, embedded=True), running.pid, options.pods)
    finally:
        running.stop()
    if options.output:
        options.output.write_text(document(figures))
    print(*figures.lines(), sep="\n")
    faults = list(figures.faults())
    print(*faults, sep="\n", file=sys.stderr, end="\n" if faults else "")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
