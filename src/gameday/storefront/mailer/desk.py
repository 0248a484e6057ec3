"""The campaign desk: an HTTP API to make a campaign, to count it, to have it approved by somebody else, to stop it.

Who somebody is, is what they say: the shop's services trust one another, and edge leads nobody here. A real shop puts
its sign-in before this.
"""

import asyncio
import uuid
from typing import Any

from aiohttp import web

from gameday.storefront import fields, service
from gameday.storefront.database import DATABASE, Connection
from gameday.storefront.mailer import campaigns, limits
from gameday.storefront.mailer.campaigns import KINDS, Campaign
from gameday.storefront.mailer.config import Config, Held
from gameday.storefront.mailer.courier import Courier
from gameday.storefront.mailer.events import NEWSLETTER
from gameday.storefront.mailer.links import LinkCheck
from gameday.storefront.mailer.rules import Rules
from gameday.storefront.problems import Problem

COURIER = web.AppKey("courier", Courier)
RULES = web.AppKey("rules", Rules)
LINKS = web.AppKey("links", LinkCheck)
ON_TRIAL = 20
DESK_S = 60.0


async def make(request: web.Request) -> web.Response:
    """``POST /campaigns`` with {"author", "template", "product"?}: 201, or 200 when this key's campaign exists."""
    key, body = service.read_idempotency_key(request), await service.read_json(request)
    author = fields.line(body, "author", longest=fields.LONGEST_NAME)
    if (template := body.get("template")) not in KINDS:
        raise Problem(422, f"template is not one of {', '.join(KINDS)}")
    product = fields.identifier(body, "product") if template == NEWSLETTER else None
    async with request.app[DATABASE].connection() as connection:
        if product:
            cursor = await connection.execute("select from products where id = %s", (product,))
            if await cursor.fetchone() is None:
                raise Problem(422, "no such product")
        cursor = await connection.execute(
            "insert into campaigns (id, idempotency_key, template, product_id, author) values (%s, %s, %s, %s, %s)"
            " on conflict (idempotency_key) do nothing", (uuid.uuid4(), key, template, product, author),
        )  # fmt: skip
        is_new = bool(cursor.rowcount)
        cursor = await connection.execute("select id::text from campaigns where idempotency_key = %s", (key,))
        found = await cursor.fetchone()
        assert found is not None
        row = await _find(connection, found["id"])
    if (row["template"], row["product"], row["author"]) != (template, product, author):
        raise Problem(409, "this Idempotency-Key belongs to another campaign")
    return web.json_response(row, status=201 if is_new else 200)


async def dry_run(request: web.Request) -> web.Response:
    """``POST /campaigns/{id}/dry-run``: counts whom it is for, and writes their mails on trial; sends nothing.

    409 says what would hold it. Counting anew takes an approval back.
    """
    rules = request.app[RULES]
    async with request.app[DATABASE].connection(deadline_s=DESK_S) as connection:
        row = await _find(connection, request.match_info["id"])
        if row["state"] in ("sent", "cancelled"):
            raise Problem(409, f"this campaign is {row['state']}")
        try:
            renderer = request.app[COURIER].renderer()
            config, campaign = renderer.config, campaigns.of_row(row)
            people = await campaigns.count(
                connection, campaign, config.audience_rule(campaign.template),
                apology_join=rules.apology_join, suppression=rules.suppression,
            )  # fmt: skip
            facts = await campaigns.facts_of(connection, campaign)
            sample = await campaigns.languages(connection, campaign, ON_TRIAL)
            letters = await asyncio.to_thread(lambda: [renderer.letter(campaign.event, facts, one) for one in sample])
            if rules.link_check:
                await request.app[LINKS].check(letters)
        except Held as reason:
            raise Problem(409, f"it would be held: {reason}") from None
        async with connection.transaction():
            await connection.execute("delete from approvals where campaign_id = %s", (campaign.id,))
            await connection.execute(
                "update campaigns set state = 'counted', held = '', recipients = %s, counted_at = now(),"
                " content_sha256 = %s where id = %s",
                (people, config.content_sha256(campaign.template), campaign.id),
            )
        return web.json_response({**await _find(connection, campaign.id), **_ceiling(rules, config, campaign, people)})


