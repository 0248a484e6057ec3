"""`gameday … --cluster kind` on the real kind at hand: a state folder of its own, and local names for the images."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e import kind_images
from tests.e2e.realkind import IMAGE, TOOL, engine_up
from tests.e2e.runs import GAMEDAY, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["DOWN", "NAME", "UP", "Site", "line", "programs", "site"]

UP = ("up", "--cluster", "kind")
DOWN = ("down", "--cluster", "kind")
NAME = "gameday"
"""What gameday calls its cluster."""


@dataclass(frozen=True)
class Site:
    """Where `gameday` is called: beside the engine, which is in a network of its own."""

    folder: Path
    environment: Mapping[str, str]
    volumes_before: frozenset[str] = frozenset()
    """What the engine had already."""

    @property
    def state(self) -> Path:
        """What gameday remembers of its kind cluster."""
        return Path(self.environment["GAMEDAY_STATE"]) / "kind"

    def but(self, **changed: str) -> Site:
        """The same with another environment."""
        return replace(self, environment={**self.environment, **changed})

    def argv(self, *words: str) -> list[str]:
        """A command, as it is run there."""
        return [TOOL.command, "exec", *words]

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Start `gameday` with these words, in a process group of its own."""
        return subprocess.Popen(
            self.argv(GAMEDAY, *words), cwd=ROOT, env=self.environment, text=True, process_group=0, **options
        )

    def gameday(self, *words: str, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
        """Run `gameday` to its end."""
        return self.run(GAMEDAY, *words, timeout_s=timeout_s)

    def run(self, *words: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.argv(*words), cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=timeout_s,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def docker(self, *words: str, timeout_s: float = 120) -> str:
        """What the engine says; it must succeed."""
        done = self.run("docker", *words, timeout_s=timeout_s)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def program(self, name: str) -> str:
        """Where one of the engine's programs is."""
        return self.run("sh", "-c", f"command -v {name}").stdout.strip()

    def kubectl(self, *words: str) -> Any:
        """What the cluster says, as JSON."""
        kubectl = str(Path(GAMEDAY).with_name("kubectl"))
        done = self.run(kubectl, "--kubeconfig", str(self.state / "kubeconfig"), *words, "-o", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def nodes(self, name: str = NAME) -> list[str]:
        """The containers of a kind cluster."""
        label = f"label=io.x-k8s.kind.cluster={name}"
        return sorted(self.docker("ps", "--all", "--filter", label, "--format", "{{.Names}}").split())

    def left(self) -> list[str]:
        """What there is of the cluster: its containers, volumes, and what is remembered of it."""
        volumes = self.volumes() - self.volumes_before if not self.nodes() else ()
        return [*self.nodes(), *volumes, *(str(one) for one in self.state.glob("*"))]

    def volumes(self) -> frozenset[str]:
        """All that the engine has: kind's have no name by which to tell them."""
        return frozenset(self.docker("volume", "ls", "--quiet").split())

    def served(self, port: int = 8080) -> str:
        """The shop's home page, by the port that the cluster maps."""
        done = self.run("curl", "--silent", "--show-error", "--max-time", "10", f"http://127.0.0.1:{port}/")
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """The engine, up, with the images that a cluster needs; whatever is left of gameday's cluster goes at the end."""
    with engine_up(), tempfile.TemporaryDirectory(prefix="gameday-kind-site-") as name:
        folder = Path(name)
        own = {"GAMEDAY_STATE": str(folder / "state"), "GAMEDAY_NODE_IMAGE": IMAGE, **kind_images.environment(folder)}
        kept = {name: value for name, value in os.environ.items() if name not in ("KUBECONFIG", "GITHUB_STEP_SUMMARY")}
        found = Site(folder, {**kept, **own})
        found = replace(found, volumes_before=found.volumes())
        try:
            yield found
        finally:
            found.gameday("down", "--cluster", "kind")


def line(done: subprocess.CompletedProcess[str], code: int, *words: str) -> str:
    """The one line that a failure is told in, which says all these words."""
    told = [one for one in done.stderr.splitlines() if one.startswith("gameday: ")]
    assert done.returncode == code, (done.returncode, done.stderr)
    assert len(told) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in told[0], told[0]
    return told[0]


def programs(where: Site, folder: Path, **scripts: str) -> str:
    """A PATH with the engine's docker and kind, but for those that `scripts` replace ("" leaves one out)."""
    folder.mkdir()
    for name in ("docker", "kind"):
        if name not in scripts:
            (folder / name).symlink_to(where.program(name))
        elif scripts[name]:
            (folder / name).write_text(scripts[name])
            (folder / name).chmod(0o755)
    return f"{folder}:/usr/sbin:/sbin"
