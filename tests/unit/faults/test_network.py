"""Network faults before they reach a cluster."""

from __future__ import annotations

import pytest
from chaoslib.exceptions import ActivityFailed

from gameday import evidence
from gameday.activities import network


def test_a_seed_that_is_no_number_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault fails, and so does its proof: no traceback, and no other seed in its place."""
    monkeypatch.setenv("GAMEDAY_SEED", "soon")
    evidence.forget()
    with pytest.raises(ActivityFailed, match="GAMEDAY_SEED is 'soon', expected a whole number"):
        network.reset_connections("shop", "catalog", share=0.5)
    assert [e["event"] for e in evidence.events()] == ["fault-failed"]
    evidence.forget()
