"""How fast pods start on the embedded cluster, and what 200 of them cost.

    python -m tests.bench.pods [--pods 200] [--output docs/bench-pods.md]

Measures, from outside the daemon, on a cluster of its own, which has two cores however many there are:
- the start of one Python service, until it is Running (twenty, one after the other; one during which this machine
  stood still, long enough to have made it late, is not measured, and another is taken);
- the same while 200 pods come up at once, and how long until all of them are Ready;
- the daemon's resident memory with them, and the warm parent's;
- the daemon's share of a core while they do nothing.
Fails (exit 1) past the bounds below: each of the twenty, all of the 200 Ready, the daemon's memory. How long one of
200 takes is said, and has no bound: they wait for each other.

Time runs from before a client asks for the pod until a client's watch shows it Running: that is more than from
scheduled to Running, and, unlike it, cannot come out too small because a watch shows both at once.
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
from tests.bench.arguments import at_least_one
from tests.bench.calm import Calm
from tests.contract.clusters import Cluster
from tests.contract.manifests import container, deployment, pod

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_START_S = 0.150
"""From scheduled to Running (here: from asked for), for each of the pods that start one after the other."""
MAX_DAEMON_MB = 120
"""The daemon's resident memory, in millions of bytes, with all pods Ready."""
CORES = 2
READY_S = 120
"""How long the pods are waited for."""
SINGLE_STARTS, MOST_STARTS = 20, 60
"""How many are measured one after the other, and how many are taken for that."""
IDLE_S = 10.0

SERVICE = ["python3", "-m", "http.server", "--bind", "$(POD_IP)", "8080"]


@dataclass
class Figures:
    """What was measured."""

    single_starts_s: list[float]
    single_answers_s: list[float]
    burst_starts_s: list[float]
    burst_ready_s: list[float]
    pods: int
    all_ready_s: float
    daemon_mb: float
    daemon_peak_mb: float
    parent_mb: float
    idle_share: float
    disturbed: int = 0
    """So many starts were not measured."""

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"one after the other: asked for to Running {_spread(self.single_starts_s)}"
        yield f"one after the other: asked for to Ready {_spread(self.single_answers_s)}"
        if self.disturbed:
            yield f"one after the other: {self.disturbed} more not measured, for this machine stood still meanwhile"
        yield f"{self.pods} at once: asked for to Running {_spread(self.burst_starts_s)} (no bound)"
        yield f"{self.pods} at once: asked for to Ready {_spread(self.burst_ready_s)} (no bound)"
        yield f"{self.pods} at once: {len(self.burst_ready_s)} Ready after {self.all_ready_s:.1f} s"
        yield (
            f"with them: daemon {self.daemon_mb:.0f} MB (peak {self.daemon_peak_mb:.0f}), "
            f"warm parent {self.parent_mb:.0f} MB (private)"
        )
        yield f"daemon when nothing happens: {self.idle_share:.1%} of a core"

    def faults(self) -> Iterator[str]:
        """Which bounds do not hold."""
        slow = [one for one in self.single_starts_s if one > MAX_START_S]
        if slow or len(self.single_starts_s) < SINGLE_STARTS:
            yield (
                f"one after the other: {len(self.single_starts_s)} of {SINGLE_STARTS} pods started, {len(slow)} of "
                f"them in more than {MAX_START_S * 1000:.0f} ms"
            )
        if len(self.burst_ready_s) < self.pods:
            yield f"at once: {len(self.burst_ready_s)} of {self.pods} pods were Ready within {READY_S} s"
        if self.daemon_mb > MAX_DAEMON_MB:
            yield f"the daemon takes {self.daemon_mb:.0f} MB, more than {MAX_DAEMON_MB}"


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "never"
    ranked = sorted(seconds)
    middle, last = statistics.median(ranked), ranked[int(0.95 * (len(ranked) - 1))]
    return f"median {middle * 1000:.0f} ms, 95 % within {last * 1000:.0f} ms, at most {ranked[-1] * 1000:.0f} ms"


