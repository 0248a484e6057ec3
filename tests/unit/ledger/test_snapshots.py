"""Differences between two snapshots, in words."""

from __future__ import annotations

from gameday.ledger import differences


def test_equal_snapshots_have_no_differences() -> None:
    """Restored means an empty list."""
    taken = {"service web": {"labels": {}, "spec": {"selector": {"app": "web"}}}}
    assert differences(taken, dict(taken)) == []


def test_differences_name_the_object_and_the_field() -> None:
    """Gone, new and changed objects each get a line."""
    before = {"service web": {"spec": {"selector": {"app": "web"}}}, "configmap a": {}}
    after = {"service web": {"spec": {"selector": {"x": "y"}}}, "secret b": {}}
    assert differences(before, after) == [
        "configmap a: is gone",
        "secret b: was not there before",
        'service web: spec.selector.app was "web", is absent',
        'service web: spec.selector.x was absent, is "y"',
    ]


def test_long_values_are_cut() -> None:
    """A whole template does not end up in a message."""
    lines = differences({"configmap a": {"data": {"k": "x" * 500}}}, {"configmap a": {"data": {"k": "y" * 500}}})
    assert len(lines) == 1
    assert len(lines[0]) < 200
