"""The module that experiment files name for faults of pods."""

from __future__ import annotations

import gameday
from gameday.activities import pods


def test_each_fault_of_pods_is_discovered_once_under_the_name_that_files_use() -> None:
    """Whatever module it stands in; and its docstring says what undoes it."""
    found = [a for a in gameday.discover()["activities"] if a["name"] in pods.__all__]
    assert sorted(a["name"] for a in found) == sorted(pods.__all__)
    assert {a["mod"] for a in found} == {"gameday.activities.pods"}
    assert all("undo" in a["doc"].lower() for a in found)
