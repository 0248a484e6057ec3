"""A fuzz of one cluster: several clients at once, each with a seed of its own, and what must hold at the end."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from gameday import cluster as embedded
from tests.contract import manifests
from tests.contract.clusters import Cluster
from tests.fuzz.grammar import Request, make
from tests.fuzz.judge import Log, fault_of, shrink
from tests.fuzz.wire import Wire

if TYPE_CHECKING:
    from gameday.cluster import Running

RSS_BOUND_MB = 300
"""The daemon's memory when all is over."""
_LOOK_EVERY = 20
"""How many requests of a client pass between two looks at the daemon's log."""
_ROUND = 500
"""How many requests a client spends on a namespace."""
_IDLERS = 20
"""Connections that send half a request and then nothing, for as long as the fuzz lasts."""
_FINDINGS = 10
"""After how many findings a client stops: there is enough to mend."""


@dataclass
class Outcome:
    """What a fuzz saw."""

    seed: int
    statuses: Counter[int | None] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    seconds: float = 0
    rss_mb: float = 0

    sent: int = 0
    """Requests; those that are not whole, or whose client leaves at once, have no answer."""

    @property
    def answers(self) -> int:
        """How many answers were waited for."""
        return self.statuses.total()


def fuzz(seed: int, requests: int, clients: int = 2) -> Outcome:
    """Start a cluster, fuzz it, and say what came of it. The same seed sends the same requests."""
    outcome = Outcome(seed)
    running = embedded.start(f"fuzz-{os.getpid()}", owned=True)
    try:
        cluster = Cluster.of(running.kubeconfig, embedded=True)
        idlers = [_idle(running.kubeconfig) for _ in range(_IDLERS)]
        began = time.monotonic()
        log = Log(running.state / "daemon.log")
        crew = [_Client(running, cluster, outcome, log, n) for n in range(clients)]
        threads = [threading.Thread(target=one.run, args=(requests // clients,)) for one in crew]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        outcome.seconds = time.monotonic() - began
        if outcome.sent < requests // clients * clients and not outcome.findings:
            outcome.findings.append(f"{outcome.sent} of {requests} requests were sent")
        _still_works(running, cluster, outcome)
        for idler in idlers:
            idler.close()
    finally:
        running.stop()
    return outcome


def _idle(kubeconfig: Path) -> Wire:
    wire = Wire(kubeconfig)
    wire.begin(b"POST /api/v1/namespaces HTTP/1.1\r\nHost: idle\r\nContent-Le")
    return wire


class _Client:
    """One of the clients, in a namespace of its own."""

    def __init__(self, running: Running, cluster: Cluster, outcome: Outcome, log: Log, number: int) -> None:
        self._running = running
        self._outcome = outcome
        self._chance = Random(f"{outcome.seed} {number}")
        self._number = number
        self._namespace = "fuzz-none"
        self._cluster = cluster
        self._log = log
        self._known: set[str] = set()

    def run(self, requests: int) -> None:
        """Send them, unless too much was found before; what keeps it from that is a finding too."""
        try:
            self._run(requests)
        except Exception:  # noqa: BLE001 - whatever it is, it is told
            self._report(f"client {self._number} broke:\n{traceback.format_exc()}")

    def _run(self, requests: int) -> None:
        sent: list[Request] = []
        with Wire(self._running.kubeconfig) as wire:
            for number in range(requests):
                namespace = f"fuzz-{self._number}-{number // _ROUND}"
                if number % _ROUND == 0:
                    self._cluster.call("DELETE", f"/api/v1/namespaces/{self._namespace}")
                if number % 50 == 0:  # it may have been deleted by a bent request
                    self._cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
                self._namespace = namespace
                request = make(self._chance, namespace)
                sent = [*sent[-_LOOK_EVERY:], request]
                self._send(wire, request)
                self._outcome.sent += 1
                if number % _LOOK_EVERY == 0:
                    self._look(sent)
                if len(self._outcome.findings) >= _FINDINGS or not self._running.alive():
                    break
        self._look(sent)

    def _send(self, wire: Wire, request: Request) -> None:
        for reply in wire.send(request):
            self._outcome.statuses[reply.status] += 1
            if fault := fault_of(request, reply):
                said = reply.body[:2000].decode("utf-8", "replace")
                if fault + said[:200] in self._known:
                    continue
                self._known.add(fault + said[:200])
                small = shrink(request, lambda r: any(fault_of(r, reply) == fault for reply in wire.send(r)))
                self._log.complaints()  # our own repetitions
                self._report(f"{fault}\n{said}\nwhole: {request}\nminimal: {small}")

    def _look(self, sent: list[Request]) -> None:
        if text := self._log.complaints():
            last = "\n".join(map(str, sent))
            self._report(f"the daemon's log:\n{text[-6000:]}\nThe last requests of {self._namespace}:\n{last[:20000]}")

    def _report(self, finding: str) -> None:
        self._outcome.findings.append(finding)


def _still_works(running: Running, cluster: Cluster, outcome: Outcome) -> None:
    """The daemon lives, a Deployment rolls out, and memory is bounded."""
    if not running.alive():
        outcome.findings.append("the daemon is dead:\n" + (running.state / "daemon.log").read_text()[-4000:])
        return
    cluster.create("/api/v1/namespaces", {"metadata": {"name": "after"}})
    path = cluster.path("deployments", "after", "web")
    server = manifests.container(manifests.serve(), ports=[{"containerPort": 8080}],
                                 readinessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1})  # fmt: skip
    cluster.create(path.rpartition("/")[0], manifests.deployment("web", server, replicas=2))
    try:
        cluster.until(path, lambda one: one.get("status", {}).get("readyReplicas") == 2, timeout_s=120)
    except AssertionError as problem:
        outcome.findings.append(f"no Deployment rolls out any more: {problem}")
    outcome.rss_mb = _rss_mb(running.pid)
    if outcome.rss_mb > RSS_BOUND_MB:
        outcome.findings.append(f"the daemon holds {outcome.rss_mb:.0f} MB, {RSS_BOUND_MB} at most are expected")


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:"))
