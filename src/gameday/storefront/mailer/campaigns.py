"""Campaigns in the database: made, counted by a dry run, approved by somebody else, sent to those who were counted."""

from dataclasses import dataclass, field
from typing import Any

from gameday.storefront.database import Connection
from gameday.storefront.mailer.config import Held
from gameday.storefront.mailer.events import APOLOGY, NEWSLETTER, Event, Facts, Recipient

KINDS = (NEWSLETTER, APOLOGY)
COUNT_S = 30
NOBODY = Recipient("", "", "en")

_ROW = """
select c.id::text as campaign, c.template, c.product_id as product, c.author, c.state, c.held, c.recipients,
    c.content_sha256, a.approver, coalesce(a.above_ceiling, false) as above_ceiling{more}
from campaigns c left join approvals a on a.campaign_id = c.id{also}
"""
_SHOW = _ROW.format(
    more=", m.sent, m.bounced",
    also="""
cross join lateral (
    select count(*) filter (where state = 'accepted') as sent, count(*) filter (where state = 'bounced') as bounced
    from mails_sent where template = c.template and event_id = c.id
) as m""",
)
_APPROVED = _ROW.format(more="", also="") + (
    "where c.state = 'approved' and c.id <> all(%s::uuid[]) order by c.created_at limit 1"
)
# Everybody whom an unmatched gift alert reached, and who has not had an apology yet.
_WRONGED = """
select distinct on (c.id) c.id, c.email, c.name, c.lang, c.unsubscribed, c.newsletter from mails_sent m
join customers c on c.email = m.recipient left join gifts g on g.id = m.event_id
left join registries r on r.id = g.registry_id
where m.template = 'gift-alert' and m.state = 'accepted' and r.owner_id is distinct from c.id
and not exists (select from mails_sent a where a.template = 'apology' and a.recipient = m.recipient)
"""
_CUSTOMERS = "select id, email, name, lang, unsubscribed, newsletter from customers"
_KEPT = """
(not %(suppression)s or not (coalesce(s.reason = 'bounced', false)
    or (%(bulk)s and (s.email is not null or c.unsubscribed or not c.newsletter))))
"""
_COUNT = """
insert into campaign_recipients (campaign_id, position, email, customer_id, name, lang)
select %(campaign)s, row_number() over (order by c.id), c.email, c.id, c.name, c.lang
from ({source}) as c left join suppressions s on s.email = c.email where {kept}
"""
_UNSENT = """
select r.position, r.email, r.name, r.lang, r.customer_id as customer
from campaign_recipients r left join customers c on c.id = r.customer_id left join suppressions s on s.email = r.email
where r.campaign_id = %(campaign)s and r.position > %(after)s and {kept}
and not exists (select from mails_sent m where m.template = %(template)s and m.event_id = r.campaign_id
    and m.recipient = r.email)
order by r.position limit %(limit)s
"""


@dataclass(frozen=True)
class Campaign:
    """A campaign as its row has it."""

    id: str
    template: str
    product: str | None
    author: str
    state: str
    recipients: int | None
    content_sha256: str
    above_ceiling: bool
    held: str = field(default="", compare=False)

    @property
    def event(self) -> Event:
        """What its mails are about."""
        return Event(0, self.template, self.id, {})


async def show(connection: Connection, campaign: str) -> dict[str, Any] | None:
    """Everything about a campaign, or None."""
    return await (await connection.execute(f"{_SHOW} where c.id = %s".encode(), (campaign,))).fetchone()


async def latest(connection: Connection, limit: int = 100) -> list[dict[str, Any]]:
    """The latest campaigns, newest first."""
    cursor = await connection.execute(f"{_SHOW} order by c.created_at desc limit %s".encode(), (limit,))
    return await cursor.fetchall()


def of_row(row: dict[str, Any]) -> Campaign:
    """A campaign from what `show` gives."""
    return Campaign(row["campaign"], row["template"], row["product"], row["author"], row["state"], row["recipients"],
                    row["content_sha256"], row["above_ceiling"], row["held"])  # fmt: skip


