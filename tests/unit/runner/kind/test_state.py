"""What is remembered of a kind cluster, and who may change it."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gameday.runner.errors import EnvironmentFailure, InvalidRequest
from gameday.runner.kind.state import Made, State

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
    with pytest.raises(EnvironmentFailure, match="Not a directory; set GAMEDAY_STATE"), State(tmp_path / "file").held():
        pass
