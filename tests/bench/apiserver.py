"""The embedded API server beside a real one: the same client, the same requests, in turn.

    ../shared/realkube/realkube exec .venv/bin/python -m tests.bench.apiserver [--output docs/bench.md]

$KUBECONFIG names the real cluster. Both are asked one after the other, request by request, so
that a busy machine is as busy for both; what counts is the ratio. It is no gate: there is no bound, exit 0 whatever
the ratios are.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from gameday import cluster as embedded
from tests.contract import manifests
from tests.contract.clusters import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
PODS = 1000
WARM_UP = 20


@dataclass
class Bench:
    """One cluster, a namespace of ours in it, and the seconds that each kind of request took."""

    cluster: Cluster
    namespace: str = field(default_factory=lambda: f"bench-{uuid.uuid4().hex[:8]}")
    seconds: dict[str, list[float]] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    @property
    def pods(self) -> str:
        """Where the pods are."""
        return f"/api/v1/namespaces/{self.namespace}/pods"

    @property
    def maps(self) -> str:
        """Where the ConfigMaps are."""
        return f"/api/v1/namespaces/{self.namespace}/configmaps"

    def open(self) -> None:
        """Make the namespace, and follow its ConfigMaps."""
        self.cluster.create("/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        self.cluster.until_admits(self.namespace, manifests.pod("probe", manifests.container(manifests.WAIT)))
        self.cluster.create(self.maps, {"metadata": {"name": "watched"}})
        events = self.cluster.lines(self.maps, {"watch": "true", "timeoutSeconds": 600}, timeout_s=600)
        next(events)
        threading.Thread(target=self._follow, args=(events,), daemon=True).start()

    def _follow(self, events: Any) -> None:
        for event in events:
            now = time.perf_counter()
            with self.arrived:
                self.seen[event["object"]["metadata"]["resourceVersion"]] = now
                self.arrived.notify_all()

    def close(self) -> None:
        """Delete what was made."""
        self.cluster.call("DELETE", self.pods, query={"gracePeriodSeconds": "0"})
        self.cluster.call("DELETE", f"/api/v1/namespaces/{self.namespace}")

    def time(self, what: str, number: int, act: Callable[[Bench, int], float | None]) -> None:
        """Do it once, and note how long it took; `act` may say so itself."""
        began = time.perf_counter()
        took = act(self, number)
        spent = time.perf_counter() - began if took is None else took
        if number >= WARM_UP or what == "list of 1,000 pods":
            self.seconds.setdefault(what, []).append(spent)


def create(bench: Bench, number: int) -> None:
    """A pod that no node will take."""
    main = manifests.container(manifests.WAIT, resources={"limits": {"cpu": "1", "memory": "64Mi"}})
    bench.cluster.create(bench.pods, manifests.pod(f"p-{number}", main, nodeSelector={"gameday.dev/no": "where"}))


def get(bench: Bench, number: int) -> None:
    """Read one pod."""
    assert bench.cluster.call("GET", f"{bench.pods}/p-{number}").status == 200


def patch(bench: Bench, number: int) -> None:
    """Label one pod, by a strategic merge."""
    bench.cluster.patch(f"{bench.pods}/p-{number}", {"metadata": {"labels": {"round": str(number)}}})


def collect(bench: Bench, _number: int) -> None:
    """Read all pods."""
    answer = bench.cluster.call("GET", bench.pods)
    assert answer.status == 200
    assert answer.data.count(b'"uid"') >= PODS


def watch(bench: Bench, number: int) -> float:
    """From before a write until a watcher has its event."""
    began = time.perf_counter()
    changed = bench.cluster.patch(f"{bench.maps}/watched", {"data": {"number": str(number)}})
    version = changed["metadata"]["resourceVersion"]
    with bench.arrived:
        assert bench.arrived.wait_for(lambda: version in bench.seen, timeout=10)
    return bench.seen[version] - began


STEPS: tuple[tuple[str, int, Callable[[Bench, int], float | None]], ...] = (
    ("create a pod", PODS, create),
    ("get a pod", PODS, get),
    ("patch a pod", PODS, patch),
    ("list of 1,000 pods", 40, collect),
    ("watch: from a write to its event", 500, watch),
)


def document(ours: Bench, real: Bench) -> str:
    """The figures as Markdown."""
    versions = [one.cluster.call("GET", "/version").json["gitVersion"] for one in (ours, real)]
    lines = [
        "# The API server's speed",
        "",
        (
            f"`make bench`: the embedded cluster ({versions[0]}) beside a real API server ({versions[1]}, etcd on the "
            f"same disk), Python {platform.python_version()}, {os.cpu_count()} processors. The same client asks both "
            "in turn, request by request; milliseconds at the client, its own share included. A ratio below 1 means "
            "that the embedded one is faster. These are figures, not a gate: nothing fails whatever they are."
        ),
        "",
        "| request | times | embedded, median | p99 | real, median | p99 | ratio of medians | of p99 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for what, _, _ in STEPS:
        found = [(median(b.seconds[what]) * 1000, quantiles(b.seconds[what], n=100)[98] * 1000) for b in (ours, real)]
        (m1, p1), (m2, p2) = found
        count = len(ours.seconds[what])
        lines.append(
            f"| {what} | {count} | {m1:.1f} | {p1:.1f} | {m2:.1f} | {p2:.1f} | {m1 / m2:.2f} | {p1 / p2:.2f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the bench, and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "bench.md")
    options = parser.parse_args()
    running = embedded.start(f"bench-{os.getpid()}", owned=True)
    real = Bench(Cluster.of(Path(os.environ["KUBECONFIG"]), embedded=False))
    ours = Bench(Cluster.of(running.kubeconfig, embedded=True))
    opened: list[Bench] = []
    try:
        for bench in (ours, real):
            bench.open()
            opened.append(bench)
        for what, times, act in STEPS:
            for number in range(times):
                for bench in (ours, real) if number % 2 else (real, ours):
                    bench.time(what, number, act)
            print(what, *(f"{median(bench.seconds[what]) * 1000:.2f} ms" for bench in (ours, real)), flush=True)
        options.output.write_text(document(ours, real))
    finally:
        for bench in opened:
            bench.close()
        running.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