async def approve(request: web.Request) -> web.Response:
    """``POST /campaigns/{id}/approval`` with {"approver", "recipients", "above_ceiling"?}: from now on it is sent.

    `recipients` is the number that the approver has seen. 403 for the author, 409 when it is not what was counted.
    """
    body, rules = await service.read_json(request), request.app[RULES]
    approver = fields.line(body, "approver", longest=fields.LONGEST_NAME)
    above = body.get("above_ceiling", False)
    if not isinstance(above, bool):
        raise Problem(422, "above_ceiling is not true or false")
    async with request.app[DATABASE].connection() as connection:
        row = await _find(connection, request.match_info["id"])
        if rules.second_person and approver.casefold() == row["author"].casefold():
            raise Problem(403, "a campaign is approved by somebody other than its author")
        if row["state"] != "counted":
            raise Problem(409, f"this campaign is {row['state']}; a dry run comes first")
        if body.get("recipients") != row["recipients"] or isinstance(body["recipients"], bool):
            raise Problem(409, f"the dry run counted {row['recipients']} recipients, not what is approved")
        async with connection.transaction():
            await connection.execute(
                "insert into approvals (campaign_id, approver, recipients, above_ceiling) values (%s, %s, %s, %s)",
                (row["campaign"], approver, row["recipients"], above),
            )
            cursor = await connection.execute(
                "update campaigns set state = 'approved' where id = %s and state = 'counted' and recipients = %s",
                (row["campaign"], row["recipients"]),
            )
            if not cursor.rowcount:
                raise Problem(409, "somebody else was faster")
        return web.json_response(await _find(connection, row["campaign"]))


async def cancel(request: web.Request) -> web.Response:
    """``POST /campaigns/{id}/cancellation``: nothing more of it is sent. Idempotent; 409 when all of it was."""
    async with request.app[DATABASE].connection() as connection:
        row = await _find(connection, request.match_info["id"])
        await connection.execute(
            "update campaigns set state = 'cancelled' where id = %s and state <> 'sent'", (row["campaign"],)
        )
        row = await _find(connection, row["campaign"])
    if row["state"] != "cancelled":
        raise Problem(409, "all of this campaign was sent")
    return web.json_response(row)


async def show(request: web.Request) -> web.Response:
    """``GET /campaigns/{id}``: its state, what holds it, and how many of its mails were accepted."""
    async with request.app[DATABASE].connection() as connection:
        return web.json_response(await _find(connection, request.match_info["id"]))


async def show_all(request: web.Request) -> web.Response:
    """``GET /campaigns``: the latest 100."""
    async with request.app[DATABASE].connection() as connection:
        return web.json_response({"campaigns": await campaigns.latest(connection)})


async def _find(connection: Connection, campaign: str) -> dict[str, Any]:
    try:
        uuid.UUID(campaign)
    except ValueError:
        raise Problem(404, "no such campaign") from None
    if (row := await campaigns.show(connection, campaign)) is None:
        raise Problem(404, "no such campaign")
    return row


def _ceiling(rules: Rules, config: Config, campaign: Campaign, people: int) -> dict[str, Any]:
    """What an approver should know of the ceiling."""
    if not rules.ceiling:
        return {"ceiling": None, "within_ceiling": True}
    try:
        ceiling = limits.ceiling(config, campaign.template)
    except Held as reason:
        return {"ceiling": None, "within_ceiling": False, "would_be_held": str(reason)}
    return {"ceiling": ceiling.recipients, "within_ceiling": people <= ceiling.recipients}


def route(app: web.Application) -> None:
    """Add the routes."""
    one = "/campaigns/{id}"
    app.router.add_post("/campaigns", make)
    app.router.add_get("/campaigns", show_all)
    app.router.add_get(one, show)
    app.router.add_post(f"{one}/dry-run", dry_run)
    app.router.add_post(f"{one}/approval", approve)
    app.router.add_post(f"{one}/cancellation", cancel)
