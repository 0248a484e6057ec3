"""Probes on delivery: each mail once, each order confirmed, and both sides' books in agreement."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from gameday.activities.mailreading import CONFIRMATION, enough, judge_mails
from gameday.activities.session import Reading, View
from gameday.activities.waiting import settled

if TYPE_CHECKING:
    from gameday.activities.mailbox import Mail

__all__ = ["each_order_is_confirmed_once", "no_mail_arrives_twice", "sink_agrees_with_sender"]

Key = tuple[str, str, str]


def no_mail_arrives_twice(at_least: int = 5) -> dict[str, Any]:
    """Did every (template, event, recipient) arrive at most once, through kills and retries?

    Undecided with fewer than `at_least` mails in the fault window.
    """
    return judge_mails("no_mail_arrives_twice", partial(measure_repeats, at_least=at_least))


def each_order_is_confirmed_once(within_s: float = 10.0, at_least: int = 5) -> dict[str, Any]:
    """Did each order that a shopper saw confirmed bring one confirmation, within `within_s` of the window's end?

    Undecided with fewer than `at_least` orders confirmed in the fault window.
    """
    measure = partial(measure_confirmations, within_s=within_s, at_least=at_least)
    return judge_mails("each_order_is_confirmed_once", measure)


def sink_agrees_with_sender(within_s: float = 10.0, at_least: int = 5) -> dict[str, Any]:
    """Are the mails that the sink holds exactly those that its sender was answered 250 for?

    A mail that is on its way may take `within_s` after the window. Undecided with fewer than `at_least` mails in it.
    """
    return judge_mails("sink_agrees_with_sender", partial(measure_agreement, within_s=within_s, at_least=at_least))


def measure_repeats(view: View, mails: list[Mail], *, at_least: int) -> Reading:
    """How often each mail came."""
    ours = [mail for mail in mails if mail.template]
    twice = [(key, n) for key, n in _keys(ours).items() if n > 1]
    if twice:
        (template, _, to), n = twice[0]
        reason = f"{len(twice)} mails came more than once, e.g. a {template} to {to} {n} times"
        return Reading("violated", reason, {"mails": len(ours), "repeated": len(twice)})
    return enough(view, ours, at_least, "came once", {"repeated": 0})


def measure_confirmations(view: View, mails: list[Mail], *, within_s: float, at_least: int) -> Reading:
    """Orders that shoppers saw confirmed against confirmations received."""
    recorder, opened_at = view.session.shoppers.recorder, view.session.opened_at
    promised = recorder.confirmed("order", opened_at, view.end)
    fresh, needed = sum(order.at >= view.start for order in promised), 1 if view.baseline_phase else at_least
    del mails  # read anew, as they come

    def look() -> tuple[Reading, bool]:
        counts = Counter(m.event for m in view.session.postbox.mails(opened_at) if m.template == CONFIRMATION)
        twice = [order.id for order in promised if counts[order.id] > 1]
        late = [order.id for order in promised if not counts[order.id]]
        numbers = {"orders": len(promised), "orders_in_window": fresh, "unconfirmed": len(late)}
        if twice:
            reason = f"{len(twice)} orders were confirmed more than once, e.g. {twice[0]}"
            return Reading("violated", reason, numbers), False
        if late:
            return Reading("violated", f"{len(late)} of {len(promised)} orders have no confirmation", numbers), True
        if fresh < needed:
            return Reading("undecided", f"{fresh} orders in the window, at least {needed} needed", numbers), False
        return Reading("holds", f"each of {len(promised)} orders was confirmed once", numbers), False

    return settled(view, view.end, within_s, look)


def measure_agreement(view: View, mails: list[Mail], *, within_s: float, at_least: int) -> Reading:
    """The sender's book against the sink's, each since the session was opened: what the one had by the window's end."""
    session = view.session
    del mails  # read anew, after the sender's book: what that has must be there

    def look() -> tuple[Reading, bool]:
        sent = [one for one in session.database.sent() if one.at >= session.opened_at and one.state == "accepted"]
        accepted: dict[Key, float] = {(one.template, one.event, one.recipient): one.at for one in sent}
        received = [mail for mail in session.postbox.mails(session.opened_at) if mail.template]
        have, by_end = _keys(received), _keys([mail for mail in received if mail.created_at <= view.end])
        missing = {key for key, at in accepted.items() if at <= view.end} - have.keys()
        surplus = sum((by_end - Counter(accepted.keys())).values())
        numbers = {"accepted": len(accepted), "received": len(received), "missing": len(missing), "surplus": surplus}
        if twice := sum(have.values()) - len(have):
            return Reading("violated", f"the sink has {twice} mails more than its sender was told", numbers), False
        if missing or surplus:
            reason = f"{len(missing)} mails that the sender calls accepted are not at the sink, {surplus} only there"
            return Reading("violated", reason, numbers), True
        return enough(view, received, at_least, "are in both books", numbers), False

    return settled(view, view.end, within_s, look)


def _keys(mails: list[Mail]) -> Counter[Key]:
    return Counter((mail.template, mail.event, to.lower()) for mail in mails for to in mail.to)
