"""Probes on gift alerts: to whom, about what, and whether they read as they should."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from html import unescape
from typing import TYPE_CHECKING, Any

from gameday.activities.books import BooksError, Gift, fetch
from gameday.activities.mailreading import ALERT
from gameday.activities.session import Reading, View, judge
from gameday.activities.waiting import settled

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.activities.mailbox import Mail

__all__ = ["canary_alert_arrives", "gift_alerts_are_well_formed", "no_unmatched_gift_alert"]

_LINKS_FOLLOWED = 3
_BROKEN = re.compile(r"\{\{|\{%|%\}|\}\}|\bNone\b|\bundefined\b|\bUndefined\b|\bnull\b|\$\{")


def no_unmatched_gift_alert(at_least: int = 5) -> dict[str, Any]:
    """Does each gift alert that anybody received map to a gift whose registry the receiver owns, once each?

    Unmatched alerts allowed: none. Undecided with fewer than `at_least` alerts received in the
    fault window (1 in the baseline), or when the shop's books cannot be read.
    """
    return judge("no_unmatched_gift_alert", partial(_read, measure=partial(measure_matches, at_least=at_least)))


def gift_alerts_are_well_formed(at_least: int = 5) -> dict[str, Any]:
    """Does each gift alert name the very gift, with no gap or template token, and link to a page that shows it?"""
    return judge("gift_alerts_are_well_formed", partial(_read, measure=partial(measure_form, at_least=at_least)))


def canary_alert_arrives(within_s: float = 5.0, share: float = 0.0) -> dict[str, Any]:
    """Do gift alerts arrive at all? At least one for the gifts bought in the window, within `within_s` of its end.

    `share` (0 to 1) asks for that share of them. Keeps the other mail probes from holding in silence.
    """
    return judge("canary_alert_arrives", partial(_measure_canary, within_s=within_s, share=share))


def measure_matches(view: View, mails: list[Mail], gifts: dict[str, Gift], *, at_least: int) -> Reading:
    """Alerts against the gifts in the database."""
    fresh = [mail for mail in mails if mail.created_at >= view.start]
    unmatched = [
        (mail, to) for mail in mails for to in mail.to if mail.event not in gifts or gifts[mail.event].owner_email != to
    ]
    numbers = {"alerts": len(mails), "alerts_in_window": len(fresh), "unmatched": len(unmatched)}
    if unmatched:
        mail, to = unmatched[0]
        known = gifts.get(mail.event)
        whose = f"the registry of {known.owner_email}" if known else "no registry at all"
        strangers = len({to for _, to in unmatched})
        reason = f"{len(unmatched)} gift alerts to {strangers} strangers, e.g. to {to} about a gift of {whose}"
        return Reading("violated", reason, numbers)
    twice = [key for key, n in Counter((mail.event, to) for mail in mails for to in mail.to).items() if n > 1]
    if twice:
        return Reading("violated", f"{len(twice)} gift alerts came more than once, e.g. to {twice[0][1]}", numbers)
    needed = 1 if view.baseline_phase else at_least
    if len(fresh) < needed:
        return Reading("undecided", f"{len(fresh)} gift alerts arrived, at least {needed} needed", numbers)
    return Reading("holds", f"all {len(mails)} gift alerts went to the owner of the registry, once", numbers)


def measure_form(view: View, mails: list[Mail], gifts: dict[str, Gift], *, at_least: int) -> Reading:
    """Alerts as their readers see them."""
    fresh = [mail for mail in mails if mail.created_at >= view.start]
    for mail in mails:
        problem = _malformed(mail, gifts.get(mail.event))
        if problem:
            return Reading("violated", f"gift alert {mail.subject!r}: {problem}", {"alerts": len(mails)})
    numbers = {"alerts": len(mails), "alerts_in_window": len(fresh)}
    needed = 1 if view.baseline_phase else at_least
    if len(fresh) < needed:
        return Reading("undecided", f"{len(fresh)} gift alerts arrived, at least {needed} needed", numbers)
    if view.final:
        for mail in fresh[:_LINKS_FOLLOWED]:
            problem = _dead_link(view, gifts[mail.event])
            if problem:
                return Reading("violated", f"gift alert {mail.subject!r}: {problem}", numbers)
    return Reading("holds", f"all {len(mails)} gift alerts read as they should", numbers)


def _measure_canary(view: View, *, within_s: float, share: float) -> Reading:
    gifts = {g.id for g in view.session.shoppers.recorder.confirmed("gift", view.start, view.end)}
    needed = max(1, int(len(gifts) * share))

    def look() -> tuple[Reading, bool]:
        try:
            arrived = {m.event for m in view.session.postbox.mails(view.start) if m.template == ALERT} & gifts
        except BooksError as problem:
            return Reading("undecided", str(problem)), False
        numbers = {"gifts": len(gifts), "arrived": len(arrived), "needed": needed}
        if len(arrived) >= needed:
            return Reading("holds", f"{len(arrived)} of {len(gifts)} gift alerts arrived", numbers), False
        if not gifts:
            return Reading("undecided", "no gift was bought", numbers), False
        reason = f"{len(arrived)} of {len(gifts)} gift alerts, {needed} needed, have arrived"
        return Reading("violated", reason, numbers), True

    return settled(view, view.end, within_s, look)


def _read(view: View, *, measure: Callable[[View, list[Mail], dict[str, Gift]], Reading]) -> Reading:
    """Read both books, the mailbox first: a gift is in the database before its alert is in the mail."""
    try:
        mails = [mail for mail in view.session.postbox.mails(view.session.opened_at) if mail.template == ALERT]
        view.session.postbox.check_clock()
        gifts = view.session.database.gifts()
    except BooksError as problem:
        return Reading("undecided", str(problem))
    return measure(view, mails, gifts)


def _malformed(mail: Mail, gift: Gift | None) -> str:
    """What is wrong with an alert's words, or nothing."""
    html_words = " ".join(unescape(re.sub(r"<style.*?</style>|<[^>]+>", " ", mail.html, flags=re.DOTALL)).split())
    parts = {"subject": mail.subject, "text": mail.text, "HTML": html_words}
    for name, words in parts.items():
        if not words.strip():
            return f"its {name} is empty"
        broken = _BROKEN.search(words)
        if broken:
            return f"its {name} has {broken.group()!r} in it"
    if gift is None:
        return "it is about no gift there is"
    for name in ("text", "HTML"):
        if not any(product in parts[name] for product in gift.product_names):
            return f"its {name} does not name the gift ({gift.product_names[0]})"
    link = f"/registry/{gift.registry}/items/{gift.id}"
    return "" if link in mail.text and link in mail.html else f"it does not link to {link}"


def _dead_link(view: View, gift: Gift) -> str:
    """What is wrong with the page that an alert links to, or nothing."""
    path = f"/registry/{gift.registry}/items/{gift.id}"
    try:
        status, body = fetch(view.session.shoppers.base_url + path, headers={"Accept": "text/html"})
    except BooksError as problem:
        return f"its link: {problem}"
    page = unescape(body.decode("utf-8", "replace"))
    if status != 200 or not any(product in page for product in gift.product_names):  # noqa: PLR2004
        return f"its link {path} answers {status} and does not show the gift"
    return ""
