"""`.ci/game-day`: which steps it takes, in which order, and with what it exits; the command itself is played."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / ".ci" / "game-day"

# Writes down how it is called, then does what the test put into the variable of that step.
PLAYED = """#!/usr/bin/env bash
echo "$*" >>"$CALLS"
does=DO_$1
eval "${!does:-}"
"""
# Says that it is there, and ends with 143 by a signal, or 99 without one; a run that undoes takes its time.
WAITS = """trap 'kill $!; echo undone >>"$CALLS"; exit 143' TERM; sleep 30 & echo ready >"$FIFO"; wait; exit 99"""


class Place:
    """A folder in which the script runs, with a command that is played."""

    def __init__(self, folder: Path) -> None:
        """`folder`: an empty one."""
        self.folder, self.calls, self.fifo = folder, folder / "calls", folder / "fifo"
        self.summary, self.outputs = folder / "summary", folder / "outputs"
        command = folder / "played"
        command.write_text(PLAYED)
        command.chmod(0o755)
        os.mkfifo(self.fifo)
        self.environment = {
            "PATH": os.environ["PATH"],
            "GAMEDAY": str(command),
            "CALLS": str(self.calls),
            "FIFO": str(self.fifo),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_OUTPUT": str(self.outputs),
        }

    def start(self, *words: str, **steps: str) -> subprocess.Popen[str]:
        """Start it; `steps` are what the steps do, in bash."""
        return subprocess.Popen(
            [SCRIPT, *words], cwd=self.folder, text=True,
            env={**self.environment, **{f"DO_{name}": does for name, does in steps.items()}},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *words: str, **steps: str) -> tuple[int, str]:
        """Run it to its end; returns its exit code, and what it said."""
        process = self.start(*words, **steps)
        said, _ = process.communicate(timeout=30)
        return process.returncode, said

    def called(self) -> list[str]:
        """How the command was called so far."""
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """One such folder."""
    return Place(tmp_path)


def test_it_is_bash_that_parses() -> None:
    """Whatever else is wrong with it."""
    subprocess.run(["bash", "-n", SCRIPT], check=True)


def test_embedded_is_preflight_and_run(place: Place) -> None:
    """A private cluster ends with its run: there is nothing to put up or down."""
    assert place.run("embedded", "--only", "slow *")[0] == 0
    assert place.called() == ["preflight", "run --only slow *"]


def test_kind_goes_up_and_down_around_the_run(place: Place) -> None:
    """Each step is told which cluster, and says how long it took."""
    code, said = place.run("kind", "--jobs", "2")
    assert code == 0
    assert place.called() == [
        "preflight --cluster kind", "up --cluster kind", "run --cluster kind --jobs 2", "down --cluster kind",
    ]  # fmt: skip
    assert re.findall(r"game-day: (\w+): done after \d+ s", said) == ["preflight", "up", "run", "down"]


@pytest.mark.parametrize(
    ("steps", "code", "last"),
    [
        ({"preflight": "exit 5"}, 5, "preflight"),
        ({"up": "exit 5"}, 5, "down"),
        ({"up": "exit 2"}, 2, "up"),
        ({"run": "exit 1"}, 1, "down"),
        ({"run": "exit 4", "down": "exit 5"}, 4, "down"),
        ({"run": "kill -KILL $$"}, 137, "down"),
        ({"down": "exit 5"}, 5, "down"),
    ],
    ids=str,
)
def test_the_first_that_fails_gives_the_code(place: Place, steps: dict[str, str], code: int, last: str) -> None:
    """Down is called once there may be a cluster of ours; what it leaves behind is never a pass."""
    found, said = place.run("kind", **steps)
    assert found == code
    assert place.called()[-1] == f"{last} --cluster kind"
    assert f"game-day: exit {code} after" in said


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (0, "passed"),
        (1, "failed"),
        (2, "invalid"),
        (3, "inconclusive"),
        (4, "dirty"),
        (5, "error"),
        (130, "interrupted"),
    ],
)
def test_later_steps_of_a_job_learn_the_verdict(place: Place, code: int, verdict: str) -> None:
    """GitHub reads it from a file; the words are those of the README."""
    place.run("embedded", run=f"exit {code}")
    assert place.outputs.read_text() == f"exit-code={code}\nverdict={verdict}\n"


@pytest.mark.parametrize("step", ["up", "run"])
def test_a_signal_reaches_the_step_and_the_cluster_goes_down(place: Place, step: str) -> None:
    """The step is waited for while it undoes; then the cluster goes down, and the code stays."""
    process = place.start("kind", **{step: WAITS}, down="""echo down >"$FIFO"; echo gone >>"$CALLS" """)
    assert place.fifo.read_text() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert place.fifo.read_text() == "down\n"
    process.communicate(timeout=30)
    assert process.returncode == 143
    assert place.called()[-3:] == ["undone", "down --cluster kind", "gone"]
    assert ("run --cluster kind" in place.called()) == (step == "run")


def test_a_run_that_undoes_is_waited_for_whatever_signals_come(place: Place) -> None:
    """Each signal is handed on; the code is that of the run, here dirty, not that of the signal."""
    undoes = """n=0; trap 'kill $!; n=$((n + 1)); echo $n >"$FIFO"; [[ $n != 3 ]] || exit 4' TERM
                sleep 30 & echo ready >"$FIFO"; while :; do wait; sleep 30 & done"""
    process = place.start("kind", run=undoes)
    for expected in ("ready", "1", "2", "3"):
        assert place.fifo.read_text() == f"{expected}\n"
        if expected != "3":
            process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 4
    assert place.called()[-1] == "down --cluster kind"


def test_no_step_begins_after_a_signal_but_down(place: Place) -> None:
    """A step that ended well all the same, as one that was nearly done may: the run does not begin."""
    process = place.start("kind", up="""trap 'kill $!; exit 0' TERM; sleep 30 & echo ready >"$FIFO"; wait""")
    assert place.fifo.read_text() == "ready\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode in (130, 143)
    assert [call.split()[0] for call in place.called()] == ["preflight", "up", "down"]


def test_nothing_keeps_the_cluster_from_going_down(place: Place) -> None:
    """A second signal, while it goes down, changes nothing; nor is it the run's code that suffers."""
    down = """echo ready >"$FIFO"; read -r <"$FIFO"; echo gone >>"$CALLS" """
    process = place.start("kind", run="exit 1", down=down)
    assert place.fifo.read_text() == "ready\n"
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    place.fifo.write_text("go on\n")
    process.communicate(timeout=30)
    assert process.returncode == 1
    assert place.called()[-1] == "gone"


