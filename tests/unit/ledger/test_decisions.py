"""What undoing does with the value it finds."""

from __future__ import annotations

from typing import Any

import pytest

from gameday.ledger.decisions import Decision, decide, selector_change


@pytest.mark.parametrize(
    ("current", "same", "telling", "expected"),
    [
        ("old", True, False, Decision.DONE),
        ("fault", True, False, Decision.RESTORE),
        ("other", True, False, Decision.CONFLICT),
        ("other", True, True, Decision.CONFLICT),
        ("old", False, False, Decision.DONE),
        ("other", False, False, Decision.DONE),
        ("fault", False, True, Decision.RESTORE),
        ("fault", False, False, Decision.CONFLICT),
    ],
)
def test_another_value_is_never_overwritten(current: str, *, same: bool, telling: bool, expected: Decision) -> None:
    """Only the fault's own value goes back; what somebody else set is left and reported."""
    assert decide(current, "old", "fault", same_object=same, telling=telling) is expected


def test_a_fault_that_changed_nothing_needs_nothing() -> None:
    """When old and fault are the same value there is nothing to put back."""
    assert decide(0, 0, 0, same_object=True, telling=False) is Decision.DONE


@pytest.mark.parametrize(
    ("current", "wanted", "patch"),
    [
        ({"a": "1"}, {"a": "2"}, {"a": "2"}),
        ({"a": "1", "b": "2"}, {"c": "3"}, {"a": None, "b": None, "c": "3"}),
        ({}, {"a": "1"}, {"a": "1"}),
    ],
)
def test_a_selector_patch_nulls_the_keys_that_go(
    current: dict[str, str], wanted: dict[str, str], patch: dict[str, Any]
) -> None:
    """A merge would keep them, and the Service would then match nothing."""
    assert selector_change(current, wanted) == patch
