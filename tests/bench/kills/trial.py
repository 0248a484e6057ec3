"""One trial: a run on a cluster that lives on, killed at a point; then how soon all is as it was."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from gameday.ledger import Ledger, LedgerError, differences, snapshot
from gameday.ledger.calls import wait_until
from gameday.runner.guardians import NAME
from tests.bench.kills.line import Line, Write
from tests.e2e.processes import family, survivors

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.kube import Kube
    from tests.bench.kills.points import Point

__all__ = ["Result", "Trials"]

OBJECTS_S, SERVES_S = 15.0, 30.0
"""Bounds: until every object is restored, and from then until the shop serves."""
_END_S, _LOOK_S = 120.0, 60.0
ROOT = Path(__file__).resolve().parents[3]
GAMEDAY = str(Path(sys.executable).with_name("gameday"))
CONTEXT = "killed"


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
    """Kills runs in one namespace of one cluster, whose guardian lives there."""

    def __init__(self, kube: Kube, kubeconfig: Path, namespace: str, folder: Path, environment: dict[str, str]) -> None:
        self._kube, self._namespace, self._folder, self._environment = kube, namespace, folder, environment
        self._config = yaml.safe_load(kubeconfig.read_text())
        self._server = str(self._config["clusters"][0]["cluster"]["server"])
        self._count = 0

    def survey(self, file: Path) -> list[Write]:
        """The writes of a run that nobody kills. Raises AssertionError when that does not end by itself."""
        with self._line(lambda _: False, lambda _: False) as line, self._begun(file, line) as runner:
            runner.wait(_END_S)
            assert line.writes, (
                f"{file.name} wrote nothing: {(self._folder / f'run-{self._count}' / 'log').read_text()}"
            )
            return list(line.writes)

    def kill(self, file: Path, point: Point) -> Result | None:
        """Kill a run at the point; None when it ended before it came there, all undone by itself."""
        before = snapshot(self._kube, self._namespace)
        hit: list[Write] = []
        runners: list[subprocess.Popen[bytes]] = []

        def reached(write: Write, when: str) -> bool:
            if not point.hit(write, when) or hit:
                return False
            hit.append(write)
            self._kill_all(runners[0].pid, guardian_too=point.guardian_too)
            return True

        with self._line(lambda w: reached(w, "sent"), lambda w: reached(w, "answered")) as line:
            with self._begun(file, line, runners) as runner:
                runner.wait(_END_S)
            began = time.monotonic()
        if not hit:
            return None
        entries = len(Ledger(self._kube, self._namespace).entries())
        wait_until(lambda: not self._left(before), _LOOK_S)
        restored_s, left = time.monotonic() - began, self._left(before)
        serving = wait_until(self._serves, _LOOK_S)
        serves_s = time.monotonic() - began - restored_s
        if not serving:
            left = (*left, "the shop does not serve")
        return Result(point, str(hit[0]), entries, restored_s, serves_s, left)

    def _line(self, sent: Callable[[Write], bool], answered: Callable[[Write], bool]) -> Line:
        return Line(self._server, sent, answered)

    @contextlib.contextmanager
    def _begun(self, file: Path, line: Line, runners: list[subprocess.Popen[bytes]] | None = None) -> Any:
        """A run of the file that reaches its cluster by the line."""
        self._count += 1
        folder = self._folder / f"run-{self._count}"
        folder.mkdir()
        known = base64.b64decode(self._config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
        both = base64.b64encode((known + line.authority).encode()).decode()
        cluster = {"name": CONTEXT, "cluster": {"server": line.url, "certificate-authority-data": both}}
        user = self._config["users"][0]["name"]
        context = {"name": CONTEXT, "context": {"cluster": CONTEXT, "user": user}}
        config = {**self._config, "clusters": [cluster], "contexts": [context], "current-context": CONTEXT}
        (folder / "kubeconfig").write_text(yaml.safe_dump(config))
        argv = [GAMEDAY, "run", str(file), "--context", CONTEXT, "--namespace", self._namespace]
        argv += ["--reach", "cluster"]  # only the API goes by the line
        argv += ["--report", str(folder / "report")]
        environment = {**self._environment, "KUBECONFIG": str(folder / "kubeconfig")}
        with (folder / "log").open("wb") as log:
            runner = subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=log, stderr=log)
        if runners is not None:
            runners.append(runner)
        try:
            yield runner
        finally:
            runner.kill()
            runner.wait()

    def _kill_all(self, pid: int, *, guardian_too: bool) -> None:
        """SIGKILL the runner and all below it at once: nobody of the run is left to undo."""
        if guardian_too:
            self._kube.core.delete_collection_namespaced_pod(
                self._namespace, label_selector=f"app={NAME}", grace_period_seconds=0
            )
        with family(pid) as processes:
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            alive = survivors(processes, 5)
            assert not alive, alive

    def _left(self, before: dict[str, Any]) -> tuple[str, ...]:
        try:
            entries, broken = Ledger(self._kube, self._namespace).read()
        except LedgerError as problem:
            return (str(problem),)
        held = [f"ledger entry {one}" for one in (*(e.id for e in entries), *broken)]
        return (*held, *differences(before, snapshot(self._kube, self._namespace)))

    def _serves(self) -> bool:
        address = self._kube.core.read_namespaced_service("edge", self._namespace).spec.cluster_ip
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(f"http://{address}:8080/", timeout=5) as reply:
                return bool(reply.status == 200) and not reply.headers.get("X-Fallback")
        except OSError:
            return False
