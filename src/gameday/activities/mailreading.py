"""What the probes on mail share: the mails that were received, and the wait for those on their way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from gameday.activities.books import BooksError
from gameday.activities.session import Reading, View, judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.activities.mailbox import Mail

__all__ = ["ALERT", "APOLOGY", "CONFIRMATION", "NEWSLETTER", "enough", "judge_mails", "settled"]

ALERT, APOLOGY, CONFIRMATION, NEWSLETTER = "gift-alert", "apology", "order-confirmation", "newsletter"
"""What the shop's mails are made from, as their header X-Shop-Template says it."""

PAUSE_S = 0.2


def judge_mails(probe: str, measure: Callable[[View, list[Mail]], Reading]) -> dict[str, Any]:
    """Judge by the mails received since the session was opened. Undecided when a book cannot be read."""

    def read(view: View) -> Reading:
        try:
            return measure(view, view.session.postbox.mails(view.session.opened_at))
        except BooksError as problem:
            return Reading("undecided", str(problem))

    return judge(probe, read)


def enough(view: View, mails: list[Mail], at_least: int, what: str, numbers: dict[str, Any]) -> Reading:
    """Holds, of mails without fault, when `at_least` of them came in the window; in the baseline, when one did."""
    fresh = sum(mail.created_at >= view.start for mail in mails)
    numbers = {**numbers, "mails": len(mails), "mails_in_window": fresh}
    needed = min(1, at_least) if view.baseline_phase else at_least
    if fresh < needed:
        return Reading("undecided", f"{fresh} mails came in the window, at least {needed} needed", numbers)
    return Reading("holds", f"all {len(mails)} mails {what}", numbers)


def settled(view: View, within_s: float, look: Callable[[], tuple[Reading, bool]]) -> Reading:
    """Look until nothing is on its way any more; what still is, `within_s` after the window's end, is a violation.

    `look` returns a reading and whether something is on its way. While the window is open nothing is waited for.
    """
    began = time.time()
    while True:
        reading, on_its_way = look()
        if not on_its_way or not view.final or view.session.violation.is_set():
            return reading
        if time.time() > began + within_s:
            reason = f"{reading.reason}, after {within_s:g} s"
            return Reading("violated", reason, reading.numbers, span=(began, time.time()))
        time.sleep(PAUSE_S)
