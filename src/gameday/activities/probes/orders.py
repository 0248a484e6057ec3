"""Probes on buying: do orders go on, is each that was confirmed kept, do carts survive?"""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from gameday.activities.books import BooksError, fetch
from gameday.activities.session import Reading, View, judge
from gameday.activities.waiting import settled
from gameday.load.client import Answer
from gameday.stats import judge_rate, judge_so_far

if TYPE_CHECKING:
    from gameday.load.samples import Confirmed, Sample

__all__ = ["carts_survive", "no_confirmed_order_lost", "orders_come_back", "orders_go_on"]

_BASELINE_ORDERS = 3


def orders_go_on(share_of_baseline: float = 0.8) -> dict[str, Any]:
    """Do checkouts succeed at no less than `share_of_baseline` (0 to 1) of their share in the baseline?

    A shopper who could not fill a cart counts as a checkout that failed.
    """
    measure = partial(measure_orders, share_of_baseline=share_of_baseline)
    return judge("orders_go_on", measure, by_fault=measure)


def orders_come_back(within_s: float = 5.0, at_least: int = 5) -> dict[str, Any]:
    """Does every checkout that is tried later than `within_s` seconds after the undo succeed?

    For faults that no shop can sell under: what counts is that it sells as soon as they are gone. Undecided when fewer
    than `at_least` checkouts failed under the fault, or none was tried after the last that failed.
    """
    return judge("orders_come_back", partial(measure_return, within_s=within_s, at_least=at_least))


def no_confirmed_order_lost(within_s: float = 10.0, at_least: int = 5) -> dict[str, Any]:
    """Is every order that a shopper saw confirmed in the database, with exactly one confirmation mail each?

    Waits up to `within_s` after the last one for mails. Undecided with fewer than `at_least`
    confirmed orders in the fault window, or when the shop's books cannot be read.
    """
    return judge("no_confirmed_order_lost", partial(measure_confirmed, within_s=within_s, at_least=at_least))


def carts_survive(at_least: int = 5) -> dict[str, Any]:
    """Does every cart opened before the fault still hold each acknowledged item?

    Carts that cannot be read at the moment are not lost; with fewer than `at_least` successful
    looks in the fault window it is undecided.
    """
    return judge("carts_survive", partial(measure_carts, at_least=at_least))


def measure_orders(view: View, *, share_of_baseline: float) -> Reading:
    """The share of checkouts that failed, against what the baseline allows."""
    return measure_kept(view, "buy", "/checkout", "checkouts", share_of_baseline=share_of_baseline)


def measure_kept(view: View, behaviour: str, path: str, what: str, *, share_of_baseline: float) -> Reading:
    """The share of one kind of request that failed, against what the baseline allows; `what` are they?"""
    before = [s for s in view.baseline if s.behaviour == behaviour and s.path == path]
    now = [s for s in view.samples if s.behaviour == behaviour and s.path == path]
    good_before = sum(not s.failed for s in before)
    numbers: dict[str, Any] = {"baseline_good": good_before, "baseline": len(before)}
    if view.baseline_phase:
        if len(before) < _BASELINE_ORDERS:
            return Reading("undecided", f"only {len(before)} {what}, {_BASELINE_ORDERS} needed", numbers)
        bad = next((s for s in before if s.failed), None)
        if bad is not None:
            return Reading("violated", f"{good_before} of {len(before)} {what} succeeded: {bad.error}", numbers)
        return Reading("holds", f"all {len(before)} {what} succeeded", numbers)
    if len(before) < _BASELINE_ORDERS:
        return Reading("undecided", f"only {len(before)} {what} in the baseline to go by", numbers)
    failed = sum(s.failed for s in now)
    limit = 1 - share_of_baseline * good_before / len(before)
    rate = (judge_rate if view.final else judge_so_far)(failed, len(now), min(max(limit, 1e-3), 1 - 1e-3))
    numbers |= {"errors": failed, "samples": len(now), "limit": rate.limit, "upper": rate.upper, "lower": rate.lower}
    worst = Counter(s.error for s in now if s.failed).most_common(1)
    example = f", most often: {worst[0][0]}" if worst else ""
    reason = f"{failed} of {len(now)} {what} failed{example}; at most {rate.upper:.1%} do, limit {rate.limit:.1%}"
    if rate.outcome == "undecided":
        reason += f"; {rate.needed} more clean samples would do"
    return Reading(rate.outcome, reason, numbers)


def measure_return(view: View, *, within_s: float, at_least: int) -> Reading:
    """How many checkouts failed under the fault; whether they succeed again is looked at after the undo."""
    if view.baseline_phase:
        return measure_orders(view, share_of_baseline=1.0)
    failed = sum(s.failed for s in view.samples if _is_checkout(s))
    numbers = {"failed": failed}
    if failed < at_least:
        return Reading("undecided", f"{failed} checkouts failed under the fault, at least {at_least} needed", numbers)
    if view.final:
        view.session.look_later("orders_come_back", partial(judge_return, within_s=within_s))
    return Reading("holds", f"{failed} checkouts failed under the fault", numbers)


