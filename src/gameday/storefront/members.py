"""Members: whoever joins is a customer from then on. One membership for each address, however often it is asked for."""

import uuid
from typing import Any

from aiohttp import web

from gameday.storefront import fields, service
from gameday.storefront.database import DATABASE, Connection, attach, database_answers
from gameday.storefront.problems import Problem

_MEMBER = "select id::text as member, name, email, since from members where"

# One statement, hence one transaction. When the key or the address is known it writes nothing and returns nothing.
_JOIN = """
with joined as (
    insert into members (id, email, name, lang, idempotency_key)
    values (%(member)s, %(email)s, %(name)s, %(lang)s, %(key)s)
    on conflict do nothing
    returning id, email, name, lang, since
), known as (
    insert into customers (email, name, lang) select email, name, lang from joined on conflict (email) do nothing
)
select id::text as member, name, email, since from joined
"""


async def join(request: web.Request) -> web.Response:
    """``POST /members`` with {"name", "email", "lang"?}: 201, or 200 when this key's or address' membership exists."""
    key, body = service.read_idempotency_key(request), await service.read_json(request)
    wanted = {
        "member": str(uuid.uuid4()),
        "key": key,
        "name": fields.line(body, "name", longest=fields.LONGEST_NAME),
        "email": fields.email(body),
        "lang": fields.language(body),
    }
    async with request.app[DATABASE].connection() as connection:
        made = await (await connection.execute(_JOIN, wanted)).fetchone()
        if made is not None:
            return web.json_response(_shown(made), status=201)
        known = await _find(connection, "idempotency_key = %s", key) or await _find(
            connection, "email = %s", wanted["email"]
        )
    if known is None or known["email"] != wanted["email"]:
        raise Problem(409, "this Idempotency-Key belongs to another membership")
    return web.json_response(_shown(known))


async def show_member(request: web.Request) -> web.Response:
    """``GET /members/{id}``: name and since when; the address stays here."""
    member = fields.uuid_in(request, "id", "no such member")
    async with request.app[DATABASE].connection() as connection:
        known = await _find(connection, "id = %s", member)
    if known is None:
        raise Problem(404, "no such member")
    return web.json_response(_shown(known))


async def _find(connection: Connection, condition: str, value: str) -> dict[str, Any] | None:
    return await (await connection.execute(f"{_MEMBER} {condition}".encode(), (value,))).fetchone()


def _shown(row: dict[str, Any]) -> dict[str, str]:
    return {"member": row["member"], "name": row["name"], "since": row["since"].date().isoformat()}


def build() -> web.Application:
    """The application."""
    app = service.application("members", ready=database_answers)
    attach(app, "members", migrates=True)
    app.router.add_post("/members", join)
    app.router.add_get("/members/" + fields.route("id"), show_member)
    return app


if __name__ == "__main__":
    service.run(build)