@pytest.mark.parametrize(
    ("words", "report"),
    [
        ([], "gameday-report"),
        (["--report", "a b"], "a b"),
        (["--report=x", "--report", "y"], "y"),
        (["--report", "x", "--", "--report", "y"], "x"),
    ],
)
def test_the_summary_of_this_run_is_shown(place: Place, words: list[str], report: str) -> None:
    """It is appended, from the report's folder, wherever that is."""
    place.summary.write_text("before\n")
    place.run("embedded", *words, run=f"mkdir '{report}'; echo '# Game day: failed' >'{report}/summary.md'; exit 1")
    assert place.summary.read_text() == "before\n# Game day: failed\n"


def test_an_old_summary_is_not_shown_as_this_run_s(place: Place) -> None:
    """A run that wrote none shows that: an old pass would be a false one."""
    (place.folder / "gameday-report").mkdir()
    (place.folder / "gameday-report" / "summary.md").write_text("# Game day: passed\n")
    assert place.run("embedded", run="exit 5")[0] == 5
    assert "passed" not in place.summary.read_text()
    assert "exit code 5" in place.summary.read_text()


def test_preflight_looks_at_what_is_run_and_allows_what_is_allowed(place: Place) -> None:
    """Else it would miss what the run has, or refuse what the run may."""
    words = ["--allow-http", "--jobs", "1", "--allow-module", "m", "--report", "r", "--", "a.yaml", "b.yaml"]
    place.run("kind", *words)
    assert place.called()[0] == "preflight --cluster kind --allow-http --allow-module m -- a.yaml b.yaml"
    assert place.called()[2] == f"run --cluster kind {' '.join(words)}"


@pytest.mark.parametrize("words", [[], ["minikube"], ["--only", "x"]])
def test_an_unknown_cluster_is_refused_in_one_line(place: Place, words: list[str]) -> None:
    """With what was expected, and before anything is called."""
    code, said = place.run(*words)
    assert code == 2
    assert said.count("\n") == 1
    assert "expected: .ci/game-day embedded|kind" in said
    assert not place.called()


def test_a_command_that_is_not_there_is_said_in_one_line(place: Place) -> None:
    """With how to get it."""
    place.environment["GAMEDAY"] = "/nowhere/gameday"
    code, said = place.run("embedded")
    assert code == 5
    assert said.count("\n") == 1
    assert "make setup" in said
