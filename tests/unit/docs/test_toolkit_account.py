"""The account of chaostoolkit-kubernetes: each of its activities is in a contract test, and in the documentation."""

from __future__ import annotations

from tests.contract import account, documentation
from tests.contract.clients import activities, toolkit


def test_every_activity_is_accounted_for() -> None:
    """The contract tests say which they show; the package says which it has."""
    told = documentation.behaviours()
    assert told
    assert toolkit.version() == activities.VERSION
    assert activities.shown() == set(toolkit.activities())
    assert set(account.account(documentation.tests())) == activities.shown()
