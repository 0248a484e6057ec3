"""What the probes on mail share: the mails that were received."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gameday.activities.books import BooksError
from gameday.activities.session import Reading, View, judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.activities.mailbox import Mail

__all__ = ["ALERT", "APOLOGY", "CONFIRMATION", "NEWSLETTER", "enough", "judge_mails"]

ALERT, APOLOGY, CONFIRMATION, NEWSLETTER = "gift-alert", "apology", "order-confirmation", "newsletter"
"""What the shop's mails are made from, as their header X-Shop-Template says it."""


def judge_mails(probe: str, measure: Callable[[View, list[Mail]], Reading]) -> dict[str, Any]:
    """Judge by the mails received since the session was opened. Undecided when a book cannot be read."""

    def read(view: View) -> Reading:
        try:
            mails = view.session.postbox.mails(view.session.opened_at)
            view.session.postbox.check_clock()
            return measure(view, mails)
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
