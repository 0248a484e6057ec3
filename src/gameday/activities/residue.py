"""What activities that are not ours leave behind: no ledger knows of it, so the objects themselves are compared.

`gameday run` compares them after every experiment; this does so within one, for plain `chaos run`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gameday.activities.fault import EXPECTED
from gameday.activities.foreign import calls_others
from gameday.ledger import snapshot
from gameday.ledger.calls import said, wait_until
from gameday.ledger.restoring import left_behind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gameday.kube import Kube

__all__ = ["Residue"]

_SETTLE_S = 2.0
"""A request may still have been on its way when the experiment ended."""


class Residue:
    """The objects of a namespace, before an experiment and after it."""

    def __init__(self, experiment: Mapping[str, Any]) -> None:
        """Nothing is read yet, and nothing ever is of an experiment that calls our own activities alone."""
        self._looks = calls_others(experiment)
        self._before: dict[str, Any] | None = None

    def begin(self, kube: Kube, namespace: str) -> None:
        """Note what there is, before anything is changed. Raises what the API client raises."""
        if self._looks:
            self._before = snapshot(kube, namespace)

    def left(self, kube: Kube, namespace: str) -> tuple[str, ...]:
        """What is not as it was, once all of ours is undone, each with the command that mends it."""
        if self._before is None:
            return ()
        before = self._before
        found: list[str] = []

        def restored() -> bool:
            found[:] = left_behind(kube.context, namespace, before, snapshot(kube, namespace))
            return not found

        try:
            wait_until(restored, _SETTLE_S, every_s=0.2)
        except EXPECTED as problem:
            return (f"namespace {namespace}: cannot tell whether all is restored: {said(problem)}",)
        return tuple(found)
