"""A storefront on a cluster that lives on, and runs there that reach the API by a line that sees their writes."""

from __future__ import annotations

import base64
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from gameday.activities.draining import takes_pods
from gameday.activities.targets import is_available
from gameday.activities.templates import config_sha256, reports
from gameday.kube import connect
from gameday.ledger import ClearAnnotation, ClearLabel, Ledger, LedgerError, differences, snapshot
from tests.bench.kills.line import Line
from tests.e2e.runs import GAMEDAY, command, home_page, journals, under_way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import Popen

    from tests.bench.kills.line import When, Write

__all__ = ["NAMESPACE", "Shop", "embedded", "real"]

NAMESPACE = "shop"
END_S = 120.0
"""How long a run may take in all."""
_CONTEXT = "seen"
TURNS = 3
"""So often a run is made whose writes are to be known."""


@contextmanager
def embedded(folder: Path) -> Iterator[Shop]:
    """A shop in an embedded cluster of its own, with its guardian; taken down at the end."""
    environment = {**os.environ, "GAMEDAY_STATE": str(folder / "state")}
    command([GAMEDAY, "up"], environment)
    try:
        yield Shop(folder / "state" / "local" / "kubeconfig", "gameday-local", folder, environment)
    finally:
        command([GAMEDAY, "down"], environment)


@contextmanager
def real(folder: Path, context: str) -> Iterator[Shop]:
    """A shop in the cluster that $KUBECONFIG leads to, with its guardian; its namespace goes at the end."""
    kubectl = [str(Path(GAMEDAY).with_name("kubectl")), "--context", context]
    environment = dict(os.environ)
    command([*kubectl, "create", "namespace", NAMESPACE], environment)
    try:
        command([*kubectl, "label", "namespace", NAMESPACE, "gameday.dev/allowed=true"], environment)
        command([*kubectl, "-n", NAMESPACE, "apply", "-k", "k8s/overlays/plain"], environment)
        wait = ["wait", "--for=condition=Available", "deployment", "--all", "--timeout=180s"]
        command([*kubectl, "-n", NAMESPACE, *wait], environment, timeout_s=200)
        install = [GAMEDAY, "guardian", "install", "--context", context, "--namespace", NAMESPACE]
        command(install, environment, timeout_s=200)
        yield Shop(Path(environment["KUBECONFIG"]), context, folder, environment)
    finally:
        command([*kubectl, "delete", "namespace", NAMESPACE, "--wait=false"], environment)


def _short_of_whole(report: Path) -> str:
    """What a run did not come to, in words; empty when it was whole."""
    said = next(iter(journals(report).values()), None)
    if said is None:
        return "no journal"
    faults = said["faults"]
    whole = said["baseline_met"] and faults and all(one["in_force"] and one["undone"] for one in faults)
    return "" if whole else f"{said['verdict']}: {said['reason']}"


