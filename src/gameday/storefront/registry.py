"""Gift registries: a gift and its event in the outbox are written in one transaction, or not at all."""

import uuid
from typing import Any

from aiohttp import web
from psycopg.errors import ForeignKeyViolation

from gameday.storefront import fields, service
from gameday.storefront.database import DATABASE, Connection, attach, database_answers
from gameday.storefront.problems import Problem

_GIFTS = """
select g.id::text as gift, g.from_name, g.message, g.product_id as product, p.name_en, p.name_fr
from gifts g join products p on p.id = g.product_id
"""

# One statement, hence one transaction. When the key exists already it writes nothing and returns nothing.
_GIVE = """
with given as (
    insert into gifts (id, registry_id, product_id, from_name, message, idempotency_key)
    values (%(gift)s, %(registry)s, %(product)s, %(from_name)s, %(message)s, %(key)s)
    on conflict (idempotency_key) do nothing
    returning id
), told as (
    insert into outbox (kind, event_id) select 'gift-alert', given.id from given
)
select id from given
"""


# One statement, hence one transaction. When the key exists already it writes nothing and returns nothing.
_OPEN = """
insert into registries (id, owner_id, name, idempotency_key)
select %(registry)s, id, %(name)s, %(key)s from customers where email = %(email)s
on conflict (idempotency_key) do nothing
returning id
"""


async def open_registry(request: web.Request) -> web.Response:
    """``POST /registries`` with {"email", "name"?}: 201, or 200 when this key's exists; 422 for no customer of ours."""
    key, body = service.read_idempotency_key(request), await service.read_json(request)
    wanted = {
        "registry": "r" + uuid.uuid4().hex[:16],
        "email": fields.email(body),
        "name": fields.line(body, "name", longest=fields.LONGEST_NAME, required=False),
        "key": key,
    }
    async with request.app[DATABASE].connection() as connection:
        if await (await connection.execute(_OPEN, wanted)).fetchone():
            return web.json_response({"registry": wanted["registry"]}, status=201)
        cursor = await connection.execute(
            "select r.id, c.email from registries r join customers c on c.id = r.owner_id where idempotency_key = %s",
            (key,),
        )
        known = await cursor.fetchone()
    if known is None:
        raise Problem(422, "no customer has this address")
    if known["email"] != wanted["email"]:
        raise Problem(409, "this Idempotency-Key belongs to another registry")
    return web.json_response({"registry": known["id"]})


async def show_registry(request: web.Request) -> web.Response:
    """``GET /registries/{rid}``: whose it is and its latest 100 gifts; the owner's address stays here."""
    registry = request.match_info["rid"]
    async with request.app[DATABASE].connection() as connection:
        owner = await _owner(connection, registry)
        cursor = await connection.execute(
            f"{_GIFTS} where registry_id = %s order by g.created_at desc, g.id limit 100".encode(), (registry,)
        )
        gifts = await cursor.fetchall()
    return web.json_response({"registry": registry, **owner, "gifts": gifts})


async def show_gift(request: web.Request) -> web.Response:
    """``GET /registries/{rid}/gifts/{gid}``: a gift, when it is in this very registry."""
    registry, gift = request.match_info["rid"], fields.uuid_in(request, "gid", "no such gift")
    async with request.app[DATABASE].connection() as connection:
        owner = await _owner(connection, registry)
        cursor = await connection.execute(f"{_GIFTS} where registry_id = %s and g.id = %s".encode(), (registry, gift))
        found = await cursor.fetchone()
    if found is None:
        raise Problem(404, "no such gift in this registry")
    return web.json_response({"registry": registry, **owner, **found})


async def give(request: web.Request) -> web.Response:
    """``POST /registries/{rid}/gifts`` with {"product", "from", "message"?}: 201, or 200 when the gift exists."""
    registry, body = request.match_info["rid"], await service.read_json(request)
    wanted = {
        "registry": registry,
        "product": fields.identifier(body, "product"),
        "from_name": fields.line(body, "from", longest=fields.LONGEST_NAME),
        "message": fields.line(body, "message", longest=fields.LONGEST_MESSAGE, required=False),
        "key": service.read_idempotency_key(request),
    }
    async with request.app[DATABASE].connection() as connection:
        gift, is_new = await _give(connection, wanted)
    return web.json_response({"gift": gift, "registry": registry}, status=201 if is_new else 200)


async def _give(connection: Connection, wanted: dict[str, str]) -> tuple[str, bool]:
    """Write the gift and return its id and whether it is new; raises Problem 404, 409 or 422."""
    gift = str(uuid.uuid4())
    try:
        cursor = await connection.execute(_GIVE, {**wanted, "gift": gift})
    except ForeignKeyViolation as error:
        if "product" in (error.diag.constraint_name or ""):
            raise Problem(422, "no such product") from None
        raise Problem(404, "no such registry") from None
    if await cursor.fetchone():
        return gift, True
    cursor = await connection.execute(
        "select id::text, registry_id, product_id from gifts where idempotency_key = %s", (wanted["key"],)
    )
    known = await cursor.fetchone()
    if known is None or (known["registry_id"], known["product_id"]) != (wanted["registry"], wanted["product"]):
        raise Problem(409, "this Idempotency-Key belongs to another gift")
    return str(known["id"]), False


async def _owner(connection: Connection, registry: str) -> dict[str, Any]:
    cursor = await connection.execute(
        "select c.name as owner, r.name from registries r join customers c on c.id = r.owner_id where r.id = %s",
        (registry,),
    )
    found = await cursor.fetchone()
    if found is None:
        raise Problem(404, "no such registry")
    return found


def build() -> web.Application:
    """The application."""
    app = service.application("registry", ready=database_answers)
    attach(app, "registry", migrates=True)
    registry = "/registries/" + fields.route("rid")
    app.router.add_post("/registries", open_registry)
    app.router.add_get(registry, show_registry)
    app.router.add_get(registry + "/gifts/{gid}", show_gift)
    app.router.add_post(registry + "/gifts", give)
    return app


if __name__ == "__main__":
    service.run(build)
