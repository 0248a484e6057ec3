"""What is to be run, and where: what every check goes by."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from gameday.runner.guardians import guardian
from gameday.runner.kind.images import images
from gameday.runner.plan import default_jobs
from gameday.runner.rendering import Renderer

if TYPE_CHECKING:
    from gameday.runner.catalogue import Catalogue
    from gameday.runner.errors import EnvironmentFailure
    from gameday.runner.plan import Planned, Selection
    from gameday.runner.rendering import Manifest
    from gameday.runner.target import Target

__all__ = ["DRAIN", "Request", "functions_of"]

DRAIN = "drain_node"
"""The one action that is not done within a namespace."""


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
        if self.on_this_machine:
            return Renderer(self.catalogue).render()
        overlay = "kind" if self.cluster == "kind" else "plain"
        served = images().replacements()
        return Renderer(self.catalogue, overlay=overlay, image=self._image, images=served).render()

    @cached_property
    def guardian(self) -> list[Manifest]:
        """The guardian's objects. Raises EnvironmentFailure when they cannot be rendered."""
        return guardian(self.catalogue, self._image)

    @property
    def _image(self) -> str | None:
        """The storefront's image: that of our kind cluster unless another is named."""
        made = getattr(self.target, "made", None)
        return self.image or (made.image if made else None)

    def calls(self) -> set[str]:
        """The functions that the experiments' methods and rollbacks call."""
        return {name for one in self.planned for name in functions_of(one)}


def functions_of(one: Planned) -> set[str]:
    """The functions that an experiment's method and rollbacks call."""
    activities = [activity for part in ("method", "rollbacks") for activity in one.experiment.get(part) or []]
    return {str((activity.get("provider") or {}).get("func")) for activity in activities}
