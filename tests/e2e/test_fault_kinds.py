"""Every kind of fault, from onset to undo, in a game day of its own on a private cluster."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.runs import FAULT_KINDS, GAMEDAY

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(400)
def test_each_kind_of_fault_is_proven_in_force_felt_undone_and_passed_by_a_sound_shop(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """One experiment a kind: passed says all of it, and the journal names the fault and what it touched."""
    argv = [GAMEDAY, "run", *map(str, FAULT_KINDS), "--report", str(tmp_path / "report")]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for file in FAULT_KINDS:
        journal = json.loads((tmp_path / "report" / file.stem / "journal.json").read_text())["gameday"]
        faults = journal["faults"]
        assert faults, file.stem
        assert all(one["in_force"] and one["touched"] and one["undone"] for one in faults), (file.stem, faults)
