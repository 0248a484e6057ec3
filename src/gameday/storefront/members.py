"""Members."""

import uuid

from aiohttp import web

from gameday.storefront import fields, service
from gameday.storefront.database import DATABASE, attach, database_answers
from gameday.storefront.problems import Problem

_MEMBER = "select id::text as member, name, to_char(created_at, 'YYYY-MM-DD') as since from members where "


async def join(request: web.Request) -> web.Response:
    """``POST /members`` with {"name", "email", "lang"}: 201, or 200 when there is such a member."""
    key, body = service.read_idempotency_key(request), await service.read_json(request)
    name, email = fields.line(body, "name", longest=80), fields.email(body)
    async with request.app[DATABASE].connection() as connection:
        cursor = await connection.execute(
            "insert into members (id, email, name, lang, idempotency_key) values (%s, %s, %s, %s, %s)"
            " on conflict do nothing", (str(uuid.uuid4()), email, name, str(body.get("lang")), key),
        )  # fmt: skip
        query = _MEMBER + "email = %s or idempotency_key = %s"
        found = await (await connection.execute(query.encode(), (email, key))).fetchone()
    return web.json_response(found, status=201 if cursor.rowcount else 200)


async def show_member(request: web.Request) -> web.Response:
    """``GET /members/{id}``."""
    async with request.app[DATABASE].connection() as connection:
        query = _MEMBER + "id::text = %s"
        found = await (await connection.execute(query.encode(), (request.match_info["id"],))).fetchone()
    if found is None:
        raise Problem(404, "no such member")
    return web.json_response(found)


def build() -> web.Application:
    """The application."""
    app = service.application("members", ready=database_answers)
    attach(app, "members")
    app.router.add_post("/members", join)
    app.router.add_get("/members/" + fields.route("id"), show_member)
    return app


if __name__ == "__main__":
    service.run(build)