def judge_return(undone_at: float, since: list[Sample], *, within_s: float) -> Reading:
    """Whether the last checkout that failed, of those tried `since` the undo, was no later than `within_s` after it."""
    tried = [s for s in since if _is_checkout(s)]
    last = max((s.scheduled_at for s in tried if s.failed), default=undone_at)
    late = [s for s in tried if s.failed and s.scheduled_at > undone_at + within_s]
    numbers = {"tried": len(tried), "late": len(late), "last_after_s": round(last - undone_at, 3)}
    if late:
        said = f"{len(late)} checkouts failed more than {within_s:g} s after the undo: {late[0].error}"
        return Reading("violated", said, numbers)
    if not any(s.scheduled_at > last for s in tried):
        return Reading("undecided", "nobody tried to buy after the last checkout that failed", numbers)
    return Reading("holds", f"the last checkout that failed came {last - undone_at:.1f} s after the undo", numbers)


def _is_checkout(sample: Sample) -> bool:
    return sample.behaviour == "buy" and sample.path == "/checkout"


def measure_confirmed(view: View, *, within_s: float, at_least: int) -> Reading:
    """Confirmed orders against the database and the mailbox."""
    recorder = view.session.shoppers.recorder
    promised = recorder.confirmed("order", view.session.opened_at, view.end)
    fresh = [order for order in promised if order.at >= view.start]
    numbers: dict[str, Any] = {"confirmed": len(promised), "confirmed_under_fault": len(fresh)}
    try:
        missing = {order.id for order in promised} - view.session.database.orders(order.id for order in promised)
        if missing:
            numbers["missing"] = sorted(missing)[:10]
            return Reading("violated", f"{len(missing)} of {len(promised)} confirmed orders are not there", numbers)
        reading = _mails(view, promised, within_s, numbers)
    except BooksError as problem:
        return Reading("undecided", str(problem), numbers)
    needed = 1 if view.baseline_phase else at_least
    if reading.verdict == "holds" and len(fresh) < needed:
        return Reading("undecided", f"only {len(fresh)} orders were confirmed, {needed} needed", numbers)
    return reading


def _mails(view: View, promised: list[Confirmed], within_s: float, numbers: dict[str, Any]) -> Reading:
    """Each confirmed order's buyer has an address of their own: count the mails to each."""
    wanted = {order.owner for order in promised}
    last = max([order.at for order in promised], default=view.end)

    def look() -> tuple[Reading, bool]:
        counts = Counter(to for to, _ in view.session.postbox.recipients() if to in wanted)
        twice = [to for to, count in counts.items() if count > 1]
        if twice:
            reason = f"{len(twice)} buyers got several confirmations, e.g. {twice[0]}"
            return Reading("violated", reason, numbers), False
        if late := wanted - counts.keys():
            reason = f"{len(late)} of {len(promised)} buyers have no confirmation"
            return Reading("violated", reason, {**numbers, "unmailed": sorted(late)[:10]}), True
        return Reading("holds", f"{len(promised)} confirmed orders, each there, each with one mail", numbers), False

    return settled(view, last, within_s, look)


def measure_carts(view: View, *, at_least: int) -> Reading:
    """Long-lived carts against what their owners remember."""
    book = view.session.shoppers.carts
    carts = book.carts()
    if view.final and not view.baseline_phase:
        _look_into_all(view, carts)
    losses, read = book.losses(view.start), book.checks(view.start)
    looks, unread = len(read), sorted(carts.keys() - set(read))
    numbers = {"carts": len(carts), "looks": looks, "losses": len(losses)}
    if losses:
        lost = losses[0]
        return Reading("violated", f"cart {lost.cart} lost {lost.missing}: {lost.seen}", numbers)
    if view.baseline_phase:
        return Reading("holds" if carts else "undecided", f"{len(carts)} carts opened", numbers)
    if not carts or looks < at_least:
        return Reading("undecided", f"carts could be looked into {looks} times, at least {at_least} needed", numbers)
    if view.final and unread:
        reason = f"{len(unread)} of {len(carts)} carts could not be read under the fault, e.g. {unread[0]}"
        return Reading("undecided", reason, numbers)
    return Reading("holds", f"{len(carts)} carts looked into {looks} times: nothing lost", numbers)


def _look_into_all(view: View, carts: dict[str, dict[str, int]]) -> None:
    """One look into every cart at the end of the window; one that cannot be read says nothing."""
    shoppers = view.session.shoppers
    for cart, remembered in carts.items():
        try:
            status, body = fetch(f"{shoppers.base_url}/cart?id={cart}", headers={"Accept": "application/json"})
            data = json.loads(body) if status == 200 else {}  # noqa: PLR2004
        except (BooksError, ValueError):
            continue
        shoppers.carts.check(cart, remembered, Answer(status, status != 200, data))  # noqa: PLR2004
