"""The courier: goes round the outbox and delivers what each event calls for."""

import asyncio
from collections import defaultdict
from dataclasses import asdict, dataclass

from gameday.storefront.database import Connection, Database
from gameday.storefront.logs import log
from gameday.storefront.mailer import events
from gameday.storefront.mailer.config import Config, ConfigFolder, Held
from gameday.storefront.mailer.events import Event, Recipient
from gameday.storefront.mailer.letters import Letter, Renderer
from gameday.storefront.mailer.post import Post, PostboxDown
from gameday.storefront.problems import Unavailable

ROUND_S = 120.0
BULK = 10


@dataclass(frozen=True)
class Rules:
    """The safeguards, and where links point."""

    event_join: bool
    strict_templates: bool
    shop_url: str


@dataclass
class Counts:
    """What happened under one configuration; see GET /state."""

    events: int = 0
    audience: int = 0
    dropped_by_join: int = 0
    sent: int = 0
    held: int = 0


class Courier:
    """Delivers the events of the outbox, one after the other."""

    def __init__(self, database: Database, folder: ConfigFolder, post: Post, rules: Rules) -> None:
        self._database = database
        self._folder = folder
        self._post = post
        self._rules = rules
        self._renderer: Renderer | None = None
        self._held: dict[int, str] = {}
        self._counts: dict[str, Counts] = defaultdict(Counts)
        self._counted: set[tuple[str, int]] = set()  # an event that is tried again is not counted again
        self._stopping = asyncio.Event()

    def counts(self) -> dict[str, dict[str, int]]:
        """The counts of each configuration, by its hash."""
        return {sha256: asdict(counts) for sha256, counts in self._counts.items()}

    def stop(self) -> None:
        """End `work` after the letter at hand."""
        self._stopping.set()

    async def work(self, poll_s: float) -> None:
        """Go round until stopped; a world that is down is tried again, a little later each time."""
        pause_s = poll_s
        while not self._stopping.is_set():
            try:
                await self._round()
                pause_s = poll_s
            except (Unavailable, PostboxDown) as error:
                log("delivery-postponed", error=str(error))
                pause_s = min(2 * pause_s, 1.0)
            finally:
                await asyncio.to_thread(self._post.hang_up)
            await self._pause(pause_s)

    async def _pause(self, pause_s: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), pause_s)
        except TimeoutError:
            return

    async def _round(self) -> None:
        """Deliver what waits. Held events are left alone until the configuration changes."""
        config = self._folder.current
        if config is None:
            return
        if self._renderer is None or self._renderer.config is not config:
            rules = self._rules
            self._renderer = Renderer(config, strict=rules.strict_templates, shop_url=rules.shop_url)
            self._held.clear()
        async with self._database.connection(deadline_s=ROUND_S) as connection:
            for event in await events.pending(connection, without=list(self._held)):
                if self._stopping.is_set():
                    return
                await self._deliver(connection, event, config, self._renderer)

    async def _deliver(self, connection: Connection, event: Event, config: Config, renderer: Renderer) -> None:
        """Send all letters of one event; all are written before the first is sent, so that none goes out half-right."""
        counts = self._counts[config.sha256]
        is_new = (config.sha256, event.id) not in self._counted
        self._counted.add((config.sha256, event.id))
        counts.events += is_new
        try:
            facts = await events.facts_of(connection, event)
            asked = await events.audience(connection, config.audience_rule(event.kind), event, facts)
            kept = events.joined(asked, facts) if self._rules.event_join else asked
            counts.audience += len(asked) * is_new
            counts.dropped_by_join += (len(asked) - len(kept)) * is_new
            letters = await asyncio.to_thread(lambda: [renderer.letter(event, facts, person) for person in kept])
            await self._send_all(connection, letters, counts)
        except Held as reason:
            self._held[event.id] = str(reason)
            counts.held += 1
            log("held", template=event.kind, shop_event=event.event_id, reason=str(reason))
            return
        await events.mark_processed(connection, event)
        self._counted.discard((config.sha256, event.id))
        _log_delivery(event, asked, kept)

    async def _send_all(self, connection: Connection, letters: list[Letter], counts: Counts) -> None:
        for letter in letters:
            counts.sent += await self._send_once(connection, letter)

    async def _send_once(self, connection: Connection, letter: Letter) -> bool:
        """Send a letter unless it was sent before; the row is kept only when the postbox took the letter."""
        async with connection.transaction():
            cursor = await connection.execute(
                "insert into mails_sent (template, event_id, recipient) values (%s, %s, %s) on conflict do nothing",
                (letter.template, letter.event_id, letter.recipient),
            )
            if not cursor.rowcount:
                return False
            await asyncio.to_thread(self._post.send, letter)
            return True


def _log_delivery(event: Event, asked: list[Recipient], kept: list[Recipient]) -> None:
    loud = {"bulk": True} if len(kept) > BULK else {}
    log("delivered", template=event.kind, shop_event=event.event_id, audience=len(asked), kept=len(kept), **loud)
