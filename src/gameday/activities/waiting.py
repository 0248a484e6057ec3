"""The wait of probes for what is still on its way: a mail, a line of a log.

What was not there in time is a violation, and must not be this machine's doing. So the time while it, or the way to
the cluster, stalled does not count, and what counts is a look that began after all the time was over.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from gameday.load.calm import PATIENCE, CalmTime

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.activities.session import Reading, View

__all__ = ["settled"]

PAUSE_S = 0.2


def settled(view: View, since: float, within_s: float, look: Callable[[], tuple[Reading, bool]]) -> Reading:
    """Look until nothing is on its way any more, or `within_s` calm seconds have gone by since `since` (Unix seconds).

    `look` returns what it would be if nothing more came, and whether something is on its way. While the window is
    open, or when a violation elsewhere has ended it, nothing is waited for: what is on its way is undecided. What is
    looked for must be known by `since`: a book that goes on being written is never complete.
    """
    time_gone = CalmTime(view.session.shoppers.heartbeat, since)
    while True:
        gone_s = time_gone.gone_s()
        reading, on_its_way = look()
        if not on_its_way:
            return reading
        if not view.final or view.session.violation.is_set():
            return replace(reading, verdict="undecided")
        if time_gone.is_late(gone_s, within_s):
            reason = f"{reading.reason} after {within_s:g} s"
            if step_s := view.session.shoppers.heartbeat.stepped_s:
                reason = f"{reason}; but this machine's clock was set by {step_s:+.1f} s"
                return replace(reading, verdict="undecided", reason=reason)
            return replace(reading, reason=reason)
        if gone_s > PATIENCE * within_s:
            stalled_s = gone_s - time_gone.calm_s(gone_s)
            away = f"this machine, or the way to the cluster, stalled for {stalled_s:.0f} of {gone_s:.0f} s"
            return replace(reading, verdict="undecided", reason=f"{reading.reason}; {away}")
        time.sleep(PAUSE_S)
