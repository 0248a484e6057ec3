"""One trial: a run on a cluster that lives on, killed at a point; then how soon all is as it was."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from gameday.ledger import ClearAnnotation, Ledger, LedgerError, differences, snapshot
from gameday.ledger.calls import wait_until
from gameday.runner.guardians import NAME
from tests.bench.kills.line import Line, When, Write
from tests.e2e.processes import family, survivors
from tests.e2e.runs import home_page, under_way

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import Popen

    from gameday.kube import Kube
    from tests.bench.kills.points import Point

__all__ = ["Result", "Trials"]

OBJECTS_S, SERVES_S = 15.0, 30.0
"""Bounds: until every object is restored, and from then until the shop serves."""
_END_S, _LOOK_S = 120.0, 60.0
CONTEXT = "killed"
NAMESPACE = "shop"


@dataclass(frozen=True)
class Result:
    """What came of one kill; times in seconds. `left` is what was not as before in the end."""

    point: Point
    write: str
    entries: int
    restored_s: float
    serves_s: float
    left: tuple[str, ...]

    @property
    def problem(self) -> str:
        """What is beyond the bounds, in words; empty when nothing is."""
        if self.left:
            return f"left: {', '.join(self.left)}"
        if self.restored_s > OBJECTS_S:
            return f"restored after {self.restored_s:.1f} s, at most {OBJECTS_S:g} s"
        return f"serves after {self.serves_s:.1f} s more, at most {SERVES_S:g}" if self.serves_s > SERVES_S else ""


class Trials:
    """Kills runs in the shop of one cluster, whose guardian lives there."""

    def __init__(self, kube: Kube, kubeconfig: Path, folder: Path, environment: dict[str, str]) -> None:
        self._kube, self._folder, self._environment = kube, folder, environment
        self._config = yaml.safe_load(kubeconfig.read_text())
        self._server = str(self._config["clusters"][0]["cluster"]["server"])
        self._count = 0

    def survey(self, file: Path) -> list[Write]:
        """The writes of a run that nobody kills. Raises AssertionError when it makes none."""
        report = self._report()
        with Line(self._server, lambda _write, _when: False) as line, self._begun(file, line, report) as runner:
            runner.wait(_END_S)
        assert line.writes, f"{file.name} wrote nothing: {(report / 'said').read_text()}"
        return line.writes

    def kill(self, file: Path, point: Point) -> Result | None:
        """Kill a run at the point; None when it ended before it came there, all undone by itself."""
        before = snapshot(self._kube, NAMESPACE)
        hit: Write | None = None

        def cuts(write: Write, when: When) -> bool:
            nonlocal hit
            if hit is None and point.hit(write, when):
                hit = write
                self._kill_all(runner.pid, guardian_too=point.guardian_too)
            return hit is not None

        with Line(self._server, cuts) as line, self._begun(file, line, self._report()) as runner:
            runner.wait(_END_S)
            began = time.monotonic()
        if hit is None:
            return None
        entries = len(Ledger(self._kube, NAMESPACE).entries())
        wait_until(lambda: not self._left(before), _LOOK_S)
        restored_s, left = time.monotonic() - began, self._left(before)
        serving = wait_until(self._serves, _LOOK_S)
        serves_s = time.monotonic() - began - restored_s
        if not serving:
            left = (*left, "the shop does not serve")
        return Result(point, str(hit), entries, restored_s, serves_s, left)

    def _report(self) -> Path:
        """A fresh folder for what one run leaves."""
        self._count += 1
        report = self._folder / f"run-{self._count}"
        report.mkdir()
        return report

    def _begun(self, file: Path, line: Line, report: Path) -> contextlib.AbstractContextManager[Popen[bytes]]:
        """A run of the file that reaches its cluster's API by the line, and all else as ever."""
        known = base64.b64decode(self._config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
        both = base64.b64encode((known + line.authority).encode()).decode()
        cluster = {"name": CONTEXT, "cluster": {"server": line.url, "certificate-authority-data": both}}
        user = self._config["users"][0]["name"]
        context = {"name": CONTEXT, "context": {"cluster": CONTEXT, "user": user}}
        config = {**self._config, "clusters": [cluster], "contexts": [context], "current-context": CONTEXT}
        (report / "kubeconfig").write_text(yaml.safe_dump(config))
        where = ["--context", CONTEXT, "--namespace", NAMESPACE, "--reach", "cluster"]
        return under_way(file, {**self._environment, "KUBECONFIG": str(report / "kubeconfig")}, report, where)

    def _kill_all(self, pid: int, *, guardian_too: bool) -> None:
        """SIGKILL the runner and all below it at once: nobody of the run is left to undo."""
        if guardian_too:
            self._kube.core.delete_collection_namespaced_pod(
                NAMESPACE, label_selector=f"app={NAME}", grace_period_seconds=0
            )
        with family(pid) as processes:
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            alive = survivors(processes, 5)
            assert not alive, alive

    def _left(self, before: dict[str, Any]) -> tuple[str, ...]:
        try:
            entries, broken = Ledger(self._kube, NAMESPACE).read()
        except LedgerError as problem:
            return (str(problem),)
        held = [f"ledger entry {one}" for one in (*(e.id for e in entries), *broken)]
        marked = [
            f"annotation {key} of pod {pod.metadata.name}"
            for pod in self._kube.core.list_namespaced_pod(NAMESPACE).items
            for key in pod.metadata.annotations or {}
            if key.startswith(ClearAnnotation.prefix)
        ]
        return (*held, *marked, *differences(before, snapshot(self._kube, NAMESPACE)))

    def _serves(self) -> bool:
        try:
            return home_page(self._kube) == (200, False)
        except OSError:
            return False