class Stopwatch:
    """Reads when pods were first seen Running and Ready, from a watch; it runs from when it was made."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._path = cluster.path("pods", namespace)
        self._version = cluster.read(self._path)["metadata"]["resourceVersion"]
        self._asked = time.monotonic()

    def starts(self, count: int) -> tuple[list[float], list[float]]:
        """Until so many pods are ready, or time is up: seconds until each was Running, and Ready."""
        began: dict[str, float] = {}
        answered: dict[str, float] = {}
        query = {"watch": "true", "resourceVersion": self._version, "timeoutSeconds": str(READY_S)}
        for event in self._cluster.lines(self._path, query, timeout_s=READY_S + 5):
            seen, took_s = event["object"], time.monotonic() - self._asked
            name = seen["metadata"]["name"]
            if _running(seen):
                began.setdefault(name, took_s)
            if _ready(seen):
                answered.setdefault(name, took_s)
            if len(answered) == count:
                break
        return list(began.values()), list(answered.values())


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
    measured = disturbed = 0
    with Calm() as calm:
        while measured < SINGLE_STARTS and measured + disturbed < MOST_STARTS:
            name = f"one-{measured + disturbed}"
            watch, asked = Stopwatch(cluster, "default"), time.time()
            cluster.create(pods, pod(name, service))
            took, answered = watch.starts(1)
            if is_excused(calm, asked, took):
                disturbed += 1
            else:
                measured += 1
                single, answers = single + took, answers + answered
            cluster.call("DELETE", f"{pods}/{name}", query={"gracePeriodSeconds": "0"})
            cluster.until_gone(f"{pods}/{name}")
    watch, began = Stopwatch(cluster, "default"), time.monotonic()
    cluster.create(cluster.path("deployments", "default"), deployment("many", service, replicas=count))
    burst, ready = watch.starts(count)
    all_ready_s = time.monotonic() - began
    before = _cpu_s(daemon_pid)
    time.sleep(IDLE_S)
    idle = (_cpu_s(daemon_pid) - before) / IDLE_S
    parent = int(Path(f"/proc/{daemon_pid}/task/{daemon_pid}/children").read_text().split()[0])
    memory = _memory(daemon_pid, "VmRSS"), _memory(daemon_pid, "VmHWM"), _private(parent)
    return Figures(single, answers, burst, ready, count, all_ready_s, *memory, idle, disturbed)


def is_excused(calm: Calm, asked: float, took_s: list[float]) -> bool:
    """Whether this machine stood still during a start, and that alone may have made it late. One that failed is not."""
    if not took_s:
        return False
    end = asked + took_s[0]
    return calm.gap_within(asked, end) and took_s[0] - calm.stalled_s(asked, end) <= MAX_START_S


def document(figures: Figures) -> str:
    """The figures as Markdown."""
    told = [f"- {line}" for line in figures.lines()]
    where = (
        f"Python {platform.python_version()}, {CORES} processors of {os.cpu_count()}, load {os.getloadavg()[0]:.0f} at "
        "the end"
    )
    bounds = (
        f"Bounds, beyond which `make bench-pods` fails: {MAX_START_S * 1000:.0f} ms to Running for each of "
        f"{SINGLE_STARTS} one after the other; all {figures.pods} Ready within {READY_S} s; the daemon "
        f"{MAX_DAEMON_MB} MB with them. {figures.pods} at once wait for each other: how long each takes has no bound."
    )
    title = "# The start of pods on the embedded cluster"
    return "\n".join([title, "", f"`make bench`: {where}.", "", *told, "", bounds, ""])


def _memory(pid: int, field: str, file: str = "status") -> float:
    """MB, from the kernel's summary, which counts in KiB."""
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(f"no {field} of process {pid}")


def _private(pid: int) -> float:
    return sum(_memory(pid, field, "smaps_rollup") for field in ("Private_Clean", "Private_Dirty"))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure, say so, and tell whether the bounds hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=at_least_one, default=200, help="how many at once (default: 200)")
    parser.add_argument("--output", type=Path, help="write the figures there too, as Markdown")
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])  # what is started here inherits it
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
