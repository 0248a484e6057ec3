"""The shoppers of an experiment: let them go on under whatever faults are set, or let many more come."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from chaoslib.exceptions import ActivityFailed

from gameday.activities.fault import Fault, activity, attack
from gameday.activities.guard import NotAllowedError
from gameday.activities.session import current
from gameday.activities.settings import MAX_RATE_PER_S
from gameday.ledger import NoUndo
from gameday.load.shoppers import Surge

__all__ = ["flash_crowd", "observe"]

FLASH_CROWD = "flash-crowd"
_PROOF_S = 2.0
"""The crowd is in force once it has come for so long, in time."""
_LOOK_S = 0.1
_KEPT = 0.9
"""Of the visits that were due at least this share must have been let in in time."""


def observe(duration_s: float) -> dict[str, Any]:
    """Let the traffic run for `duration_s` seconds under whatever faults are set; changes nothing, needs no undo.

    The session asks the hypothesis' probes all the while; the wait ends early once one is violated
    for certain (a pass needs the whole window, a failure does not). Returns {observed_s, requests, violated}.
    """
    session = current()
    began = time.time()
    session.violation.wait(timeout=duration_s)
    violated = sorted(name for name, found in session.findings.items() if found.verdict == "violated")
    requests = len(session.shoppers.recorder.samples(began))
    return {"observed_s": round(time.time() - began, 3), "requests": requests, "violated": violated}


@activity(FLASH_CROWD)
def flash_crowd(namespace: str, times: float, duration_s: float = 10.0) -> dict[str, Any]:
    """Let `times` as many shoppers come as usual, for `duration_s` seconds: the same visits, on a schedule as fixed.

    Nothing needs undoing: the crowd goes home at the end, with the run when that dies, and as soon as a violation is
    certain. At least 9 of 10 of its visits must begin on schedule, or this machine was too slow and ActivityFailed is
    raised. NotAllowedError: not more than usual, or more than 200 a second. What it touched are its visits. Returns
    {fault, kind, target, proof: {rate_per_s, usual_rate_per_s, due, in_time}, visits}.
    """
    session = current()
    usual = session.shoppers.plan
    rate_per_s = usual.rate_per_s * times
    if times <= 1 or rate_per_s > MAX_RATE_PER_S:
        raise NotAllowedError(
            f"{times:g} times {usual.rate_per_s:g} shoppers a second are {rate_per_s:g}, expected more than usual and "
            f"at most {MAX_RATE_PER_S:g}; change times, or rate_per_s of the control's shoppers"
        )
    fault = Fault(attack(namespace), namespace, FLASH_CROWD)
    fault.plan({"kind": "Traffic", "name": "shoppers"}, [NoUndo()], matched=1, ttl_s=duration_s + 60)
    extra = replace(usual, seed=usual.seed + 1, rate_per_s=rate_per_s - usual.rate_per_s, max_duration_s=duration_s)
    crowd = Surge(extra)
    session.shoppers.surge(crowd)
    try:
        began = time.monotonic()
        crowd.over.wait(timeout=min(_PROOF_S, duration_s))
        # One that began with a stall may make up for it, as long as half of it is still to come.
        while not _is_kept(crowd) and time.monotonic() < began + duration_s / 2 and not crowd.over.is_set():
            if session.violation.wait(timeout=_LOOK_S):
                raise ActivityFailed("the window was ended before the crowd was proven in force")
        _check_kept(crowd)
        rates = {"rate_per_s": rate_per_s, "usual_rate_per_s": usual.rate_per_s}
        proof = fault.in_force(**rates, due=crowd.due, in_time=crowd.in_time)
        session.violation.wait(timeout=max(0.0, duration_s - (time.monotonic() - began)))
    finally:
        crowd.stop.set()
    crowd.over.wait(timeout=_PROOF_S)
    fault.ended(shows_on=False)
    _check_kept(crowd)
    fault.touched(crowd.in_time)
    return {**proof, "visits": crowd.in_time}


def _is_kept(crowd: Surge) -> bool:
    return crowd.in_time > 0 and crowd.kept >= _KEPT


def _check_kept(crowd: Surge) -> None:
    if not _is_kept(crowd):
        raise ActivityFailed(
            f"{crowd.in_time} of {crowd.due} visits began on schedule, expected at least {_KEPT:.0%}; this machine is "
            "too slow for so many: lower times, or rate_per_s of the control's shoppers"
        )
