"""What is not allowed is not run, under `gameday run` and plain `chaos run`; and what somebody allows all the same.

On one cluster that stays; each experiment is a short one on the friendly page, changed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gameday import evidence
from gameday.activities import guard, pods, terminating, undo
from gameday.activities.caps import Caps
from gameday.activities.targets import is_ready
from gameday.ledger import Ledger
from tests.e2e.hunts import over_after
from tests.e2e.runs import GAMEDAY, ROOT, SHOP

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.kube import Kube

pytestmark = pytest.mark.timeout(300)

CHAOS = str(Path(sys.executable).parent / "chaos")
FRIENDLY = ROOT / "experiments" / "prime-day" / "friendly-page-when-every-backend-is-dead.yaml"
KILL = {"type": "python", "module": "chaosk8s.pod.actions", "func": "terminate_pods"}


class Quick:
    """A short experiment in a folder of its own, and how it is run."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        """The experiment is as it passes."""
        self.folder, self.file, self.trace = folder, folder / "quick.yaml", folder / "trace"
        self.environment = environment
        self.experiment: dict[str, Any] = yaml.safe_load(FRIENDLY.read_text())
        self.control = self.experiment["controls"][0]["provider"]["arguments"]
        self.control |= {"baseline_s": 1, "recovery_s": 60}
        self.experiment["method"][1]["provider"]["arguments"]["duration_s"] = 2
        hypothesis = self.experiment["steady-state-hypothesis"]
        del hypothesis["probes"][1]
        hypothesis["probes"][0]["provider"]["arguments"]["at_least"] = 10
        self.experiment["extensions"] = []

    @property
    def touch(self) -> dict[str, Any]:
        """A provider that leaves a trace."""
        return {"type": "process", "path": "touch", "arguments": [str(self.trace)]}

    def act(self, provider: dict[str, Any], part: str = "method") -> None:
        """One more action, the first of its part."""
        self.experiment[part].insert(0, {"type": "action", "name": "the-other", "provider": provider})

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """By `gameday run`, in the shop that is there."""
        report = ["--report", str(self.folder / "report")]
        return self.call([GAMEDAY, "run", str(self.file), *SHOP, *report, *words], **environment)

    def chaos(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """By plain `chaos run`, which knows the kubeconfig and nothing else of ours."""
        shell = {"KUBECONFIG": str(Path(self.environment["GAMEDAY_STATE"]) / "local" / "kubeconfig"), **environment}
        chaos = [CHAOS, "--no-version-check", "run", "--journal-path", "journal.json"]
        return self.call([*chaos, *words, str(self.file)], **shell)

    def call(self, argv: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        """Any command, once the experiment is written; nobody ever sees a traceback."""
        self.file.write_text(yaml.safe_dump(self.experiment))
        done = subprocess.run(argv, cwd=self.folder, env={**self.environment, **environment}, capture_output=True,
                              text=True, timeout=140, check=False)  # fmt: skip
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def verdict(self) -> tuple[str, str]:
        """Verdict and reason in the journal that either of them left."""
        (file,) = [*self.folder.glob("journal.json"), *self.folder.glob("report/*/journal.json")]
        ours = json.loads(file.read_text())["gameday"]
        return ours["verdict"], ours["reason"]


@pytest.fixture
def quick(lasting: Kube, environment: dict[str, str], tmp_path: Path) -> Quick:
    """A short experiment on the cluster that stays, whose shop serves."""
    kept = {name: value for name, value in environment.items() if name == "GAMEDAY_STATE" or "GAMEDAY" not in name}
    return Quick(tmp_path, {name: value for name, value in kept.items() if not name.startswith("KUBE")})


def untouched(lasting: Kube) -> bool:
    """Whether nothing was set: every Deployment has its replicas, and nothing is on record."""
    deployments = lasting.apps.list_namespaced_deployment("shop").items
    return all(d.spec.replicas for d in deployments) and Ledger(lasting, "shop").entries() == []


# --- a process


def by_the_configuration(quick: Quick) -> None:
    """A probe that Chaos Toolkit asks before any hook of a control."""
    quick.experiment["configuration"]["x"] = {"type": "probe", "name": "x", "provider": quick.touch}


def by_a_tolerance(quick: Quick) -> None:
    """A probe that says whether a probe is within tolerance."""
    tolerance = {"type": "probe", "name": "x", "provider": quick.touch}
    quick.experiment["steady-state-hypothesis"]["probes"][0]["tolerance"] = tolerance


def by_the_method(quick: Quick) -> None:
    """The first action."""
    quick.act(quick.touch)


def by_the_rollbacks(quick: Quick) -> None:
    """Which are played after an interruption too."""
    quick.act(quick.touch, "rollbacks")


EVERYWHERE = [by_the_configuration, by_a_tolerance, by_the_method, by_the_rollbacks]


@pytest.mark.parametrize("place", EVERYWHERE)
def test_chaos_run_refuses_before_a_process_is_run(place: Callable[[Quick], None], quick: Quick) -> None:
    """Exit 1, the way to allow it is said, and no trace of the process: not even the configuration's was asked."""
    place(quick)
    done = quick.chaos()
    assert done.returncode == 1
    assert "GAMEDAY_ALLOW_PROCESS=1 under chaos run" in done.stdout + done.stderr
    assert not quick.trace.exists()