class Shop:
    """One storefront, and the runs in it, one at a time. Leaves a folder for each run below `folder`."""

    def __init__(self, kubeconfig: Path, context: str, folder: Path, environment: dict[str, str]) -> None:
        """`kubeconfig`: the file, and `context` in it, that lead to the cluster."""
        self.kube = connect(kubeconfig=kubeconfig, context=context)
        self._folder, self._environment = folder, environment
        config = yaml.safe_load(kubeconfig.read_text())
        named = next(one["context"] for one in config["contexts"] if one["name"] == context)
        self._cluster = next(one["cluster"] for one in config["clusters"] if one["name"] == named["cluster"])
        self._user = next(one["user"] for one in config["users"] if one["name"] == named["user"])
        self._nodes = self._open_nodes()
        self._count = 0

    def survey(self, file: Path) -> list[Write]:
        """The writes of a whole run that nobody harms: its baseline met, each of its faults in force and undone.

        A run that stopped short of that told too little: it is made again, which is said. Raises AssertionError when
        none of TURNS is whole. The verdict is not asked for: too little is left of the experiment for one.
        """
        for _ in range(TURNS):
            with self.begun(file, lambda _write, _when: False) as (runner, report, line):
                runner.wait(END_S)
            short = _short_of_whole(report)
            if not short:
                assert line.writes, f"{file.name} wrote nothing: {(report / 'said').read_text()}"
                return line.writes
            print(f"survey of {file.stem}: {short}; surveyed again", flush=True)
        said = (report / "said").read_text()
        raise AssertionError(f"{file.name}: no whole run of {TURNS}, the last: {short}: {said}")

    @contextmanager
    def begun(self, file: Path, cuts: Callable[[Write, When], bool]) -> Iterator[tuple[Popen[bytes], Path, Line]]:
        """A run of the file, its report's folder, and the line by which it reaches the API; killed at the end."""
        self._count += 1
        report = self._folder / f"run-{self._count}"
        report.mkdir()
        with Line(str(self._cluster["server"]), cuts, self._certificate(report)) as line:
            config = self._config(line, report)
            where = ["--context", _CONTEXT, "--namespace", NAMESPACE, "--reach", "cluster"]
            with under_way(file, {**self._environment, "KUBECONFIG": str(config)}, report, where) as runner:
                yield runner, report, line

    def snapshot(self) -> dict[str, Any]:
        """What every object is now."""
        return snapshot(self.kube, NAMESPACE)

    def entries(self) -> int:
        """How many faults the ledger holds."""
        return len(Ledger(self.kube, NAMESPACE).entries())

    def left(self, before: dict[str, Any]) -> tuple[str, ...]:
        """What is not as it was before, ledger, nodes, and pods' annotations and labels included."""
        try:
            entries, broken = Ledger(self.kube, NAMESPACE).read()
        except LedgerError as problem:
            return (str(problem),)
        held = [f"ledger entry {one}" for one in (*(e.id for e in entries), *broken)]
        marked = [
            f"annotation {key} of pod {pod.metadata.name}"
            for pod in self.kube.core.list_namespaced_pod(NAMESPACE).items
            for key in pod.metadata.annotations or {}
            if key.startswith(ClearAnnotation.prefix)
        ]
        marked += [
            f"label {key} of pod {pod.metadata.name}"
            for pod in self.kube.core.list_namespaced_pod(NAMESPACE).items
            for key in pod.metadata.labels or {}
            if key.startswith(ClearLabel.prefix)
        ]
        shut = [f"node {name} takes no pods" for name in sorted(self._nodes - self._open_nodes())]
        return (*held, *marked, *shut, *differences(before, self.snapshot()))

    def serves(self) -> bool:
        """Whether Deployments are available, the mailer runs by its true ConfigMap, the home page is no fallback."""
        config = self.kube.core.read_namespaced_config_map("mailer-config", NAMESPACE).data
        try:
            return (
                all(is_available(one) for one in self.kube.apps.list_namespaced_deployment(NAMESPACE).items)
                and reports(self.kube, NAMESPACE, {"service": "mailer"}, config_sha256(config))
                and home_page(self.kube) == (200, "")
            )
        except OSError:
            return False

    def _open_nodes(self) -> set[str]:
        return {node.metadata.name for node in self.kube.core.list_node().items if takes_pods(node)}

    def _certificate(self, report: Path) -> tuple[str, str] | None:
        """The files of the user's certificate and key, if it has one: the line speaks to the server in its name."""
        if "client-certificate-data" in self._user:
            for what in ("certificate", "key"):
                (report / what).write_bytes(base64.b64decode(self._user[f"client-{what}-data"]))
            return str(report / "certificate"), str(report / "key")
        named = self._user.get("client-certificate"), self._user.get("client-key")
        return named if all(named) else None

    def _config(self, line: Line, report: Path) -> Path:
        """A kubeconfig that leads to the line."""
        authority = base64.b64encode((self._authority() + line.authority).encode()).decode()
        cluster = {"name": _CONTEXT, "cluster": {"server": line.url, "certificate-authority-data": authority}}
        context = {"name": _CONTEXT, "context": {"cluster": _CONTEXT, "user": _CONTEXT}}
        user = {"name": _CONTEXT, "user": self._user}
        head = {"apiVersion": "v1", "kind": "Config", "current-context": _CONTEXT}
        config = {**head, "clusters": [cluster], "contexts": [context], "users": [user]}
        made = report / "kubeconfig"
        made.write_text(yaml.safe_dump(config))
        return made

    def _authority(self) -> str:
        if "certificate-authority" in self._cluster:
            return Path(self._cluster["certificate-authority"]).read_text()
        return base64.b64decode(self._cluster["certificate-authority-data"]).decode()
