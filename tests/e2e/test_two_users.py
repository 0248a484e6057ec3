"""Two users of one machine have a game day each, at once: neither notices the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.e2e.runs import ROOT, without

if TYPE_CHECKING:
    from tests.e2e.nobody import Nobody

SCRIPT = "from gameday.cli import main; main()"
FRIENDLY = ROOT / "experiments" / "prime-day" / "friendly-page-when-every-backend-is-dead.yaml"


def start(python: str | Path, folder: Path, identity: dict[str, Any]) -> subprocess.Popen[str]:
    """Start a user's game day, with an empty HOME; state and report go below the folder, the experiment is there.

    How fast pages come is not asked: two game days at once may be too much for this machine.
    """
    file = folder / "friendly.yaml"
    file.write_text(yaml.safe_dump(without(FRIENDLY, "pages-come-within-1000-ms")))
    os.chown(file, identity.get("user", -1), identity.get("group", -1))
    command = [str(python), "-c", SCRIPT, "run", str(file), "--report", str(folder / "report")]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder)}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **identity
    )


def processes_in(folder: Path) -> list[str]:
    """What still runs in this user's name: its environment or its words name the folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            known_by = (place / "environ").read_bytes() + (place / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in known_by:
            found.append(place.name)
    return found


@pytest.mark.timeout(400)
def test_two_users_game_days_at_once(tmp_path: Path, nobody: Nobody) -> None:
    """Root's passes and nobody's passes, each with a cluster, a state folder and a report of its own."""
    days = {
        0: (tmp_path, start(sys.executable, tmp_path, {})),
        65534: (nobody.folder, start(nobody.python, nobody.folder, nobody.identity())),
    }
    try:
        for owner, (folder, day) in days.items():
            said, _ = day.communicate(timeout=180)
            assert day.returncode == 0, f"user {owner}: {said}"
            summary = json.loads((folder / "report" / "gameday.json").read_text())
            assert [one["verdict"] for one in summary["runs"]] == ["passed"]
            assert {path.stat().st_uid for path in folder.rglob("*")} == {owner}
            assert list((folder / ".local" / "state" / "gameday").iterdir()) == []
    finally:
        for _, day in days.values():
            day.kill()
            day.communicate()
    assert [processes_in(folder) for folder, _ in days.values()] == [[], []]
