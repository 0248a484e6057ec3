"""The outbox: events that wait, the facts they are about, and whom a mail may go to."""

from dataclasses import dataclass, field
from typing import Any

from gameday.storefront.database import Connection
from gameday.storefront.mailer.config import Held

GIFT_ALERT = "gift-alert"
ORDER_CONFIRMATION = "order-confirmation"
BATCH = 20


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
    """Take `event` out of the queue."""
    await connection.execute("update outbox set processed_at = now() where id = %s", (event.id,))


async def facts_of(connection: Connection, event: Event) -> Facts:
    """Join the event with what it is about; raises Held when there is nothing."""
    facts = await (_gift(connection, event) if event.kind == GIFT_ALERT else _order(connection, event))
    if facts is None:
        raise Held("nothing in the database belongs to this event")
    return facts


async def audience(connection: Connection, rule: str, event: Event, facts: Facts) -> list[Recipient]:
    """Whom the audience rule asks for, on its own; raises Held for a rule that does not exist or does not fit."""
    if rule == {GIFT_ALERT: "registry-owner", ORDER_CONFIRMATION: "order-email"}[event.kind]:
        suppressed = facts.row.get("unsubscribed", False)
        return [] if suppressed else [facts.concerned]
    if rule == "all-customers":
        cursor = await connection.execute("select email, name, lang from customers where not unsubscribed order by id")
        return [Recipient(**row) for row in await cursor.fetchall()]
    raise Held(f"audience.yaml asks for {rule!r}, which does not fit {event.kind}")


def joined(recipients: list[Recipient], facts: Facts) -> list[Recipient]:
    """The safeguard: of all recipients, only the one whom the event concerns."""
    return [recipient for recipient in recipients if recipient.email == facts.concerned.email]


async def _gift(connection: Connection, event: Event) -> Facts | None:
    cursor = await connection.execute(
        "select g.id::text as gift, g.registry_id, g.from_name, g.message, p.name_en, p.name_fr,"
        " c.email, c.name, c.lang, c.unsubscribed from gifts g join products p on p.id = g.product_id"
        " join registries r on r.id = g.registry_id join customers c on c.id = r.owner_id where g.id = %s",
        (event.event_id,),
    )
    row = await cursor.fetchone()
    return Facts(Recipient(row["email"], row["name"], row["lang"]), row) if row else None


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
