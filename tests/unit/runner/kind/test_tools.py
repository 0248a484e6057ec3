"""Programs that are run for a kind cluster: what they say, how they are ended, and what their complaints mean."""

from __future__ import annotations

import queue
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from gameday.runner import leftovers
from gameday.runner.errors import InvalidRequest
from gameday.runner.kind.complaints import meaning
from gameday.runner.kind.tools import ToolFailure, _group_lives, find_engine, run

if TYPE_CHECKING:
    from pathlib import Path


def python(code: str) -> list[str]:
    """A program of these lines."""
    return [sys.executable, "-c", code]


def test_what_it_says_comes_line_by_line() -> None:
    """Its stdout is returned; its stderr is heard as it comes."""
    heard: list[str] = []
    code = "import sys; print('out'); print('one', file=sys.stderr); print('two', file=sys.stderr)"
    assert run(python(code), timeout_s=20, heard=heard.append) == "out\n"
    assert heard == ["one\n", "two\n"]


def test_a_failure_is_one_line_with_all_that_was_said() -> None:
    """The last line that sounds like a failure is in the message."""
    code = "import sys; print('note', file=sys.stderr); print('ERROR: no such thing', file=sys.stderr); sys.exit(3)"
    with pytest.raises(ToolFailure, match=r"^trying it failed: ERROR: no such thing$") as raised:
        run(python(code), timeout_s=20, what="trying it")
    assert "note" in raised.value.said


def test_a_program_that_is_not_there() -> None:
    """Says so, and which."""
    with pytest.raises(ToolFailure, match="cannot run /nowhere/kind: No such file or directory"):
        run(["/nowhere/kind", "version"], timeout_s=20)


def test_one_that_takes_too_long_is_ended_with_all_that_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its child too, though it has not asked for that; its time begins once that child has begun."""
    child = "import os,sys,time; print(os.getpid(), file=sys.stderr, flush=True); time.sleep(5)"
    start = f"subprocess.Popen([sys.executable, '-c', {child!r}])"
    code = f"import subprocess,sys,time; {start}; time.sleep(100)"
    said: queue.Queue[str] = queue.Queue()
    begun: list[tuple[int, float]] = []
    wait = subprocess.Popen.wait

    def wait_from_its_childs_word_on(process: subprocess.Popen[str], timeout: float | None = None) -> int:
        if not begun:
            begun.append((int(said.get(timeout=60)), time.monotonic()))
        return wait(process, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", wait_from_its_childs_word_on)
    with pytest.raises(ToolFailure, match="not done after 3 s"):
        run(python(code), timeout_s=3, heard=said.put)
    ((pid, began),) = begun
    assert time.monotonic() - began < 60
    assert leftovers._started_at(pid) == ""


def test_what_it_asked_for_comes_to_its_end_and_is_undone(tmp_path: Path) -> None:
    """Interrupted: the program ends at once, its child when it is through; only then is nothing left to come."""
    made, child, program, script = (tmp_path / name for name in ("made", "child.py", "program.py", "script.py"))
    child.write_text(f"import pathlib, time\ntime.sleep(2)\npathlib.Path({str(made)!r}).touch()\n")
    program.write_text(
        f"import subprocess, sys, time\nsubprocess.Popen([sys.executable, {str(child)!r}])\n"
        "print('begun', file=sys.stderr, flush=True)\ntime.sleep(60)\n"
    )
    script.write_text(
        "import pathlib, sys\n"
        "from gameday.runner.interrupts import interruptible\n"
        "from gameday.runner.kind.tools import run\n"
        f"made, argv = pathlib.Path({str(made)!r}), [sys.executable, {str(program)!r}]\n"
        "with interruptible():\n"
        "    run(argv, timeout_s=50, heard=lambda line: print(line, end='', flush=True),\n"
        "        undo=lambda: made.unlink(missing_ok=True))\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == b"begun\n"
        runner.send_signal(signal.SIGTERM)
        _, said = runner.communicate(timeout=40)
    assert b"Interrupted" in said
    assert not made.exists()


def test_a_process_whose_name_is_cut_in_a_letter_keeps_nothing_from_being_ended(tmp_path: Path) -> None:
    """The kernel keeps 15 bytes of a name: that of a stranger may be no text."""
    stranger = tmp_path / ("a" * 14 + "é")
    stranger.symlink_to(shutil.which("sleep") or "")
    with subprocess.Popen([str(stranger), "60"], start_new_session=True) as running:
        try:
            assert _group_lives(running.pid)
        finally:
            running.kill()
    assert not _group_lives(running.pid)


def test_podman_is_told_though_it_is_called_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Debian's podman-docker does: it names images otherwise, and its archives must be asked for."""
    note = tmp_path / "note"
    program = tmp_path / "docker"
    program.write_text(f'#!/bin/sh\necho "$@" >>{note}\necho podman version 5.4.2\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("KIND_EXPERIMENTAL_PROVIDER", raising=False)
    engine = find_engine()
    assert (engine.name, engine.identity()) == ("podman", "")
    engine.save(["a:1", "b:2"], "/to")
    assert "save --format docker-archive --multi-image-archive --output /to a:1 b:2" in note.read_text().splitlines()


def test_an_engine_that_we_do_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kind knows more of them."""
    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "nerdctl")
    with pytest.raises(InvalidRequest, match="KIND_EXPERIMENTAL_PROVIDER=nerdctl: expected docker or podman"):
        find_engine()


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("permission denied while trying to connect to the Docker daemon socket at unix:///v/docker.sock", "usermod"),
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            "start it",
        ),
        ("Cannot connect to Podman. Please verify your connection", "podman machine start"),
        ("ERROR: write /tmp/x: no space left on device", "the disk is full"),
        (
            "driver failed programming external connectivity: Bind for 0.0.0.0:80 failed: port is already allocated",
            "a port is",
        ),
        (
            'ERROR: failed to pull image "kindest/node:v9": dial tcp: lookup r: no such host',
            "an image cannot be pulled",
        ),
    ],
)
def test_complaints_are_understood(said: str, advice: str) -> None:
    """What to do comes first, their own words after it; in one line."""
    told = meaning(f"some line before\n{said}\nexit status 1\n", "docker")
    assert advice in told.partition(" (it said: ")[0]
    assert said[-40:] in told
    assert "\n" not in told


def test_a_complaint_that_nobody_knows_is_passed_on() -> None:
    """The last line that sounds wrong, or else the last one."""
    assert meaning("a\nERROR: strange\nhint\n", "docker") == "ERROR: strange"
    assert meaning("a\nb\n", "docker") == "b"
    assert meaning("", "docker") == "it said nothing"
