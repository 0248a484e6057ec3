"""From letters to the postbox, by the book: claim, hand over, note what became of each."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from gameday.storefront.logs import log
from gameday.storefront.mailer.book import Book
from gameday.storefront.mailer.config import Held
from gameday.storefront.mailer.letters import Letter, message_id
from gameday.storefront.mailer.post import Fate, Outcome, Post, PostboxDown
from gameday.storefront.mailer.rules import Rules
from gameday.storefront.settings import Address

BATCH = 100
ASK_S = 3.0


class Receiver:
    """Asks where mail is received, by Mailpit's API, whether one is there."""

    def __init__(self, address: Address, session: aiohttp.ClientSession) -> None:
        self._url = f"{address.url}/api/v1/search"
        self._session = session

    async def has(self, name: str) -> bool:
        """Whether a mail with this Message-ID has arrived; raises PostboxDown when it cannot be asked."""
        asked = {"query": f"message-id:{name.strip('<>')}", "limit": "1"}
        try:
            async with self._session.get(self._url, params=asked, timeout=aiohttp.ClientTimeout(ASK_S)) as answer:
                if answer.status == 200:  # noqa: PLR2004
                    return int((await answer.json(content_type=None))["messages_count"]) > 0
                raise PostboxDown(f"its search answered {answer.status}")
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
            raise PostboxDown(f"its search: {type(error).__name__}: {error}") from None


@dataclass
class Dispatch:
    """Sends the letters of one event, each once. `receiver` None: it cannot be asked."""

    post: Post
    rules: Rules
    receiver: Receiver | None

    async def settle(self, book: Book) -> None:
        """Find out about the mails in doubt: those that arrived are accepted, the others will be sent again."""
        for entry in await book.doubtful() if self.rules.idempotency else []:
            name = message_id(entry.template, entry.event_id, entry.recipient)
            arrived = self.receiver is not None and await self.receiver.has(name)
            if arrived:
                await book.accept(entry.template, entry.event_id, {entry.recipient: "found where mail is received"})
            else:
                await book.release(entry.template, entry.event_id, [entry.recipient])
            log("doubt-settled", template=entry.template, shop_event=entry.event_id, arrived=arrived)

    async def send(
        self, book: Book, letters: list[Letter], go_on: Callable[[], bool], *, note_at_once: bool = True
    ) -> int:
        """Send the letters, all of one event; returns how many were accepted.

        Raises PostboxDown when some must be sent later, Held when one was refused for good because of itself.
        """
        accepted = 0
        for at in range(0, len(letters), BATCH):
            accepted += await self._send(book, letters[at : at + BATCH], go_on, note_at_once=note_at_once)
        return accepted

    async def _send(self, book: Book, letters: list[Letter], go_on: Callable[[], bool], *, note_at_once: bool) -> int:
        template, event = letters[0].template, letters[0].event_id
        if self.rules.idempotency:
            claimed = await book.claim(template, event, [letter.recipient for letter in letters])
            letters = [letter for letter in letters if letter.recipient in claimed]
        if not self.rules.acceptance:
            await book.accept(template, event, {letter.recipient: "not awaited" for letter in letters})
        outcomes = await asyncio.to_thread(self.post.send_all, letters, go_on)
        if not self.rules.acceptance:
            return len(outcomes)
        of = {fate: [one for one in outcomes if one.fate is fate] for fate in Fate}
        if self.rules.idempotency or (note_at_once and not (of[Fate.UNSENT] or of[Fate.DOUBTFUL])):
            await self._note(book, template, event, of)
        if trouble := of[Fate.UNSENT] + of[Fate.DOUBTFUL]:
            raise PostboxDown(trouble[0].said)
        if of[Fate.REFUSED]:
            raise Held(f"the postbox refused it: {of[Fate.REFUSED][0].said}")
        return len(of[Fate.ACCEPTED])

    @staticmethod
    async def _note(book: Book, template: str, event: str, of: dict[Fate, list[Outcome]]) -> None:
        if of[Fate.ACCEPTED]:
            await book.accept(template, event, {one.letter.recipient: one.said for one in of[Fate.ACCEPTED]})
        if of[Fate.BOUNCED]:
            await book.bounce(template, event, [one.letter.recipient for one in of[Fate.BOUNCED]])
            log("bounced", template=template, shop_event=event, recipients=len(of[Fate.BOUNCED]))
        if back := of[Fate.UNSENT] + of[Fate.REFUSED]:
            await book.release(template, event, [one.letter.recipient for one in back])