@pytest.mark.parametrize("place", EVERYWHERE[1:])
def test_without_validation_the_control_itself_refuses(
    place: Callable[[Quick], None], quick: Quick, lasting: Kube
) -> None:
    """The verdict is invalid; neither method nor rollbacks are played, so that there is no trace."""
    place(quick)
    done = quick.chaos("--no-validation")
    verdict, reason = quick.verdict()
    assert (done.returncode, verdict) == (1, "invalid")
    assert "--allow-process" in reason
    assert not quick.trace.exists()
    assert untouched(lasting)


def test_an_allowed_process_is_run_and_keeps_the_verdict_from_passed(quick: Quick) -> None:
    """Nobody can prove what it did: without it the same experiment passes (tests/e2e/test_bad_input.py)."""
    by_the_method(quick)
    done = quick.run("--allow-process")
    verdict, reason = quick.verdict()
    assert (done.returncode, verdict) == (3, "inconclusive")
    assert "the action the-other is not ours and has no entry in the ledger" in reason
    assert quick.trace.exists()
    (facts,) = quick.folder.glob("report/*/evidence.jsonl")
    assert "allowed beyond the list: processes" in facts.read_text()


def test_an_allowed_look_may_pass(quick: Quick) -> None:
    """A probe by a process changes nothing by its own word; under chaos run it is the environment that allows it."""
    probe = {"type": "probe", "name": "look", "provider": quick.touch}
    quick.experiment["method"].insert(0, probe)
    done = quick.chaos(GAMEDAY_ALLOW_PROCESS="1")
    assert (done.returncode, quick.verdict()[0]) == (0, "passed"), done.stderr
    assert quick.trace.exists()


# --- an action without a ledger


def test_a_ledgerless_action_is_refused_or_inconclusive(quick: Quick) -> None:
    """Pods come back by themselves, and ours is proven beside it; but nobody proves that this one was killed."""
    quick.act({**KILL, "arguments": {"label_selector": "app=web", "qty": 1, "grace_period": 0, "ns": "shop"}})
    refused = quick.run()
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert "use gameday.activities.pods.terminate_pods, or allow it with --allow-module" in refused.stderr
    done = quick.run("--allow-module", "chaosk8s.pod.actions")
    verdict, reason = quick.verdict()
    assert (done.returncode, verdict) == (3, "inconclusive"), reason
    assert "the action the-other is not ours" in reason


# --- too many


def test_a_fault_that_hits_too_many_does_not_act(quick: Quick, lasting: Kube) -> None:
    """The plan cannot know a selector of the configuration: the fault itself asks, and nothing is scaled."""
    del quick.control["guard"]
    quick.experiment["configuration"]["selector"] = "tier=backend"
    quick.experiment["method"][0]["provider"]["arguments"]["label_selector"] = "${selector}"
    done = quick.run()
    verdict, reason = quick.verdict()
    assert (done.returncode, verdict) == (3, "inconclusive")
    assert "12 of the namespace's 15 pods would be hit, at most 7 may be (max_share 0.5)" in reason
    assert untouched(lasting)


def test_in_a_namespace_that_is_there_the_plan_counts_what_runs(quick: Quick) -> None:
    """The guardian, which is there too, is no part of the shop; the refusal comes before anything is started."""
    shown = quick.run("--dry-run")
    assert "hits 12 of 15 pods" in shown.stdout
    quick.control["guard"] = {"max_pods": 9}
    done = quick.run()
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "guard: {max_pods: 12}" in done.stderr


# --- a cluster that nobody named


