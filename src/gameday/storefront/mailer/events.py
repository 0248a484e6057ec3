"""The outbox: events that wait, the facts they are about, and whom a mail may go to."""

from dataclasses import dataclass, field
from typing import Any

from gameday.storefront.database import Connection
from gameday.storefront.mailer.config import Held

GIFT_ALERT = "gift-alert"
ORDER_CONFIRMATION = "order-confirmation"
NEWSLETTER = "newsletter"
APOLOGY = "apology"
BATCH = 20

_SUPPRESSED = """
select u.email from unnest(%(emails)s::text[]) as u (email)
left join customers c on c.email = u.email left join suppressions s on s.email = u.email
where s.reason = 'bounced' or (%(unasked)s and (s.email is not null or c.unsubscribed))
    or (%(bulk)s and not c.newsletter)
"""


@dataclass(frozen=True)
class Event:
    """A row of the outbox."""

    id: int
    kind: str
    event_id: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class Recipient:
    """Somebody to write to, in their language; guests have no name."""

    email: str
    name: str
    lang: str
    customer: int = 0


@dataclass(frozen=True)
class Facts:
    """What an event is about: the one person it concerns, and the rows behind it."""

    concerned: Recipient
    row: dict[str, Any]
    lines: list[dict[str, Any]] = field(default_factory=list)


async def pending(connection: Connection, *, without: list[int]) -> list[Event]:
    """The oldest events that wait, save those in `without`."""
    cursor = await connection.execute(
        "select id, kind, event_id::text, payload from outbox"
        " where processed_at is null and id <> all(%s) order by id limit %s",
        (without, BATCH),
    )
    return [Event(**row) for row in await cursor.fetchall()]


async def mark_processed(connection: Connection, event: Event) -> None:
    """Take `event` out of the queue, unless a mail of it is in doubt or in another mailer's hands."""
    await connection.execute(
        "update outbox set processed_at = now() where id = %s and not exists"
        " (select from mails_sent where template = %s and event_id = %s and state = 'claimed')",
        (event.id, event.kind, event.event_id),
    )


async def facts_of(connection: Connection, event: Event) -> Facts:
    """Join the event with what it is about; raises Held when there is nothing."""
    facts = await (_gift(connection, event) if event.kind == GIFT_ALERT else _order(connection, event))
    if facts is None:
        raise Held("nothing in the database belongs to this event")
    return facts


async def audience(connection: Connection, rule: str, event: Event, facts: Facts) -> list[Recipient]:
    """Whom the audience rule asks for, on its own; raises Held for a rule that does not exist or does not fit."""
    if rule == {GIFT_ALERT: "registry-owner", ORDER_CONFIRMATION: "order-email"}[event.kind]:
        return [facts.concerned]
    if rule == "all-customers":
        cursor = await connection.execute("select email, name, lang, id as customer from customers order by id")
        return [Recipient(**row) for row in await cursor.fetchall()]
    raise Held(f"audience.yaml asks for {rule!r}, which does not fit {event.kind}")


async def suppressed(connection: Connection, kind: str, emails: list[str]) -> set[str]:
    """Who of `emails` must not get a mail of this kind.

    Nobody writes to an address that bounced. Who has unsubscribed gets what they asked for by buying, and our
    apologies, but neither gift alerts nor newsletters; a newsletter wants consent as well.
    """
    unasked = kind in (GIFT_ALERT, NEWSLETTER)
    asked = {"emails": emails, "unasked": unasked, "bulk": kind == NEWSLETTER}
    return {row["email"] for row in await (await connection.execute(_SUPPRESSED, asked)).fetchall()}


def joined(recipients: list[Recipient], facts: Facts) -> list[Recipient]:
    """The safeguard: of all recipients, only the one whom the event concerns."""
    return [recipient for recipient in recipients if recipient.email == facts.concerned.email]


async def _gift(connection: Connection, event: Event) -> Facts | None:
    cursor = await connection.execute(
        "select g.id::text as gift, g.registry_id, g.from_name, g.message, p.name_en, p.name_fr,"
        " c.email, c.name, c.lang, c.id as customer from gifts g join products p on p.id = g.product_id"
        " join registries r on r.id = g.registry_id join customers c on c.id = r.owner_id where g.id = %s",
        (event.event_id,),
    )
    row = await cursor.fetchone()
    return Facts(Recipient(row["email"], row["name"], row["lang"], row["customer"]), row) if row else None


async def _order(connection: Connection, event: Event) -> Facts | None:
    cursor = await connection.execute(
        "select o.id::text as order_id, o.email, o.total_cents, coalesce(c.name, '') as name, c.lang"
        " from orders o left join customers c on c.email = o.email where o.id = %s",
        (event.event_id,),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    cursor = await connection.execute(
        "select l.quantity, l.price_cents, p.name_en, p.name_fr from order_lines l"
        " join products p on p.id = l.product_id where l.order_id = %s order by l.product_id",
        (event.event_id,),
    )
    lang = row["lang"] or event.payload.get("lang", "en")
    return Facts(Recipient(row["email"], row["name"], lang), row, await cursor.fetchall())
