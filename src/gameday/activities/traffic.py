"""Holding the fault window open while shoppers go on shopping."""

from __future__ import annotations

import time
from typing import Any

from gameday.activities.session import current

__all__ = ["observe"]


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
