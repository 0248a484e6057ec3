"""What is to be run, and where: what every check goes by."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from gameday.runner.guardians import guardian
from gameday.runner.plan import default_jobs
from gameday.runner.rendering import Renderer

if TYPE_CHECKING:
    from gameday.runner.catalogue import Catalogue
    from gameday.runner.errors import EnvironmentFailure
    from gameday.runner.plan import Planned, Selection
    from gameday.runner.rendering import Manifest
    from gameday.runner.target import Target

__all__ = ["Request"]


@dataclass(frozen=True)
class Request:
    """A run that somebody means to start.

    Args:
        cluster: `embedded` or `kind` for one of Gameday's own, `named` for one of a kubeconfig.
        target: the cluster, None while it is not up, or why it cannot be used.
        catalogue: where experiments and manifests are.
        selection: the experiments.
        image: the storefront's, where it is not the default.
    """

    cluster: Literal["embedded", "kind", "named"]
    target: Target | EnvironmentFailure | None
    catalogue: Catalogue
    selection: Selection
    image: str | None = None
    planned: list[Planned] = field(default_factory=list)
    """Filled once the experiments are known to lint."""

    @property
    def on_this_machine(self) -> bool:
        """Whether the shop's pods are processes of this machine."""
        return self.cluster == "embedded"

    @property
    def target_namespace(self) -> str | None:
        """The namespace whose storefront is to be attacked; None: each experiment has a fresh one."""
        return getattr(self.target, "namespace", None)

    @property
    def storefronts(self) -> int:
        """How many stand side by side here unless told otherwise."""
        return default_jobs(len(self.planned))

    @cached_property
    def manifests(self) -> list[Manifest]:
        """The objects of one storefront. Raises EnvironmentFailure when they cannot be rendered."""
        overlay = {"embedded": "embedded", "kind": "kind"}.get(self.cluster, "plain")
        return Renderer(self.catalogue, overlay=overlay, image=self.image).render()

    @cached_property
    def guardian(self) -> list[Manifest]:
        """The guardian's objects. Raises EnvironmentFailure when they cannot be rendered."""
        return guardian(self.catalogue, self.image)

    def calls(self) -> set[str]:
        """The functions that the experiments' methods and rollbacks call."""
        activities: list[dict[str, Any]] = [
            activity
            for one in self.planned
            for part in ("method", "rollbacks")
            for activity in one.experiment.get(part) or []
        ]
        return {str((activity.get("provider") or {}).get("func")) for activity in activities}
