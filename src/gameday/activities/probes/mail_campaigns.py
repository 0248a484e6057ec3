"""Probes on bulk mail: sent as it was approved, and stopped when the switch is thrown."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any

from gameday import evidence
from gameday.activities.mailreading import judge_mails
from gameday.activities.proof import fault_window
from gameday.activities.session import Reading, View
from gameday.activities.waiting import settled

if TYPE_CHECKING:
    from gameday.activities.books import Campaign
    from gameday.activities.mailbox import Mail

__all__ = ["campaigns_are_sent_as_approved", "kill_switch_stops_mail"]


def campaigns_are_sent_as_approved(within_s: float = 10.0, at_least: int = 1) -> dict[str, Any]:
    """Did each campaign that anybody received reach as many people as its dry run counted, approved by another?

    Those who were suppressed since the dry run count as reached. A campaign may take `within_s` after the window to
    come to its end; one that is held or was cancelled reaches fewer. Undecided with fewer than `at_least` campaigns
    made in the window.
    """
    measure = partial(measure_campaigns, within_s=within_s, at_least=at_least)
    return judge_mails("campaigns_are_sent_as_approved", measure)


def kill_switch_stops_mail(within_s: float = 2.0, at_least: int = 5) -> dict[str, Any]:
    """Did no mail arrive any more later than `within_s` after the fault, the thrown switch, was proven in force?

    Undecided when shoppers bought fewer than `at_least` things that call for a mail after that: nothing was stopped.
    """
    return judge_mails("kill_switch_stops_mail", partial(_measure_switch, within_s=within_s, at_least=at_least))


def measure_campaigns(view: View, mails: list[Mail], *, within_s: float, at_least: int) -> Reading:
    """Campaigns received against their approvals."""
    session = view.session
    # A campaign that was made before the fault was in force, and went out under it, is one of the window.
    began = session.method_started_at or view.start
    del mails  # read anew, as they come

    def look() -> tuple[Reading, bool]:
        reached: dict[str, set[str]] = defaultdict(set)
        for mail in session.postbox.mails(session.opened_at):
            reached[mail.event] |= {to.lower() for to in mail.to}
        known = [one for one in session.database.campaigns() if one.made_at >= session.opened_at]
        since = [one for one in known if one.made_at >= began]
        numbers = {"campaigns": len(known), "campaigns_in_window": len(since)}
        late = set(session.database.suppressed())
        for one in known:
            if wrong := _wrong(one, len(reached[one.id])):
                return Reading("violated", f"campaign {one.template} by {one.author}: {wrong}", numbers), False
        open_ = [one for one in known if _is_under_way(one, len(reached[one.id] | late))]
        if open_:
            one = open_[0]
            reason = f"campaign {one.template} has reached {len(reached[one.id])} of {one.recipients} people"
            return Reading("violated", reason, numbers), True
        if not view.baseline_phase and len(since) < at_least:
            reason = f"{len(since)} campaigns were made in the window, at least {at_least} needed"
            return Reading("undecided", reason, numbers), False
        return Reading("holds", f"{len(known)} campaigns, each sent as it was approved", numbers), False

    return settled(view, view.end, within_s, look)


def _wrong(campaign: Campaign, people: int) -> str:
    """What is wrong with a campaign that reached so many, or nothing."""
    if not people and campaign.state != "approved":
        return ""
    if campaign.approver is None:
        return f"{people} people were reached, and nobody has approved it" if people else ""
    if campaign.approver.casefold() == campaign.author.casefold():
        return "its author has approved it"
    if campaign.approved != campaign.recipients or people > (campaign.recipients or 0):
        return f"{people} people were reached, {campaign.recipients} counted and {campaign.approved} approved"
    return ""


def _is_under_way(campaign: Campaign, people: int) -> bool:
    """Whether more of it must come: some is missing though nothing holds it."""
    sendable = campaign.state in ("approved", "sent") and not campaign.held
    return sendable and people < (campaign.recipients or 0)


def _measure_switch(view: View, mails: list[Mail], *, within_s: float, at_least: int) -> Reading:
    since = view.session.method_started_at or view.session.opened_at
    thrown_at = fault_window(evidence.events(), since).proven_from
    return measure_switch(view, mails, thrown_at=thrown_at, within_s=within_s, at_least=at_least)


def measure_switch(
    view: View, mails: list[Mail], *, thrown_at: float | None, within_s: float, at_least: int
) -> Reading:
    """Mails that came after the switch was thrown, at `thrown_at` (Unix seconds; None: not yet).

    Time in which this machine stalled does not count: the mailer may have stood still as well.
    """
    if view.baseline_phase:
        verdict, reason = ("holds" if mails else "undecided"), f"{len(mails)} mails came before the switch was thrown"
        return Reading("holds" if verdict == "holds" else "undecided", reason, {"mails": len(mails)})
    if thrown_at is None:
        return Reading("undecided", "the switch is not proven to be thrown")
    after = [mail for mail in mails if _awake_s(view, thrown_at, mail.created_at) > within_s]
    recorder = view.session.shoppers.recorder
    wanted = sum(len(recorder.confirmed(kind, thrown_at + within_s, view.end)) for kind in ("order", "gift"))
    numbers = {"mails_after": len(after), "called_for": wanted}
    if after:
        reason = (
            f"{len(after)} mails came more than {within_s:g} s after the switch was thrown, e.g. {after[0].subject!r}"
        )
        return Reading("violated", reason, numbers)
    if wanted < at_least:
        return Reading("undecided", f"{wanted} things that call for a mail were bought, {at_least} needed", numbers)
    return Reading("holds", f"no mail came for the {wanted} things bought after that", numbers)


def _awake_s(view: View, start: float, end: float) -> float:
    """The seconds from `start` to `end` in which this machine did not stall."""
    stalled = sum(max(0.0, min(stall.end, end) - max(stall.start, start)) for stall in view.stalls)
    return end - start - stalled
