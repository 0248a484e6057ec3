"""Whole game days, as a user runs them: a real cluster, a real storefront, real signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest
import yaml

from gameday.kube import connect
from gameday.ledger import Ledger, differences, snapshot
from tests.e2e.blackhole import BlackHole
from tests.e2e.runs import EXPERIMENTS, ROOT, without

if TYPE_CHECKING:
    from tests.e2e.calm import Clock

FRIENDLY = "friendly-page-when-every-backend-is-dead"
MAIL = "no-gift-alert-without-a-registry"
UNDO_S = 7.0


def start(
    folder: Path, *words: str, out: IO[str] | int, err: IO[str] | int, environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """`gameday` in a process of its own; its cluster lives below `folder`."""
    surroundings = {**os.environ, **(environment or {}), "GAMEDAY_STATE": str(folder / "state")}
    surroundings.pop("KUBECONFIG", None)
    command = [sys.executable, "-c", "from gameday.cli import main; main()", *words]
    return subprocess.Popen(command, cwd=ROOT, env=surroundings, stdout=out, stderr=err)


class GameDayProcess:
    """`gameday` in a process of its own, its stderr in a file that can be awaited."""

    def __init__(self, folder: Path, *words: str, environment: dict[str, str] | None = None) -> None:
        """Start it; clusters and reports live below `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.err, self.out = folder / "stderr", folder / "stdout"
        with self.err.open("w") as err, self.out.open("w") as out:
            self.process = start(folder, *words, out=out, err=err, environment=environment)

    def await_line(self, pattern: str, timeout_s: float = 60.0) -> float:
        """Wait for a line of progress; returns when it was seen (monotonic)."""
        until = time.monotonic() + timeout_s
        while not re.search(pattern, self.err.read_text()):
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < until, f"no {pattern!r} within {timeout_s} s:\n{self.said()}"
            time.sleep(0.02)
        return time.monotonic()

    def end(self, timeout_s: float = 110.0) -> int:
        """Its exit code."""
        return self.process.wait(timeout_s)

    def said(self) -> str:
        """All it wrote."""
        return self.err.read_text() + self.out.read_text()

    def journal(self, run: str) -> dict[str, Any]:
        """What a run's journal says of the game day."""
        found: dict[str, Any] = json.loads((self.folder / "report" / run / "journal.json").read_text())
        return found["gameday"]  # type: ignore[no-any-return]

    def relatives(self) -> list[str]:
        """Processes that work below this folder: cluster, pods and experiments. Ourselves aside."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                words = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
                where = str((place / "cwd").readlink())
            except OSError:
                continue
            if str(self.folder).encode() in words or where.startswith(str(self.folder)):
                found.append(f"{place.name}: {words[:80]!r}")
        return found


def run(folder: Path, *words: str, environment: dict[str, str] | None = None) -> GameDayProcess:
    """Start `gameday run` with its report below the folder."""
    return GameDayProcess(folder, "run", *words, "--report", str(folder / "report"), environment=environment)


@pytest.mark.alone
@pytest.mark.timeout(400)
def test_every_experiment_passes_on_the_sound_storefront(tmp_path: Path) -> None:
    """The main job: one command, all verdicts, a report, nothing left of it all, and no proxy ever asked."""
    n = len(EXPERIMENTS)
    with BlackHole() as proxy:
        day = run(tmp_path / "day", environment=proxy.environment)
        assert day.end(390) == 0, day.said()
        assert proxy.caught == []
    assert re.search(rf"^gameday: {n} passed in \d+ s$", day.out.read_text(), re.MULTILINE)
    summary = json.loads((day.folder / "report" / "gameday.json").read_text())
    assert [one["verdict"] for one in summary["runs"]] == ["passed"] * n
    for one in summary["runs"]:
        assert day.journal(one["name"])["baseline_met"]
        assert {"evidence.jsonl", "samples.jsonl", "mails.jsonl"} <= {
            path.name for path in (day.folder / "report" / one["name"]).iterdir()
        }
    assert f"{n} passed" in (day.folder / "report" / "index.html").read_text()
    assert day.relatives() == []


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_two_game_days_at_once_each_catch_a_weakness(tmp_path: Path) -> None:
    """With a safeguard removed the experiment fails on the very hypothesis; two users do not meet.

    The second begins once the first has its baseline, which fifteen pods that start would spoil.
    """
    first = run(tmp_path / "one", FRIENDLY, "--weakness", "no-error-page")
    first.await_line("fault in force")
    days = {
        ("no-error-page", f"{FRIENDLY}--no-error-page", "failed-pages-are-friendly"): first,
        ("no-event-join", f"{MAIL}--no-event-join", "no-unmatched-gift-alert"): run(
            tmp_path / "two", "--weakness", "no-event-join"
        ),
    }
    for (weakness, name, probe), day in days.items():
        assert day.end() == 1, f"{weakness}: {day.said()}"
        journal = day.journal(name)
        assert (journal["verdict"], journal["baseline_met"]) == ("failed", True)
        assert probe in journal["violated"]
        assert journal["run"]["weakness_violates"] == probe


def test_sigint_undoes_at_once_and_still_reports(clock: Clock, tmp_path: Path) -> None:
    """Ctrl-C, and again: all is undone within seconds, the report is written, the exit code is 130."""
    day = run(tmp_path / "day", FRIENDLY)
    day.await_line("fault in force")
    asked = time.monotonic()
    day.process.send_signal(signal.SIGINT)
    day.await_line("interrupted by SIGINT")
    day.process.send_signal(signal.SIGINT)
    assert day.end(60) == 130, day.said()
    ended = time.monotonic()
    assert clock.kept(asked, UNDO_S + 3, ended)
    journal = day.journal(FRIENDLY)
    assert (journal["verdict"], journal["run"]["differences"]) == ("inconclusive", [])
    assert "interrupted by SIGINT" in journal["reason"]
    assert "interrupted by SIGINT" in (day.folder / "report" / "index.html").read_text()
    assert day.relatives() == []


def test_past_the_deadline_is_inconclusive(tmp_path: Path) -> None:
    """What did not come to its end is undone, and neither passed nor failed."""
    day = run(tmp_path / "day", FRIENDLY, "--deadline", "10")
    assert day.end(60) == 3, day.said()
    assert "the deadline of 10 s passed" in day.journal(FRIENDLY)["reason"]


def test_sigkill_leaves_no_process_behind(tmp_path: Path) -> None:
    """The private cluster and every pod on it die with the command, whatever ended it."""
    day = run(tmp_path / "day", FRIENDLY)
    day.await_line("fault in force")
    day.process.kill()
    day.end()
    until = time.monotonic() + 30
    while (left := day.relatives()) and time.monotonic() < until:
        time.sleep(0.1)
    assert left == []


@pytest.fixture
def shop(tmp_path: Path) -> Any:
    """A cluster that stays, with the storefront, as `gameday up` gives it."""
    folder = tmp_path / "shop"
    up = GameDayProcess(folder, "up")
    assert up.end() == 0, up.said()
    yield up
    assert GameDayProcess(folder, "down").end() == 0
    assert up.relatives() == []


def test_sigkill_on_a_cluster_that_stays_leaves_no_fault_behind(shop: GameDayProcess, clock: Clock) -> None:
    """The experiment's own process undoes what its dead parent no longer can."""
    kubeconfig = re.search(r"KUBECONFIG=(\S+)", shop.out.read_text())
    assert kubeconfig
    kube = connect(kubeconfig=kubeconfig[1])
    before = snapshot(kube, "shop")
    day = run(shop.folder, FRIENDLY, "--namespace", "shop")
    day.await_line("fault in force")
    assert differences(before, snapshot(kube, "shop"))
    assert Ledger(kube, "shop").entries()
    day.process.kill()
    assert clock.comes(
        lambda: not differences(before, snapshot(kube, "shop")) and not Ledger(kube, "shop").entries(), UNDO_S
    ), "the fault is still there"
    revert = GameDayProcess(shop.folder, "revert")
    assert revert.end() == 0, revert.said()
    assert "no fault is on record" in revert.said()
    second = GameDayProcess(shop.folder, "up")
    assert (second.end(), "already" in second.said()) == (2, True)


@pytest.mark.timeout(300)
def test_a_game_day_that_nobody_listens_to_ends_as_any_other(tmp_path: Path) -> None:
    """Its readers have gone, as those of `gameday run 2>&1 | head -1`: verdict, report and undo are what they are."""
    report, file = tmp_path / "report", tmp_path / f"{MAIL}.yaml"
    (original,) = (one for one in EXPERIMENTS if one.stem == MAIL)
    file.write_text(yaml.safe_dump(without(original)))
    day = start(tmp_path, "run", str(file), "--report", str(report), out=subprocess.PIPE, err=subprocess.PIPE)
    assert day.stdout is not None
    assert day.stderr is not None
    try:
        day.stdout.close()
        assert day.stderr.readline()
        day.stderr.close()
        assert day.wait(200) == 0
    finally:
        day.kill()  # or one that never ends is waited for without end
    journal = json.loads((report / MAIL / "journal.json").read_text())["gameday"]
    assert journal["verdict"] == "passed"
    assert (report / "index.html").exists()
