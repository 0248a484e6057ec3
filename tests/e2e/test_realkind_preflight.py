"""`gameday preflight --cluster kind` beside a real container engine and a real kind; no cluster is made."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e import realkind
from tests.e2e.runs import GAMEDAY

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.realkind, pytest.mark.timeout(300)]


def test_a_machine_with_an_engine_and_kind(tmp_path: Path) -> None:
    """Both are found, the engine's room and disk are told, and what is up is nothing that this kubeconfig has."""
    with realkind.engine_up():
        argv = [realkind.TOOL.command, "exec", GAMEDAY, "preflight", "--cluster", "kind"]
        there = {**os.environ, "KUBECONFIG": str(tmp_path / "none"), "GAMEDAY_STATE": str(tmp_path / "state")}
        done = subprocess.run(argv, env=there, capture_output=True, text=True, timeout=120, check=False)
    assert done.stderr == ""
    lines = {" ".join(line.split(":", 1)[0].split()[1:]): line for line in done.stdout.splitlines()}
    assert lines["container engine"].startswith("ok       container engine: docker (")
    assert lines["kind"].startswith("ok       kind: 0.")
    assert "processors" in lines["docker's room"]
    assert "GiB free in " in lines["docker's disk"]
    assert lines["kind cluster"].startswith("note ")