async def approved(connection: Connection, *, without: list[str]) -> Campaign | None:
    """The oldest campaign that is to be sent, save those in `without`."""
    row = await (await connection.execute(_APPROVED.encode(), (without,))).fetchone()
    return of_row(row) if row else None


async def facts_of(connection: Connection, campaign: Campaign) -> Facts:
    """What a campaign is about; raises Held when that is gone."""
    if campaign.template == APOLOGY:
        return Facts(NOBODY, {})
    cursor = await connection.execute(
        "select id, name_en, name_fr, price_cents from products where id = %s", (campaign.product,)
    )
    row = await cursor.fetchone()
    if row is None:
        raise Held("nothing in the database belongs to this campaign")
    return Facts(NOBODY, row)


async def count(connection: Connection, campaign: Campaign, rule: str, *, apology_join: bool, suppression: bool) -> int:
    """Write down whom the campaign is for, anew; returns how many. Raises Held for a rule that does not fit."""
    fits = {NEWSLETTER: "subscribers", APOLOGY: "wronged"}[campaign.template]
    if rule not in (fits, "all-customers"):
        raise Held(f"audience.yaml asks for {rule!r}, which does not fit {campaign.template}")
    # The safeguard: whatever the rule says, an apology is for those who were wrongly mailed.
    wronged = campaign.template == APOLOGY and (apology_join or rule == fits)
    statement = _COUNT.format(source=_WRONGED if wronged else _CUSTOMERS, kept=_KEPT)
    async with connection.transaction():
        await connection.execute(f"set local statement_timeout = {COUNT_S * 1000}".encode())
        await connection.execute("delete from campaign_recipients where campaign_id = %s", (campaign.id,))
        cursor = await connection.execute(statement.encode(), _asked(campaign, suppression=suppression))
        return cursor.rowcount


async def unsent(
    connection: Connection, campaign: Campaign, *, after: int, limit: int, suppression: bool
) -> list[tuple[int, Recipient]]:
    """The next of those counted who have got no mail yet and are not suppressed since, with their place."""
    asked = {**_asked(campaign, suppression=suppression), "after": after, "limit": limit, "template": campaign.template}
    cursor = await connection.execute(_UNSENT.format(kept=_KEPT).encode(), asked)
    rows = await cursor.fetchall()
    return [(row["position"], Recipient(row["email"], row["name"], row["lang"], row["customer"])) for row in rows]


async def languages(connection: Connection, campaign: Campaign, each: int) -> list[Recipient]:
    """Of those who were counted, the first `each` of each language: their mails are written on trial."""
    cursor = await connection.execute(
        "select email, name, lang, customer_id as customer from (select *, row_number() over"
        " (partition by lang order by position) as n from campaign_recipients where campaign_id = %s) r where n <= %s",
        (campaign.id, each),
    )
    return [Recipient(**row) for row in await cursor.fetchall()]


async def note_all(connection: Connection, campaign: Campaign) -> None:
    """Note the whole of a campaign as sent, at its end: what is done without the safeguard of the book."""
    await connection.execute(
        "insert into mails_sent (template, event_id, recipient) select %s, campaign_id, email from campaign_recipients"
        " where campaign_id = %s on conflict do nothing",
        (campaign.template, campaign.id),
    )


async def finish(connection: Connection, campaign: Campaign) -> bool:
    """Note that all is sent, unless a mail of it is in doubt or in another mailer's hands."""
    cursor = await connection.execute(
        "update campaigns set state = 'sent', held = '', finished_at = now() where id = %s and state = 'approved'"
        " and not exists (select from mails_sent where template = %s and event_id = %s and state = 'claimed')",
        (campaign.id, campaign.template, campaign.id),
    )
    return bool(cursor.rowcount)


async def hold(connection: Connection, campaign: Campaign, reason: str) -> None:
    """Note why a campaign is not sent at the moment; an empty reason: it is."""
    await connection.execute(
        "update campaigns set held = %s where id = %s and held <> %s", (reason, campaign.id, reason)
    )


def _asked(campaign: Campaign, *, suppression: bool) -> dict[str, Any]:
    return {"campaign": campaign.id, "suppression": suppression, "bulk": campaign.template == NEWSLETTER}
