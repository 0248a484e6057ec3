"""What the command refuses before anything is started, and the flag that allows it: as a user types it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[3]
FRIENDLY = ROOT / "experiments" / "prime-day" / "friendly-page-when-every-backend-is-dead.yaml"


def gameday(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, with no cluster in reach unless one is given."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GAMEDAY_", "KUBE"))}
    return subprocess.run(
        [sys.executable, "-c", "from gameday.cli import main; main()", *words],
        check=False, capture_output=True, text=True, cwd=ROOT, env={**kept, **environment}, timeout=60,
    )  # fmt: skip


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], None]], Path]:
    """Write the friendly page's experiment, changed."""

    def changed(change: Callable[[dict[str, Any]], None]) -> Path:
        experiment = yaml.safe_load(FRIENDLY.read_text())
        change(experiment)
        (tmp_path / "changed.yaml").write_text(yaml.safe_dump(experiment))
        return tmp_path / "changed.yaml"

    return changed


def touch(file: Path) -> dict[str, Any]:
    """A provider that leaves a trace."""
    return {"type": "process", "path": "touch", "arguments": [str(file)]}


PLACES: dict[str, Callable[[dict[str, Any], dict[str, Any]], None]] = {
    "method": lambda e, p: e["method"].append({"type": "action", "name": "x", "provider": p}),
    "configuration": lambda e, p: e["configuration"].update(x={"type": "probe", "name": "x", "provider": p}),
    "tolerance": lambda e, p: e["steady-state-hypothesis"]["probes"][0].update(
        tolerance={"type": "probe", "name": "x", "provider": p}
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_process_is_refused_by_run_and_lint_alike(place: str, write: Any, tmp_path: Path) -> None:
    """Exit 2, one line that names file, line, rule and flag; it was not run. With the flag the plan is made."""
    file = write(lambda e: PLACES[place](e, touch(tmp_path / "ran")))
    run, lint = gameday("run", str(file), "--report", str(tmp_path / "report")), gameday("lint", str(file))
    (said,) = run.stderr.splitlines()
    assert (run.returncode, run.stdout, lint.returncode) == (2, "", 2)
    assert said.startswith(f"gameday: {file}:")
    assert "a process provider runs a command on this machine; allow it with --allow-process" in said
    assert said.removeprefix("gameday: ") == lint.stdout.splitlines()[0]
    assert gameday("lint", str(file), GAMEDAY_ALLOW_PROCESS="1").returncode == 0
    shown = gameday("run", "--dry-run", str(file), "--allow-process")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert (f"x: process touch ['{tmp_path / 'ran'}']" in shown.stdout) is (place == "method")
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("provider", "flag"),
    [
        ({"type": "http", "url": "http://x.example", "method": "POST"}, ["--allow-http"]),
        ({"type": "python", "module": "os", "func": "getcwd"}, ["--allow-module", "os"]),
        ({"type": "python", "module": "chaosk8s.deployment.actions", "func": "scale_deployment",
          "arguments": {"name": "web", "replicas": 0}}, ["--allow-module", "chaosk8s.deployment.actions"]),
    ],
    ids=["http", "module", "chaosk8s"],
)  # fmt: skip
def test_each_refusal_names_its_flag(provider: dict[str, Any], flag: list[str], write: Any) -> None:
    """And the flag may be given beside others."""
    file = write(lambda e: PLACES["method"](e, provider))
    refused = gameday("run", "--dry-run", str(file))
    (said,) = refused.stderr.splitlines()
    assert refused.returncode == 2
    assert f"allow it with {' '.join(flag)} (GAMEDAY_ALLOW_" in said
    allowed = gameday("run", "--dry-run", str(file), "--allow-module", "team", *flag)
    assert (allowed.returncode, allowed.stderr) == (0, "")


def test_a_fault_that_hits_too_many_is_refused_by_the_plan(write: Any) -> None:
    """One line with the way out; the dry run of the one that says so shows what it hits."""
    refused = gameday("run", str(write(lambda e: e["controls"][0]["provider"]["arguments"].pop("guard"))))
    (said,) = refused.stderr.splitlines()
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "take-every-backend-away: 12 of the namespace's 15 pods would be hit, at most 7 may be" in said
    assert "guard: {max_share: 0.8}" in said
    shown = gameday("run", "--dry-run", str(FRIENDLY))
    assert "hits 12 of 15 pods" in shown.stdout
    assert shown.returncode == 0


@pytest.mark.parametrize("context", ["prod", "kind-elsewhere"])
def test_a_current_context_must_be_spelled_out(context: str, tmp_path: Path) -> None:
    """Neither a run nor its dry run takes the cluster that somebody used last; the line says how to name it."""
    cluster = {"name": "c", "cluster": {"server": "https://192.0.2.1"}}  # reserved for documentation: nobody answers
    entries = {"contexts": [{"name": context, "context": {"cluster": "c", "user": "u"}}], "clusters": [cluster]}
    config = {"apiVersion": "v1", "kind": "Config", "current-context": context, **entries, "users": []}
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    for dry in ([], ["--dry-run"]):
        done = gameday("run", str(FRIENDLY), "--namespace", "shop", *dry, KUBECONFIG=str(tmp_path / "config"))
        (said,) = done.stderr.splitlines()
        assert (done.returncode, done.stdout) == (2, "")
        assert f"context {context} is neither embedded nor kind" in said
        assert f"--context {context}" in said
