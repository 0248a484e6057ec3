"""The account of chaostoolkit-kubernetes: which test shows what about each of its activities.

A test says which activities it shows; the `toolkit` fixture holds it to that, and one test
holds the account against what the package exports.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.clients.workers import Reply, Worker

__all__ = ["VERSION", "Toolkit", "shown", "shows"]

VERSION = "0.39.0"
"""The release of chaostoolkit-kubernetes that the account is of."""

_SHOWN: set[str] = set()


def shows(*names: str, broken: str | None = None, needs: str | None = None) -> Callable[[Any], Any]:
    """Say which activities a test calls, such as `pod.actions.terminate_pods`.

    Args:
        names: the activities.
        broken: how the package itself breaks them, on every cluster; None where they work.
        needs: what they need besides a Kubernetes, such as Chaos Mesh.
    """

    def register(test: Any) -> Any:
        test.activities, test.broken, test.needs = set(names), broken, needs
        _SHOWN.update(names)
        return test

    return register


def shown() -> set[str]:
    """The activities that the tests imported so far show."""
    return set(_SHOWN)


@dataclass
class Toolkit:
    """Chaos Toolkit, in a namespace; keeps which activities it was asked for."""

    worker: Worker
    namespace: str
    called: set[str] = field(default_factory=set)

    def __call__(self, activity: str, **arguments: Any) -> Any:
        """An activity's result; its failure fails the test."""
        reply = self.attempt(activity, **arguments)
        assert not reply.raised, reply.trace
        return reply.result

    def attempt(self, activity: str, **arguments: Any) -> Reply:
        """What became of an activity. It gets the namespace, unless told `ns=None`."""
        self.called.add(activity)
        given = {"ns": self.namespace, **arguments}
        return self.worker.try_to("run", activity=activity, arguments={k: v for k, v in given.items() if v is not None})

    def fails(self, activity: str, **arguments: Any) -> str:
        """Why an activity, which must fail, did."""
        reply = self.attempt(activity, **arguments)
        assert reply.raised == "ActivityFailed", f"{activity}: {reply}"
        return reply.said
