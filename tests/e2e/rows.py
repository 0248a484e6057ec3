"""One experiment under `gameday run` and, beside it in a shop of its own, under plain `chaos run` with our control.

Two shops on one cluster that lives on, each with a guardian; the same file in both, so that what one does not
see the other may.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from gameday import evidence
from gameday.ledger import Ledger, differences, snapshot
from gameday.ledger.restoring import mend_commands
from tests.e2e.runs import GAMEDAY, ROOT, command, serves, under_way

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gameday.kube import Kube

CHAOS = str(Path(sys.executable).parent / "chaos")
KUBECTL = str(Path(sys.executable).parent / "kubectl")
TWIN = "twin"
"""The namespace of the second shop, that of `chaos run`."""

Experiment = dict[str, Any]


def python(name: str, function: str, /, *, kind: str = "action", **arguments: Any) -> dict[str, Any]:
    """An activity that calls `package.module:function`."""
    module, func = function.split(":")
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    return {"name": name, "type": kind, "provider": provider}


def ours(name: str, function: str, /, **arguments: Any) -> dict[str, Any]:
    """One of our actions, in the namespace of the run."""
    return python(name, f"gameday.activities.{function}", namespace="${namespace}", **arguments)


def theirs(name: str, function: str, /, **arguments: Any) -> dict[str, Any]:
    """An action of chaostoolkit-kubernetes, there."""
    return python(name, f"chaosk8s.{function}", ns="${namespace}", **arguments)


def process(name: str, *words: str) -> dict[str, Any]:
    """An action that runs a command on this machine."""
    return {"name": name, "type": "action", "provider": {"type": "process", "path": words[0], "arguments": words[1:]}}


def probe(name: str, function: str, /, **arguments: Any) -> dict[str, Any]:
    """A hypothesis of ours, which must hold."""
    found = python(name, f"gameday.activities.probes.{function}", kind="probe", **arguments)
    return {**found, "tolerance": {"type": "regex", "target": "verdict", "pattern": "^holds$"}}


def watched(duration_s: float) -> dict[str, Any]:
    """The traffic goes on under the fault."""
    return python("shoppers-go-on", "gameday.activities.traffic:observe", duration_s=duration_s)


def sound() -> Experiment:
    """An experiment that passes: without a catalog the home page comes.

    Few may fail, but not none: in a second or two one page that is slow on a busy machine would decide the verdict.
    """
    shoppers = {"rate_per_s": 20, "mix": {"home": 1}}
    arguments = {"namespace": "${namespace}", "shoppers": shoppers, "baseline_s": 1, "recovery_s": 60}
    control = {"type": "python", "module": "gameday.activities.control", "arguments": arguments}
    pages_come = probe("page-errors-below-30-percent", "pages:page_error_rate_below", limit=0.3)
    return {
        "title": "Without a catalog the home page comes",
        "description": "All pods of the catalog are gone for a while.",
        "configuration": {"namespace": {"type": "env", "key": "GAMEDAY_NAMESPACE", "default": "shop"}},
        "controls": [{"name": "gameday", "provider": control}],
        "steady-state-hypothesis": {"title": "The home page comes", "probes": [pages_come]},
        "method": [
            ours("take-the-catalog-away", "pods:scale_to_zero", label_selector="app=catalog"),
            watched(2.5),
        ],
        "rollbacks": [ours("undo-all-faults", "undo:revert_faults")],
        "runtime": {"rollbacks": {"strategy": "always"}},
    }


def bare(experiment: Experiment) -> Experiment:
    """What of an experiment is Chaos Toolkit's and chaostoolkit-kubernetes' own."""
    home = {"type": "process", "path": "true"}
    holds = {"name": "all-is-well", "type": "probe", "tolerance": 0, "provider": home}
    kept = {key: value for key, value in experiment.items() if key != "controls"}
    for part in ("method", "rollbacks"):
        kept[part] = [one for one in kept[part] if not one["provider"].get("module", "").startswith("gameday.")]
    return {**kept, "steady-state-hypothesis": {"title": "All is well", "probes": [holds]}}


@dataclass(frozen=True)
class Ended:
    """What a run left: its exit code, our part of its journal, what it said."""

    code: int
    journal: dict[str, Any]
    said: str

    @property
    def outcome(self) -> tuple[int, Any]:
        """Its exit code and our verdict."""
        return self.code, self.journal.get("verdict")

    @property
    def reason(self) -> str:
        """Why, in one line."""
        return str(self.journal.get("reason"))


@dataclass
class Begun:
    """A run under way in one of the shops."""

    process: subprocess.Popen[bytes]
    folder: Path
    namespace: str

    def facts(self) -> list[dict[str, Any]]:
        """What it has recorded so far."""
        return [fact for file in self.folder.rglob(evidence.FILE_NAME) for fact in evidence.read(file)]

    def wait_for(self, timeout_s: float = 60, **wanted: Any) -> None:
        """Wait for a fact, such as event="phase", phase="rollback"."""
        ends = time.monotonic() + timeout_s
        while not any(wanted.items() <= fact.items() for fact in self.facts()):
            assert self.process.poll() is None, f"it ended with {self.process.returncode} before {wanted}: {self.said}"
            assert time.monotonic() < ends, f"no {wanted} within {timeout_s} s: {self.said}"
            time.sleep(0.05)  # the file belongs to another process: there is no event to await

    def wait_for_line(self, text: str, timeout_s: float = 60) -> None:
        """Wait for what it prints."""
        ends = time.monotonic() + timeout_s
        while text not in self.said:
            assert self.process.poll() is None, f"it ended with {self.process.returncode} before {text!r}: {self.said}"
            assert time.monotonic() < ends, f"no {text!r} within {timeout_s} s: {self.said}"
            time.sleep(0.05)  # the file belongs to another process: there is no event to await

    @property
    def said(self) -> str:
        """All that it printed."""
        return (self.folder / "said").read_text()

    def end(self, timeout_s: float = 200) -> Ended:
        """Wait for its end."""
        code = self.process.wait(timeout_s)
        journal: dict[str, Any] = next((json.loads(file.read_text()) for file in self.folder.rglob("journal.json")), {})
        return Ended(code, journal.get("gameday") or {}, self.said)


class Shops:
    """The two shops, and what may be run in them."""

    def __init__(self, kube: Kube, environment: dict[str, str]) -> None:
        """`environment` names the cluster of `gameday up`; its twin is put up here, and ready on return."""
        environment = {**environment, "GAMEDAY_ALLOW_PROCESS": "1", "GAMEDAY_ALLOW_MODULES": "chaosk8s"}
        self.kube, self._environment = kube, environment
        kubeconfig = str(Path(environment["GAMEDAY_STATE"]) / "local" / "kubeconfig")
        self._shell = {**environment, "KUBECONFIG": kubeconfig, "GAMEDAY_NAMESPACE": TWIN}
        for words in (
            ["create", "namespace", TWIN],
            ["label", "namespace", TWIN, "gameday.dev/allowed=true"],
            ["-n", TWIN, "apply", "-k", "k8s/overlays/embedded"],
            ["-n", TWIN, "wait", "--for=condition=Available", "deployment", "--all", "--timeout=50s"],
        ):
            command([KUBECTL, *words], self._shell)
        command([GAMEDAY, "guardian", "install", "--namespace", TWIN], self._shell)
        self.before = {namespace: snapshot(kube, namespace) for namespace in ("shop", TWIN)}

    def left(self, namespace: str) -> list[str]:
        """What a shop still has of a fault: entries of its ledger, objects that are not as they were."""
        entries = [entry.id for entry in Ledger(self.kube, namespace).entries()]
        return entries + differences(self.before[namespace], snapshot(self.kube, namespace))

    def serves(self, namespace: str) -> bool:
        """Whether a shop's home page comes, and not as its fallback."""
        return serves(self.kube, namespace)

    def mend(self, namespace: str, remains: str) -> None:
        """Mend by hand what a verdict says remains, with the very command it gives; then the ledger lets go of it."""
        _, _, mending = remains.partition("; mend it with: ")
        self._by_hand(mending)
        command(self._revert(namespace), self._environment)

    def restore(self, namespace: str) -> None:
        """Whatever a test that went wrong has left, put it right for the next one."""
        before = self.before[namespace]
        subprocess.run(self._revert(namespace), env=self._environment, cwd=ROOT, check=False, capture_output=True)
        for line in mend_commands(self.kube.context, namespace, before, snapshot(self.kube, namespace)):
            self._by_hand(line)
        command(self._revert(namespace), self._environment)

    def _revert(self, namespace: str) -> list[str]:
        return [GAMEDAY, "revert", "--context", "gameday-local", "--namespace", namespace]

    def _by_hand(self, line: str) -> None:
        path = os.pathsep.join([str(Path(KUBECTL).parent), self._shell["PATH"]])
        command(["sh", "-c", line], {**self._shell, "PATH": path})

    @contextmanager
    def gameday(self, experiment: Experiment, folder: Path, *words: str) -> Iterator[Begun]:
        """`gameday run` in the first shop; killed at the end if it has not ended."""
        folder = folder / "gameday"
        where = ["--context", "gameday-local", "--namespace", "shop", *words]
        with under_way(_file(experiment, folder), self._environment, folder, where) as runner:
            yield Begun(runner, folder, "shop")

    @contextmanager
    def chaos(self, experiment: Experiment, folder: Path, *words: str) -> Iterator[Begun]:
        """`chaos run` in the second one; killed at the end if it has not ended."""
        folder = folder / "chaos"
        file = _file(experiment, folder)
        argv = [CHAOS, "--no-version-check", "run", *words, "--journal-path", "journal.json", str(file)]
        shell = {**self._shell, "GAMEDAY_RUN_DIR": str(folder)}
        with (folder / "said").open("wb") as said:
            run = subprocess.Popen(argv, cwd=folder, env=shell, stdout=said, stderr=said, process_group=0)
        try:
            yield Begun(run, folder, TWIN)
        finally:
            run.kill()
            run.wait()

    @contextmanager
    def both(
        self, experiment: Experiment, folder: Path, *, rollbacks: str = "default"
    ) -> Iterator[tuple[Begun, Begun]]:
        """The same file in both, side by side: the one of `gameday run`, then that of `chaos run`.

        Under `chaos run` with another strategy than the one that our lint asks for: by default Chaos Toolkit skips
        the rollbacks after a failure or a signal.
        """
        plain = copy.deepcopy(experiment)
        strategy = plain.pop("runtime").get("hypothesis", {}).get("strategy", "default")
        words = ["--hypothesis-strategy", strategy, "--hypothesis-frequency", "0.3", "--rollback-strategy", rollbacks]
        with (
            self.gameday(experiment, folder) as game,
            self.chaos(plain, folder, *words) as chaos,
        ):
            yield game, chaos

    def ends(self, experiment: Experiment, folder: Path) -> tuple[Ended, Ended]:
        """What became of the same file in both, undisturbed."""
        with self.both(experiment, folder) as (game, chaos):
            return game.end(), chaos.end()


def _file(experiment: Experiment, folder: Path) -> Path:
    folder.mkdir()
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump(json.loads(json.dumps(experiment))))
    return file
