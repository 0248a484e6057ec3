"""What becomes of each activity of chaostoolkit-kubernetes on the embedded cluster, read off the suite's marks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from tests.contract.behaviours import Behaviour

__all__ = ["STATES", "Activity", "account", "counts"]

STATES = {
    "works": "work",
    "works in part": "work but for a case that the package itself breaks",
    "broken": "are broken by the package itself, on every cluster",
    "refused": "are refused here, and work on a real cluster",
    "needs more": "need Chaos Mesh, which needs CustomResourceDefinitions",
}
"""What can become of an activity, and how it is counted."""


@dataclass(frozen=True)
class Activity:
    """What becomes of an activity, and why."""

    state: str
    why: str = ""


def account(tests: Iterable[tuple[Behaviour, Callable[..., Any]]]) -> dict[str, Activity]:
    """What becomes of each activity that some test shows, by its name."""
    found: dict[str, list[Activity]] = {}
    for what, test in tests:
        for name in getattr(test, "activities", ()):
            found.setdefault(name, []).append(_shown(what, test))
    return {name: _together(found[name]) for name in sorted(found)}


def counts(activities: dict[str, Activity]) -> dict[str, int]:
    """How many activities there are of each state, in the order of the states."""
    seen = Counter(one.state for one in activities.values())
    return {state: seen[state] for state in STATES if seen[state]}


def _shown(what: Behaviour, test: Any) -> Activity:
    if test.broken:
        return Activity("broken", test.broken)
    if test.needs:
        return Activity("needs more", test.needs)
    if what.refused:
        return Activity("refused", what.refused)
    new = what.since > (1, 20)
    return Activity("works", f"since Kubernetes {'.'.join(map(str, what.since))}: {what.title}" if new else "")


def _together(all_of_it: list[Activity]) -> Activity:
    """Several tests may show one activity."""
    broken = next((one for one in all_of_it if one.state == "broken"), None)
    others = [one for one in all_of_it if one.state != "broken"]
    if broken is None:
        return others[0]
    return Activity("works in part", broken.why) if others else broken
