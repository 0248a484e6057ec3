"""Probes on whom mail reaches: how many, who must not be written to, and who is owed an apology."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from gameday.activities.mailreading import ALERT, APOLOGY, NEWSLETTER, enough, judge_mails
from gameday.activities.session import Reading, View
from gameday.activities.waiting import settled

if TYPE_CHECKING:
    from gameday.activities.mailbox import Mail

__all__ = [
    "alerts_do_not_outnumber_gifts",
    "apologies_reach_exactly_the_wronged",
    "nobody_suppressed_is_mailed",
    "recipients_are_in_reserved_domains",
    "recipients_stay_under_the_ceiling",
]

RESERVED = (".test", ".example", ".invalid", ".localhost", "@example.com", "@example.net", "@example.org")
GRACE_S = 2.0
"""A mail that was on its way when its reader unsubscribed may still arrive for so long."""


def recipients_stay_under_the_ceiling(template: str, ceiling: int, at_least: int = 1) -> dict[str, Any]:
    """Did mails of `template` reach at most `ceiling` different people?

    Undecided unless `at_least` mails of it arrived in the fault window, or somebody approved a campaign of it that was
    then held: nothing else has tried the ceiling.
    """
    measure = partial(measure_reach, template=template, ceiling=ceiling, at_least=at_least)
    return judge_mails("recipients_stay_under_the_ceiling", measure)


def alerts_do_not_outnumber_gifts(at_least: int = 5) -> dict[str, Any]:
    """Did no more gift alerts arrive than gifts were bought? Undecided with fewer than `at_least` in the window."""
    return judge_mails("alerts_do_not_outnumber_gifts", partial(measure_alerts, at_least=at_least))


def nobody_suppressed_is_mailed(at_least: int = 5) -> dict[str, Any]:
    """Did nothing reach an address that bounced, no alert or bulk mail who unsubscribed, no bulk mail without consent?

    Order confirmations and apologies go to those who unsubscribed too: these are no advertisement. Undecided with fewer
    than `at_least` mails in the fault window.
    """
    return judge_mails("nobody_suppressed_is_mailed", partial(measure_suppressed, at_least=at_least))


def recipients_are_in_reserved_domains(at_least: int = 5) -> dict[str, Any]:
    """Did every mail go to a domain that nobody can own (RFC 2606)? Undecided with fewer than `at_least` mails."""
    return judge_mails("recipients_are_in_reserved_domains", partial(measure_domains, at_least=at_least))


def apologies_reach_exactly_the_wronged(within_s: float = 10.0) -> dict[str, Any]:
    """Did each person whom a gift alert reached wrongly get exactly one apology, and nobody else one?

    At most `within_s` after the window. Undecided when nobody was wronged in it, unless somebody got an apology.
    """
    return judge_mails("apologies_reach_exactly_the_wronged", partial(measure_apologies, within_s=within_s))


def measure_reach(view: View, mails: list[Mail], *, template: str, ceiling: int, at_least: int) -> Reading:
    """Different people against the ceiling."""
    ours = [mail for mail in mails if mail.template == template]
    people = {to.lower() for mail in ours for to in mail.to}
    numbers: dict[str, Any] = {"people": len(people), "ceiling": ceiling}
    if len(people) > ceiling:
        return Reading("violated", f"{template} reached {len(people)} people, the ceiling is {ceiling}", numbers)
    if view.baseline_phase:
        return Reading("holds", f"{template} reached {len(people)} people", numbers)
    since = [one for one in view.session.database.campaigns() if one.template == template and one.made_at >= view.start]
    held = [one for one in since if one.approver and one.held]
    if held:
        return Reading("holds", f"an approved campaign to {held[0].recipients} was held: {held[0].held}", numbers)
    if not since:
        return enough(view, ours, at_least, f"of {template} reached {len(people)} people", numbers)
    if sum(mail.created_at >= view.start for mail in ours) < at_least:
        return Reading("undecided", f"a campaign of {template} was made, but neither sent nor held", numbers)
    return Reading("holds", f"{template} reached {len(people)} people, at most {ceiling} may be", numbers)


def measure_alerts(view: View, mails: list[Mail], *, at_least: int) -> Reading:
    """Alerts against gifts; the alerts were read first, so that each gift of theirs is there by now."""
    alerts, gifts = [mail for mail in mails if mail.template == ALERT], len(view.session.database.gifts())
    copies = sum(len(mail.to) for mail in alerts)
    if copies > gifts:
        return Reading("violated", f"{copies} gift alerts for {gifts} gifts", {"alerts": copies, "gifts": gifts})
    return enough(view, alerts, at_least, f"are alerts, for {gifts} gifts", {"gifts": gifts})


def measure_suppressed(view: View, mails: list[Mail], *, at_least: int) -> Reading:
    """Receivers against the suppression list, as it was when the mail came."""
    database = view.session.database
    suppressed, without_consent = database.suppressed(), database.without_consent()

    def why(mail: Mail, to: str) -> str:
        reason, since = suppressed.get(to, ("", 0.0))
        counts = reason == "bounced" or mail.template in (ALERT, NEWSLETTER)
        if reason and counts and mail.created_at > since + GRACE_S:
            return reason
        return "without consent" if mail.template == NEWSLETTER and to in without_consent else ""

    wrong = [(mail, to, reason) for mail in mails for to in map(str.lower, mail.to) if (reason := why(mail, to))]
    numbers = {"suppressed": len(suppressed), "wrong": len(wrong)}
    if wrong:
        mail, to, reason = wrong[0]
        said = f"{len(wrong)} mails reached people who must not be written to, e.g. a {mail.template} to {to}: {reason}"
        return Reading("violated", said, numbers)
    return enough(view, mails, at_least, "went to people who may be written to", numbers)


def measure_domains(view: View, mails: list[Mail], *, at_least: int) -> Reading:
    """The domains that mail went to."""
    wrong = [to for mail in mails for to in mail.to if not to.lower().endswith(RESERVED)]
    if wrong:
        domain = wrong[0].rpartition("@")[2]
        return Reading("violated", f"{len(wrong)} mails went to domains of real people, e.g. {domain}", {})
    return enough(view, mails, at_least, "went to reserved domains", {})


def measure_apologies(view: View, mails: list[Mail], *, within_s: float) -> Reading:
    """Apologies against those whom an alert reached that was not for them."""
    session = view.session
    del mails  # read anew, as they come

    def look() -> tuple[Reading, bool]:
        received = session.postbox.mails(session.opened_at)
        gifts = session.database.gifts()
        wrong = [
            (to.lower(), mail.created_at)
            for mail in received
            if mail.template == ALERT
            for to in mail.to
            if mail.event not in gifts or gifts[mail.event].owner_email != to.lower()
        ]
        wronged, owed = {to for to, _ in wrong}, {to for to, at in wrong if at <= view.end}
        got = Counter(to.lower() for mail in received if mail.template == APOLOGY for to in mail.to)
        numbers = {"wronged": len(wronged), "apologies": sum(got.values())}
        strangers, twice = got.keys() - wronged, [to for to, n in got.items() if n > 1]
        if strangers:
            reason = f"{len(strangers)} people who were not wronged got an apology, e.g. {min(strangers)}"
            return Reading("violated", reason, numbers), False
        if twice:
            reason = f"{len(twice)} people got several apologies, e.g. {twice[0]}"
            return Reading("violated", reason, numbers), False
        if view.baseline_phase:
            return Reading("holds", f"{len(wronged)} people wronged so far, {len(got)} apologies", numbers), False
        if not wronged:
            return Reading("undecided", "nobody was wronged, so nobody was owed an apology", numbers), False
        if late := owed - got.keys():
            reason = f"{len(late)} of {len(owed)} people who were wronged have no apology"
            return Reading("violated", reason, numbers), True
        return Reading("holds", f"each of {len(wronged)} people who were wronged has one apology", numbers), False

    return settled(view, view.end, within_s, look)