@pytest.fixture
def renamed(environment: dict[str, str], lasting: Kube, tmp_path: Path) -> Path:
    """A kubeconfig whose current context leads to the same cluster and is named prod."""
    config = yaml.safe_load((Path(environment["GAMEDAY_STATE"]) / "local" / "kubeconfig").read_text())
    config["contexts"][0]["name"] = config["current-context"] = "prod"
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    return tmp_path / "config"


def test_gameday_run_takes_it_by_its_name_alone(quick: Quick, renamed: Path) -> None:
    """By --context, or not at all: a dry run is enough to see."""
    where = [GAMEDAY, "run", str(quick.file), "--namespace", "shop", "--dry-run"]
    refused = quick.call(where, KUBECONFIG=str(renamed))
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert "to use it say --context prod" in refused.stderr
    named = quick.call([*where, "--context", "prod"], KUBECONFIG=str(renamed))
    assert (named.returncode, named.stderr) == (0, "")


@pytest.mark.parametrize(
    ("namespace", "said"),
    [("default", "never attacked"), ("kube-system", "never attacked"), ("other", "gameday.dev/allowed=true"),
     ("none", "does not exist")],
)  # fmt: skip
def test_a_namespace_takes_part_by_its_label_alone(
    namespace: str, said: str, quick: Quick, lasting: Kube, request: pytest.FixtureRequest
) -> None:
    """Exit 2 and one line, for a protected one, one that has not opted in, and one that is not there."""
    if namespace == "other":
        lasting.core.create_namespace({"metadata": {"name": "other"}})
        request.addfinalizer(lambda: lasting.core.delete_namespace("other"))
    done = quick.call([GAMEDAY, "run", str(quick.file), "--context", "gameday-local", "--namespace", namespace])
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert said in done.stderr


def test_under_chaos_run_too_a_context_must_be_named(quick: Quick, renamed: Path, lasting: Kube) -> None:
    """Invalid with the current context alone; spelled out, the same experiment passes."""
    refused = quick.chaos(KUBECONFIG=str(renamed))
    verdict, reason = quick.verdict()
    assert (refused.returncode, verdict) == (1, "invalid")
    assert "KUBERNETES_CONTEXT=prod" in reason
    assert untouched(lasting)
    named = quick.chaos(KUBECONFIG=str(renamed), KUBERNETES_CONTEXT="prod")
    assert (named.returncode, quick.verdict()[0]) == (0, "passed"), named.stderr


def test_each_fault_asks_by_itself(renamed: Path, lasting: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    """An action that is called without our control is no way around the guard."""
    monkeypatch.setenv("KUBECONFIG", str(renamed))
    monkeypatch.delenv("KUBERNETES_CONTEXT", raising=False)
    guard.set_caps(Caps())
    with pytest.raises(guard.NotAllowedError, match="neither embedded nor kind"):
        pods.scale_to_zero("shop", "app=web")
    monkeypatch.setenv("KUBERNETES_CONTEXT", "prod")
    with pytest.raises(guard.NotAllowedError, match="at most 7 may be"):
        pods.scale_to_zero("shop", "tier=backend")
    assert untouched(lasting)


def test_killing_one_after_the_other_keeps_to_the_caps(lasting: Kube, environment: dict[str, str],
                                                       monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """With one pod at a time, each kill waits until all the others are ready again, and all apps are hit in the end."""
    config = Path(environment["GAMEDAY_STATE"]) / "local" / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(config))
    monkeypatch.setenv("KUBERNETES_CONTEXT", "gameday-local")
    # chaostoolkit-kubernetes goes by what the client read when it was imported.
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(config))
    evidence.forget()
    guard.set_caps(Caps(max_pods=1))
    ready_at_kill = []
    delete = terminating.delete_pod

    def counted(*arguments: Any) -> bool:
        found = lasting.core.list_namespaced_pod("shop", label_selector="app in (web, cart)").items
        ready_at_kill.append(sum(map(is_ready, found)))
        return delete(*arguments)

    monkeypatch.setattr(terminating, "delete_pod", counted)
    try:
        with over_after(3):
            done = pods.terminate_pods("shop", "app in (web, cart)", every_s=0.1, duration_s=60, seed=1)
    finally:
        guard.set_caps(Caps())
        undo.revert_faults("shop")
        evidence.forget()
    assert {hit["app"] for hit in done["killed"]} == {"web", "cart"}
    assert set(ready_at_kill) == {4}
