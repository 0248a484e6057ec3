"""Experiments run by `gameday run` on a cluster that lives on, and what several tests ask of them."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from gameday import evidence
from gameday.activities.traffic import FLASH_CROWD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gameday.kube import Kube


def _faults(file: Path) -> tuple[str, ...]:
    """The functions that an experiment's method calls."""
    return tuple(sorted({str(one["provider"].get("func")) for one in yaml.safe_load(file.read_text())["method"]}))


ROOT = Path(__file__).resolve().parents[2]
GAMEDAY = str(Path(sys.executable).parent / "gameday")
EXPERIMENTS = sorted((ROOT / "experiments").rglob("*.yaml"))
UNLIKE = list({_faults(file): file for file in reversed(EXPERIMENTS)}.values())[::-1]
"""Of these, one for each set of faults: what is asked of faults need not be asked of every experiment that has them."""
FAULT_KINDS = sorted((ROOT / "tests" / "experiments").glob("*.yaml"))
"""One experiment for each kind of fault that the catalogue has not."""
SHOP = ["--context", "gameday-local", "--namespace", "shop"]


def without(file: Path, *hypotheses: str) -> dict[str, Any]:
    """An experiment without some of its hypotheses, and with time to recover: what a busy machine may decide."""
    experiment: dict[str, Any] = yaml.safe_load(file.read_text())
    steady = experiment["steady-state-hypothesis"]
    steady["probes"] = [one for one in steady["probes"] if one["name"] not in hypotheses]
    experiment["controls"][0]["provider"]["arguments"]["recovery_s"] = 60
    return experiment


def command(argv: list[str], environment: dict[str, str], *, timeout_s: float = 60) -> str:
    """Run a command that must succeed; returns what it printed."""
    done = subprocess.run(
        argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def journals(report: Path) -> dict[str, dict[str, Any]]:
    """What the journal of each run of a report says of gameday, by the run's name."""
    return {one.parent.name: json.loads(one.read_text())["gameday"] for one in report.glob("*/journal.json")}


def home_page(kube: Kube, namespace: str = "shop") -> tuple[int, str]:
    """The status of the shop's home page, through the edge, and whose fallback it is, if it is one. Raises OSError."""
    address = kube.core.read_namespaced_service("edge", namespace).spec.cluster_ip
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        answer = direct.open(f"http://{address}:8080/", timeout=10)
    except urllib.error.HTTPError as error_page:  # an answer too: whoever waits for another goes on waiting
        answer = error_page
    with answer:
        return int(answer.status), answer.headers.get("X-Fallback") or ""


def serves(kube: Kube, namespace: str = "shop") -> bool:
    """Whether a shop's home page comes, and not as its fallback."""
    try:
        return home_page(kube, namespace) == (200, "")
    except OSError:
        return False


def home_comes(kube: Kube) -> bool:
    """Whether the shop's home page comes, and edge had not to make one itself."""
    try:
        status, fallback = home_page(kube)
    except OSError:
        return False
    return status == 200 and fallback != "edge"


@contextmanager
def under_way(
    file: Path, environment: dict[str, str], report: Path, where: Sequence[str] = SHOP
) -> Iterator[subprocess.Popen[bytes]]:
    """A run of an experiment, killed at the end if it has not ended. What it says goes to `said` in its report.

    It leads a process group of its own.
    """
    argv = [GAMEDAY, "run", str(file), *where, "--report", str(report)]
    with (report / "said").open("wb") as said:
        runner = subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=said, stderr=said, process_group=0)
    try:
        yield runner
    finally:
        runner.kill()
        runner.wait()


def wait_for_fault(runner: subprocess.Popen[bytes], report: Path, timeout_s: float) -> int:
    """Wait until the run has a fault in force, and on record; returns the experiment's process id."""
    ends = time.monotonic() + timeout_s
    while time.monotonic() < ends:
        assert runner.poll() is None, f"the run ended with {runner.returncode} before its fault was in force"
        for file in report.glob("*/evidence.jsonl"):
            if any(map(_is_set, evidence.read(file))):
                return child_of(runner.pid)
        time.sleep(0.05)  # the file belongs to another process: there is no event to await
    raise AssertionError(f"no fault in force within {timeout_s} s")


def _is_set(fact: dict[str, Any]) -> bool:
    """Whether a fault is proven in force; a crowd, which changes nothing, is when it is on record.

    Whether its visits are on schedule is its own proof, and a machine that stalls for a third of a second may fail it.
    """
    planned_crowd = fact["event"] == "fault-planned" and fact.get("kind") == FLASH_CROWD
    return planned_crowd or fact["event"] == "fault-in-force"


def child_of(pid: int) -> int:
    """The experiment's process below the runner's."""
    children = [int(c) for t in Path(f"/proc/{pid}/task").iterdir() for c in (t / "children").read_text().split()]
    return next(c for c in children if b"gameday.runner.experiment" in Path(f"/proc/{c}/cmdline").read_bytes())


def await_end(pid: int, timeout_s: float) -> None:
    """Wait for the end of a process that is not our child; fail when it lives on."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ready, _, _ = select.select([handle], [], [], timeout_s)
    os.close(handle)
    assert ready, f"process {pid} outlived its runner by {timeout_s} s"
