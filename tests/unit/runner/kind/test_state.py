"""What is remembered of a kind cluster, and who may change it."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gameday.runner.errors import EnvironmentFailure, InvalidRequest
from gameday.runner.kind.state import InUse, Made, State

if TYPE_CHECKING:
    from pathlib import Path

MADE = Made(nodes=3, shop_port=8080, node_image="", image="gameday/storefront:1")


def test_what_was_made_is_remembered_until_it_is_forgotten(tmp_path: Path) -> None:
    """A torn or strange file is as none."""
    state = State(tmp_path / "kind")
    with state.held():
        assert state.read() is None
        state.write(MADE)
        assert state.read() == MADE
        (state.folder / "made.json").write_text('{"nodes": 3}')
        assert state.read() is None
        state.write(MADE)
        state.forget()
        assert state.read() is None
        state.remove()
    assert not state.folder.exists()


def test_one_at_a_time_holds_it_and_so_does_whoever_inherits(tmp_path: Path) -> None:
    """A program that outlives its holder keeps the next one away until it ends."""
    state = State(tmp_path / "kind")
    with state.held() as lock:
        with pytest.raises(InvalidRequest, match="another gameday"), state.held():
            pass
        heir = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,))
    with pytest.raises(InvalidRequest, match="a kind that it began still does"), state.held():
        pass
    heir.communicate(b"\n")
    with state.held() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """One line with the next step."""
    (tmp_path / "file").touch()
    state = State(tmp_path / "file" / "kind")
    with pytest.raises(EnvironmentFailure, match="Not a directory; set GAMEDAY_STATE"), state.held():
        pass


def test_nobody_ends_it_while_a_run_is_in_it(tmp_path: Path) -> None:
    """Several runs may be in it; while somebody ends it none begins."""
    state = State(tmp_path / "kind")
    with state.in_use(), state.in_use(), pytest.raises(InUse, match="a run is under way"), state.unused():
        pass
    with state.unused(), pytest.raises(InUse, match="another gameday ends"), state.in_use():
        pass


def test_no_two_states_have_the_same_mark(tmp_path: Path) -> None:
    """They may be at the same path, on two machines that share an engine; one's own stays what it is."""
    one, other = State(tmp_path / "one"), State(tmp_path / "other")
    for state in (one, other):
        assert (state.mark, state.engine) == (None, None)
        with state.held():
            state.begin("docker", "ID")
    assert one.mark is not None
    assert other.mark is not None
    assert one.mark.name != other.mark.name
    assert one.engine == ("docker", "ID")
    mark = one.mark
    with one.held():
        one.forget()
        assert State(one.folder).engine is None
        assert one.begin("podman", "") == mark
