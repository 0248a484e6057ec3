"""The courier: goes round the outbox and the campaigns, and delivers what each calls for."""

import asyncio
from collections import defaultdict
from dataclasses import asdict, dataclass

from gameday.storefront.database import Connection, Database
from gameday.storefront.logs import log
from gameday.storefront.mailer import events, guards
from gameday.storefront.mailer.book import Book
from gameday.storefront.mailer.campaigner import Campaigner
from gameday.storefront.mailer.config import Config, ConfigFolder, Held
from gameday.storefront.mailer.counts import Counts
from gameday.storefront.mailer.dispatch import Dispatch
from gameday.storefront.mailer.events import Event, Recipient
from gameday.storefront.mailer.letters import Letter, Renderer
from gameday.storefront.mailer.links import LinkCheck
from gameday.storefront.mailer.post import PostboxDown
from gameday.storefront.mailer.rules import Rules
from gameday.storefront.mailer.tokens import Tokens
from gameday.storefront.problems import Unavailable

ROUND_S = 120.0
BULK = 10


@dataclass(frozen=True)
class Ready:
    """An event whose letters may be sent; `audience` is how many its rule asked for."""

    event: Event
    letters: list[Letter]
    audience: int


class Courier:
    """Delivers the events of the outbox, one after the other, and campaigns batch by batch between them."""

    def __init__(
        self,
        database: Database,
        folder: ConfigFolder,
        dispatch: Dispatch,
        rules: Rules,
        links: LinkCheck,
        tokens: Tokens,
    ) -> None:
        self._database = database
        self._folder = folder
        self._dispatch = dispatch
        self._rules = rules
        self._links = links
        self._tokens = tokens
        self._campaigner = Campaigner(dispatch, rules, links)
        self._renderer: Renderer | None = None
        self._held: dict[int, str] = {}
        self._counts: dict[str, Counts] = defaultdict(Counts)
        self._counted: set[tuple[str, int]] = set()  # an event that is tried again is not counted again
        self._stopping = asyncio.Event()

    def counts(self) -> dict[str, dict[str, int]]:
        """The counts of each configuration, by its hash."""
        return {sha256: asdict(counts) for sha256, counts in self._counts.items()}

    def renderer(self) -> Renderer:
        """The templates in use; raises Held while there is no configuration."""
        config = self._folder.current
        if config is None:
            raise Held("no configuration has been read yet")
        if self._renderer is None or self._renderer.config is not config:
            self._renderer = Renderer(config, self._rules, self._tokens, lambda: self._goes_on(config))
            self._held.clear()
            self._campaigner.forget_holds()
        return self._renderer

    def stop(self) -> None:
        """End `work` after the letter at hand."""
        self._stopping.set()

    async def work(self, poll_s: float) -> None:
        """Go round until stopped; a world that is down is tried again, a little later each time."""
        pause_s = poll_s
        while not self._stopping.is_set():
            try:
                busy = await self._round()
                pause_s = 0.0 if busy else poll_s
            except (Unavailable, PostboxDown) as error:
                log("delivery-postponed", error=str(error))
                pause_s = min(2 * max(pause_s, poll_s), 1.0)
            if pause_s:
                await asyncio.to_thread(self._dispatch.post.hang_up)
                await self._pause(pause_s)

    async def _pause(self, pause_s: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), pause_s)
        except TimeoutError:
            return

    def _goes_on(self, config: Config) -> bool:
        """Whether what was decided under `config` may still be done: asked before each letter."""
        return self._folder.current is config and not self._stopping.is_set()

    async def _round(self) -> bool:
        """Deliver what waits, then a batch of a campaign; returns whether there is more of that to do at once.

        Held events are left alone until the configuration changes.
        """
        if self._folder.current is None:
            return False
        renderer = self.renderer()
        async with self._database.connection(deadline_s=ROUND_S) as connection, Book(connection) as book:
            await self._dispatch.settle(book)
            waiting = await events.pending(connection, without=list(self._held))
            # Side by side, for most of it is waiting for pages; sent in their order, by one session.
            prepared = [asyncio.create_task(self._prepare(connection, event, renderer)) for event in waiting]
            try:
                for task in prepared:
                    if (ready := await task) is not None and renderer.is_current():
                        await self._deliver(connection, book, ready, renderer)
            finally:
                await _end(prepared)
            counts = self._counts[renderer.config.sha256]
            return await self._campaigner.work(connection, book, renderer, counts)

    async def _deliver(self, connection: Connection, book: Book, ready: Ready, renderer: Renderer) -> None:
        """Send all letters of one event; all are written before the first is sent, so that none goes out half-right."""
        config, event, kept = renderer.config, ready.event, len(ready.letters)
        counts = self._counts[config.sha256]
        try:
            await guards.check_ceiling(self._rules, config, book, event.kind, event.event_id, kept)
            counts.sent += await self._dispatch.send(book, ready.letters, renderer.is_current)
        except Held as reason:
            self._hold(event, reason, counts)
            return
        await events.mark_processed(connection, event)
        self._counted.discard((config.sha256, event.id))
        loud = {"bulk": True} if kept > BULK else {}
        log("delivered", template=event.kind, shop_event=event.event_id, audience=ready.audience, kept=kept, **loud)

    async def _prepare(self, connection: Connection, event: Event, renderer: Renderer) -> Ready | None:
        """Find out whom an event is to be told to, write the letters, follow their links; None when it is held."""
        config, rules = renderer.config, self._rules
        counts = self._counts[config.sha256]
        is_new = (config.sha256, event.id) not in self._counted
        self._counted.add((config.sha256, event.id))
        counts.events += is_new
        try:
            guards.check_switch(rules, config)
            facts = await events.facts_of(connection, event)
            rule = config.audience_rule(event.kind)
            asked = await events.audience(connection, rule, event, facts)
            asked = await self._unsuppressed(connection, event, asked, counts if is_new else Counts())
            kept = events.joined(asked, facts) if rules.event_join else asked
            counts.audience += len(asked) * is_new
            counts.dropped_by_join += (len(asked) - len(kept)) * is_new
            guards.check_domains(rules, config, [person.email for person in kept])
            letters = await asyncio.to_thread(lambda: [renderer.letter(event, facts, person) for person in kept])
            if rules.link_check:
                await self._links.check(letters)
        except Held as reason:
            self._hold(event, reason, counts)
            return None
        return Ready(event, letters, len(asked))

    def _hold(self, event: Event, reason: Held, counts: Counts) -> None:
        self._held[event.id] = str(reason)
        counts.held += 1
        log("held", template=event.kind, shop_event=event.event_id, reason=str(reason))

    async def _unsuppressed(
        self, connection: Connection, event: Event, asked: list[Recipient], counts: Counts
    ) -> list[Recipient]:
        if not self._rules.suppression:
            return asked
        out = await events.suppressed(connection, event.kind, [person.email for person in asked])
        counts.suppressed += len(out)
        return [person for person in asked if person.email not in out]


async def _end(tasks: list["asyncio.Task[Ready | None]"]) -> None:
    """Cancel what is still under way, and wait until it has let go of the connection."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
