"""Probes on memberships: the sale brings new members, so signing up must go on while pages fail."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from gameday.activities.probes.orders import measure_kept
from gameday.activities.session import judge

if TYPE_CHECKING:
    from gameday.activities.session import Reading, View

__all__ = ["signups_go_on"]


def signups_go_on(share_of_baseline: float = 0.8) -> dict[str, Any]:
    """Do sign-ups succeed at no less than `share_of_baseline` (0 to 1) of their share in the baseline?

    Needs shoppers who `join` in the mix of the experiment's control.
    """
    measure = partial(measure_signups, share_of_baseline=share_of_baseline)
    return judge("signups_go_on", measure, by_fault=measure)


def measure_signups(view: View, *, share_of_baseline: float) -> Reading:
    """The share of sign-ups that failed, against what the baseline allows."""
    return measure_kept(view, "join", "/membership", "sign-ups", share_of_baseline=share_of_baseline)
