"""The book of mails: each is claimed before it is handed over, and accepted or bounced once the other side says so.

A mailer that dies, or whose connection does, between the end of a mail and its 250 leaves a claim behind. Nobody can
know from here whether that mail was taken: SMTP has no transaction that spans both sides. So it is looked for where
mail is received, by its Message-ID, which is the same for the same mail; only one that is not there is sent again.
Where the receiver cannot be asked (a relay without a search API) the mail is sent again under that Message-ID: then it
may arrive twice, which is better than never, and receivers that know the id show it once.

A claim is in somebody's hands while the advisory lock of that round is held; the database drops it with its session.
"""

import contextlib
import secrets
from dataclasses import dataclass
from typing import Self

import psycopg

from gameday.storefront.database import Connection

DOUBT_S = 2.0
DOUBTS = 200
_DOUBTFUL = """
select template, event_id::text, recipient from mails_sent m
where state = 'claimed' and sent_at < now() - make_interval(secs => %s) and not exists (
    select from pg_locks l where l.locktype = 'advisory' and l.objsubid = 1
    and ((l.classid::bigint << 32) | l.objid::bigint) = m.claimed_by
) order by sent_at limit %s
"""


@dataclass(frozen=True)
class Entry:
    """A mail: which template, about what, to whom."""

    template: str
    event_id: str
    recipient: str


class Book:
    """One round's hand on the book, as a context: its claims are in its hands until that ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._hand = secrets.randbits(62) | 1

    async def __aenter__(self) -> Self:
        """Take the lock that says that this hand is alive."""
        await self._connection.execute("select pg_advisory_lock(%s)", (self._hand,))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of it: what is still claimed is in doubt from now on. A connection that broke has let go already."""
        with contextlib.suppress(psycopg.Error):
            await self._connection.execute("select pg_advisory_unlock(%s)", (self._hand,))

    async def claim(self, template: str, event_id: str, recipients: list[str]) -> set[str]:
        """Claim the mails that nobody has claimed or sent yet; returns to whom these are."""
        cursor = await self._connection.execute(
            "insert into mails_sent (template, event_id, recipient, state, claimed_by)"
            " select %s, %s, r, 'claimed', %s from unnest(%s::text[]) as r on conflict do nothing returning recipient",
            (template, event_id, self._hand, recipients),
        )
        return {row["recipient"] for row in await cursor.fetchall()}

    async def accept(self, template: str, event_id: str, receipts: dict[str, str]) -> None:
        """Note the mails that the other side has answered with 250, and what it said."""
        await self._connection.execute(
            "insert into mails_sent as m (template, event_id, recipient, receipt)"
            " select %s, %s, r.* from unnest(%s::text[], %s::text[]) as r"
            " on conflict (template, event_id, recipient) do update"
            " set state = 'accepted', sent_at = now(), receipt = excluded.receipt",
            (template, event_id, list(receipts), list(receipts.values())),
        )

    async def bounce(self, template: str, event_id: str, recipients: list[str]) -> None:
        """Note the mails that were refused for good because of whom they are for; nobody writes to them again."""
        await self._connection.execute(
            "with gone as (update mails_sent set state = 'bounced' where template = %s and event_id = %s"
            " and recipient = any(%s) returning recipient)"
            " insert into suppressions (email, reason) select recipient, 'bounced' from gone"
            " on conflict (email) do update set reason = 'bounced'",
            (template, event_id, recipients),
        )

    async def release(self, template: str, event_id: str, recipients: list[str]) -> None:
        """Give up claims on mails that were certainly not taken."""
        await self._connection.execute(
            "delete from mails_sent where state = 'claimed'"
            " and template = %s and event_id = %s and recipient = any(%s)",
            (template, event_id, recipients),
        )

    async def doubtful(self) -> list[Entry]:
        """Mails whose claim is in nobody's hands any more."""
        cursor = await self._connection.execute(_DOUBTFUL.encode(), (DOUBT_S, DOUBTS))
        return [Entry(**row) for row in await cursor.fetchall()]

    async def reached(self, template: str, window_s: float, *, beside: str) -> int:
        """How many different people `template` has reached within the window, by other events than `beside`."""
        cursor = await self._connection.execute(
            "select count(distinct recipient) as people from mails_sent"
            " where template = %s and event_id <> %s and sent_at > now() - make_interval(secs => %s)",
            (template, beside, window_s),
        )
        row = await cursor.fetchone()
        return int(row["people"]) if row else 0
