"""Where the experiments and the manifests are: the folder we stand in, or else the package's copy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gameday
from gameday.runner.errors import EnvironmentFailure

__all__ = ["Catalogue", "find_catalogue"]

_OVERLAY = Path("overlays", "embedded", "kustomization.yaml")


@dataclass(frozen=True)
class Catalogue:
    """The folder of experiment files and the folder of kustomize manifests."""

    experiments: Path
    k8s: Path

    def files(self) -> list[Path]:
        """All experiment files, by name."""
        return sorted(path for path in self.experiments.rglob("*.yaml") if path.is_file())

    def weaknesses(self) -> dict[str, Path]:
        """The folder of each weakness (a kustomize component), by its name."""
        found = sorted(self.k8s.glob("weaknesses/*/kustomization.yaml"))
        return {path.parent.name: path.parent for path in found}


def find_catalogue(here: Path | None = None) -> Catalogue:
    """Each of the two folders: ./experiments and ./k8s if they are ours, else what the package brings.

    Raises EnvironmentFailure when the installation is incomplete.
    """
    here = here or Path.cwd()
    package = Path(gameday.__file__).resolve().parent
    places = [here, package / "_catalogue", package.parents[1]]
    experiments = next((one / "experiments" for one in places if _any_file(one / "experiments")), None)
    k8s = next((one / "k8s" for one in places if (one / "k8s" / _OVERLAY).is_file()), None)
    if experiments is None or k8s is None:
        missing = "experiments" if experiments is None else "manifests"
        raise EnvironmentFailure(
            f"no {missing} found in {here} nor in the package; reinstall chaostoolkit-gameday, or stand in a checkout"
        )
    return Catalogue(experiments, k8s)


def _any_file(folder: Path) -> bool:
    return folder.is_dir() and next(folder.rglob("*.yaml"), None) is not None
