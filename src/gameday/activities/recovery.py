"""Whether the shop recovered once all is undone: requests are fine, for each kind of visitor, and promises are kept."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gameday.activities.books import BooksError
from gameday.load.calm import TOLD_S, CalmTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gameday.activities.conductor import Conductor
    from gameday.activities.session import Session
    from gameday.load.samples import Sample

__all__ = ["Progress", "Recovery", "not_seen_fine", "wait_for_recovery"]

_CALM_S = 2.0
"""Requests must have been fine for this long before the shop counts as recovered."""

_BOUND_AFTER_VIOLATION_S = _CALM_S + 3.0
"""When the verdict is failed already, recovery is worth a look but not a wait."""

_BROKEN = 2
"""So many visits of a kind that all failed are no accident of the moment."""

Recovery = tuple[bool | None, str, float]
"""Whether it did (None: nobody can tell), why, and after how many seconds."""


def wait_for_recovery(run: Conductor, journal: Mapping[str, Any]) -> Recovery:
    """Whether requests are fine again, and the promises of before kept, within the bound, in calm seconds.

    None when there is no point in asking, and when this machine stalled while the shop ought to have recovered.
    """
    before = (journal.get("steady_states") or {}).get("before") or {}
    if run.session is None or run.settings is None or journal.get("status") == "interrupted":
        return None, "not looked at", 0.0
    if not before.get("steady_state_met"):
        return None, "the baseline was not met", 0.0
    session, began = run.session, time.time()
    bound_s = min(run.settings.recovery_s, _BOUND_AFTER_VIOLATION_S if session.violation.is_set() else 600)
    recorder, plan = session.shoppers.recorder, session.shoppers.plan
    baseline = recorder.samples(*(session.baseline_window or (began, began)))
    progress = Progress(tuple(baseline), began, min(10.0, plan.rate_per_s * _CALM_S / 2))
    gone = CalmTime(run.heartbeat)
    while not gone.is_over(bound_s):
        until = session.shoppers.known_until()
        progress.look(until, recorder.samples(began, until), lambda: _unkept(session, until=began))
        if progress.calm and (not progress.unseen or not session.shoppers.running):
            break
        time.sleep(0.1)
    ended = time.time()
    recovered, reason = progress.outcome()
    if recovered:
        return True, reason, round(ended - began, 3)
    reason = f"{reason} {bound_s:g} s after the undo"
    if not session.shoppers.running:
        return None, f"the shoppers had gone home; raise max_duration_s ({reason})", bound_s
    time.sleep(TOLD_S)  # a stall that reaches up to the end may not be known before
    if any(stall.touches(began, ended) for stall in run.heartbeat.stalls()):
        return None, f"{reason}, while this machine, or the way to the cluster, stalled", bound_s
    return recovered, reason, bound_s


@dataclass
class Progress:
    """How far the recovery is. `calm` says so once requests were fine for two seconds, and promises kept.

    After that only the kinds of visit are waited for that were fine in the `baseline` and are `unseen` since the undo:
    by kind, how many have failed.
    """

    baseline: tuple[Sample, ...]
    began: float
    enough: float
    calm: str = ""
    unseen: dict[str, int] = field(default_factory=dict)
    _problem: str = "no requests"

    def look(self, until: float, since: Sequence[Sample], unkept: Callable[[], str]) -> None:
        """At all requests since the undo that were due before `until`; and at promises, when it is time for it."""
        self.unseen = not_seen_fine(self.baseline, since)
        recent = [sample for sample in since if sample.scheduled_at >= until - _CALM_S]
        bad = [sample for sample in recent if not _is_fine(sample)]
        if bad:
            self._problem = f"{bad[-1].method} {bad[-1].path}: {bad[-1].error or 'still the fallback page'}"
        elif not self.calm and until - self.began >= _CALM_S and len(recent) >= self.enough:
            self._problem = unkept()
            said = f"{len(recent)} requests in a row were fine, every confirmed order and gift has its mail"
            self.calm = "" if self._problem else said

    def outcome(self) -> tuple[bool | None, str]:
        """Whether it has recovered, and why; None when a kind of visit failed but once, and came no more."""
        if not self.calm:
            return False, self._problem
        failed = {kind: times for kind, times in self.unseen.items() if times}
        if not failed:
            rare = ", ".join(self.unseen)
            return True, self.calm + (f"; nobody came any more for: {rare}" if rare else "")
        kinds = ", ".join(f"{kind} ({times} failed)" for kind, times in failed.items())
        return (False if max(failed.values()) >= _BROKEN else None), f"not one visit was fine of: {kinds}"


def not_seen_fine(before: Iterable[Sample], since: Iterable[Sample]) -> dict[str, int]:
    """The kinds of visit that were fine `before` and not once `since`, with how many failed: 0 when nobody came."""
    then, now, failed = set[str](), set[str](), Counter[str]()
    for sample in filter(_decides, before):
        if _is_fine(sample):
            then.add(sample.behaviour)
    for sample in filter(_decides, since):
        if _is_fine(sample):
            now.add(sample.behaviour)
        else:
            failed[sample.behaviour] += 1
    return {kind: failed[kind] for kind in sorted(then - now)}


def _decides(sample: Sample) -> bool:
    """Whether a visit's success hangs on this request: who fills a cart has not bought yet."""
    return sample.behaviour != "buy" or sample.path == "/checkout"


def _is_fine(sample: Sample) -> bool:
    return not sample.failed and not sample.fallback


def _unkept(session: Session, until: float) -> str:
    """Which promise is still open: what was confirmed before `until` and held back must be mailed in the end."""
    recorder = session.shoppers.recorder
    orders, gifts = recorder.confirmed("order"), recorder.confirmed("gift")
    try:
        mailed = {to for to, _ in session.postbox.recipients()} if orders else set()
        told = {mail.event for mail in session.postbox.mails(session.opened_at)} if gifts else set()
    except BooksError as problem:
        return f"the mailbox cannot be read: {problem}"
    waiting = sum(o.owner not in mailed for o in orders if o.at < until)
    waiting += sum(g.id not in told for g in gifts if g.at < until)
    return f"{waiting} confirmed orders and gifts have no mail yet" if waiting else ""
