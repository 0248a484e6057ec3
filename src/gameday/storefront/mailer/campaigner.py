"""Sends approved campaigns, a batch at a time between the rounds of the outbox, as fast as their ceiling says."""

import asyncio
import time
from dataclasses import dataclass, field

from gameday.storefront.database import Connection
from gameday.storefront.logs import log
from gameday.storefront.mailer import campaigns, guards, limits
from gameday.storefront.mailer.book import Book
from gameday.storefront.mailer.campaigns import Campaign
from gameday.storefront.mailer.config import Config, Held
from gameday.storefront.mailer.counts import Counts
from gameday.storefront.mailer.dispatch import BATCH, Dispatch
from gameday.storefront.mailer.events import Facts
from gameday.storefront.mailer.letters import Renderer
from gameday.storefront.mailer.links import LinkCheck
from gameday.storefront.mailer.rules import Rules

HELD_S = 5.0
SLICE_S = 0.25


@dataclass
class Progress:
    """How far this process is with a campaign, under one configuration."""

    facts: Facts
    per_second: float | None
    after: int = 0
    sent_at: float = field(default_factory=lambda: time.monotonic() - SLICE_S)

    def allowance(self, now: float) -> int:
        """How many mails may go out now: what the pace gives since the last batch, at most a batch."""
        if self.per_second is None:
            return BATCH
        return max(1, min(BATCH, int(self.per_second * (now - self.sent_at))))


@dataclass
class Campaigner:
    """Works on the oldest approved campaign that nothing holds."""

    dispatch: Dispatch
    rules: Rules
    links: LinkCheck
    _progress: dict[tuple[str, Campaign], Progress] = field(default_factory=dict)
    _held_until: dict[str, float] = field(default_factory=dict)
    _next_at: float = 0.0

    def forget_holds(self) -> None:
        """The configuration has changed: look at what was held again."""
        self._held_until.clear()

    async def work(self, connection: Connection, book: Book, renderer: Renderer, counts: Counts) -> bool:
        """Send one batch, if it is time; returns whether the next one is due at once.

        Raises PostboxDown and Unavailable when it must be tried later.
        """
        now = time.monotonic()
        if now < self._next_at:
            return False
        self._held_until = {one: until for one, until in self._held_until.items() if until > now}
        campaign = await campaigns.approved(connection, without=list(self._held_until))
        if campaign is None:
            return False
        counts.events += 1
        try:
            sent, pace = await self._batch(connection, book, campaign, renderer)
        except Held as reason:
            self._held_until[campaign.id] = now + HELD_S
            counts.held += 1
            await campaigns.hold(connection, campaign, str(reason))
            log("campaign-held", campaign=campaign.id, reason=str(reason))
            return False
        counts.campaign_mails += sent
        self._next_at = time.monotonic() + (SLICE_S if pace else 0.0)
        return sent > 0 and not pace

    async def _batch(
        self, connection: Connection, book: Book, campaign: Campaign, renderer: Renderer
    ) -> tuple[int, float | None]:
        """Send the next of a campaign; returns how many mails were accepted, and the pace."""
        config = renderer.config
        guards.check_switch(self.rules, config)
        key = (config.sha256, campaign)
        if key not in self._progress:
            self._progress[key] = await self._begin(connection, book, campaign, renderer)
        if campaign.held:
            await campaigns.hold(connection, campaign, "")
        progress = self._progress[key]
        size = progress.allowance(time.monotonic())
        people = await campaigns.unsent(
            connection, campaign, after=progress.after, limit=size, suppression=self.rules.suppression
        )
        if not people:
            await self._end(connection, campaign, progress)
            return 0, None
        recipients = [person for _, person in people]
        guards.check_domains(self.rules, config, [person.email for person in recipients])
        event, facts = campaign.event, progress.facts
        letters = await asyncio.to_thread(lambda: [renderer.letter(event, facts, one) for one in recipients])
        if progress.after == 0 and self.rules.link_check:
            await self.links.check(letters)
        note = self.rules.idempotency  # without: noted at its end, so that whoever dies before that begins anew
        progress.sent_at = time.monotonic()
        sent = await self.dispatch.send(book, letters, renderer.is_current, note_at_once=note)
        progress.after = people[-1][0]
        return sent, progress.per_second

    async def _begin(self, connection: Connection, book: Book, campaign: Campaign, renderer: Renderer) -> Progress:
        """Whatever is asked once for a campaign under a configuration."""
        config, rules = renderer.config, self.rules
        if config.content_sha256(campaign.template) != campaign.content_sha256:
            raise Held(f"{campaign.template} has changed since its dry run: count and approve it anew")
        people = campaign.recipients or 0
        if not rules.dry_run:  # the weakness: whoever the rule asks for by now
            rule = config.audience_rule(campaign.template)
            people = await campaigns.count(
                connection, campaign, rule, apology_join=rules.apology_join, suppression=rules.suppression
            )
        await guards.check_ceiling(
            rules, config, book, campaign.template, campaign.id, people, lifted=campaign.above_ceiling
        )
        per_second = limits.ceiling(config, campaign.template).per_second if rules.ceiling else _pace(config, campaign)
        log("campaign-begins", campaign=campaign.id, template=campaign.template, recipients=people, bulk=True)
        return Progress(await campaigns.facts_of(connection, campaign), per_second)

    async def _end(self, connection: Connection, campaign: Campaign, progress: Progress) -> None:
        """Nobody is left after the place where we are: look from the start once more, then it is done."""
        if not self.rules.idempotency:
            await campaigns.note_all(connection, campaign)
        if progress.after and self.rules.idempotency:
            progress.after = 0
        elif await campaigns.finish(connection, campaign):
            log("campaign-sent", campaign=campaign.id, template=campaign.template)


def _pace(config: Config, campaign: Campaign) -> float | None:
    """The pace where no ceiling is asked for: as it is written, if it is."""
    try:
        return limits.ceiling(config, campaign.template).per_second
    except Held:
        return None
