"""Processes and files that a parent watches: real small processes, no mocks."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gameday.runner.child import Child, Tail
from gameday.runner.errors import EnvironmentFailure, InvalidRequest
from gameday.runner.folder import SUMMARY, ReportFolder

STUBBORN = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def start(tmp_path: Path, code: str) -> Child:
    """A child that runs a line of Python, and has said its first word."""
    child = Child.start([sys.executable, "-c", code], tmp_path / "log", os.environ)
    until = time.monotonic() + 20
    while not (tmp_path / "log").read_text() and child.exit_code() is None and time.monotonic() < until:
        time.sleep(0.01)
    return child


def test_a_child_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    """Stopping is certain, and soon."""
    child = start(tmp_path, STUBBORN)
    began = time.monotonic()
    child.stop(grace_s=0.2)
    assert child.exit_code() == -signal.SIGKILL
    assert time.monotonic() - began < 30  # of the 60 that it would have taken


def test_a_childs_own_children_die_with_it(tmp_path: Path) -> None:
    """The whole process group goes, also what the child left behind."""
    code = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)']);"
        "print(p.pid, flush=True)"
    )
    child = start(tmp_path, code)
    child.process.wait(20)
    grandchild = os.pidfd_open(int((tmp_path / "log").read_text()))
    child.stop()
    assert select.select([grandchild], [], [], 60)[0], "the child's own child outlived it"
    os.close(grandchild)


def test_a_child_hears_the_word_and_its_last_line_is_kept(tmp_path: Path) -> None:
    """`go` reaches its stdin; what it says last is there for the error message."""
    child = Child.start([sys.executable, "-c", "print(input()); print('  bye  now ')"], tmp_path / "log", os.environ)
    child.go()
    assert child.process.wait(20) == 0
    child.close()
    assert child.last_line() == "bye now"


def test_a_child_that_died_before_the_word_is_no_surprise(tmp_path: Path) -> None:
    """A broken pipe is found out by the exit code."""
    child = Child.start([sys.executable, "-c", "raise SystemExit(7)"], tmp_path / "log", os.environ)
    child.process.wait(20)
    child.go()
    assert child.exit_code() == 7
    child.stop()


@pytest.mark.parametrize("lasting", [False, True])
def test_an_experiment_process_dies_with_its_parent(tmp_path: Path, *, lasting: bool) -> None:
    """SIGKILL to the parent, even before the experiment has begun, leaves no process."""
    experiment = tmp_path / "e.yaml"
    experiment.write_text("title: t\ndescription: d\nmethod: []\n")
    code = (
        "import os, sys, time; from pathlib import Path; from gameday.runner.child import Child;"
        f"c = Child.spawn(Path({str(experiment)!r}), Path({str(tmp_path)!r}), os.environ, lasting={lasting});"
        "print(c.process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    handle = os.pidfd_open(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert select.select([handle], [], [], 60)[0], "the experiment's process outlived its parent"
    os.close(handle)


def test_an_experiment_that_is_not_valid_exits_with_2(tmp_path: Path) -> None:
    """And says why in one line of its log."""
    (tmp_path / "e.yaml").write_text("title: t\n")
    command = [sys.executable, "-m", "gameday.runner.experiment", str(tmp_path / "e.yaml")]
    done = subprocess.run([*command, "--journal", str(tmp_path / "j")], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "description" in done.stderr.splitlines()[-1]


def test_tail_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    """Half a line is nothing yet; a line that is no JSON is left out."""
    file = tmp_path / "evidence.jsonl"
    tail = Tail(file)
    assert tail.new() == []
    with file.open("a") as out:
        out.write('{"a": 1}\n{"b"')
        out.flush()
        assert tail.new() == [{"a": 1}]
        assert tail.new() == []
        out.write(": 2}\nnot json\n[1]\n")
        out.flush()
    assert tail.new() == [{"b": 2}]


def test_report_folder_is_held_by_one_game_day(tmp_path: Path) -> None:
    """A second one is told to go elsewhere; afterwards it is free again."""
    with (
        ReportFolder(tmp_path / "r"),
        pytest.raises(InvalidRequest, match="another game day"),
        ReportFolder(tmp_path / "r"),
    ):
        pass
    with ReportFolder(tmp_path / "r"):
        pass


def test_report_folder_removes_only_what_a_game_day_wrote(tmp_path: Path) -> None:
    """The runs of the last summary go; everything else stays, whatever the summary says."""
    for name in ("run", "mine"):
        (tmp_path / "r" / name).mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    names = ["run", "../outside", "..", "", "."]
    (tmp_path / "r" / SUMMARY).write_text(json.dumps({"runs": [{"name": name} for name in names]}))
    with ReportFolder(tmp_path / "r"):
        assert sorted(path.name for path in (tmp_path / "r").iterdir()) == [".lock", "mine"]
    assert outside.is_dir()


def test_report_folder_that_cannot_be_is_refused_in_one_line(tmp_path: Path) -> None:
    """A file in its place is the user's slip; a folder that cannot be made is the machine's."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidRequest, match="not a folder"), ReportFolder(tmp_path / "file"):
        pass
    with pytest.raises(InvalidRequest, match="not a folder"), ReportFolder(tmp_path / "file" / "below"):
        pass
    with pytest.raises(EnvironmentFailure, match="cannot be written"), ReportFolder(Path("/proc/nowhere")):
        pass
