"""The pages of a gift registry: the thank-you list, the very gift, and giving one."""

import uuid

from aiohttp import web

from gameday.storefront import fields
from gameday.storefront.web.forms import is_form, read_body, read_key, see
from gameday.storefront.web.peers import Call
from gameday.storefront.web.replies import reply
from gameday.storefront.web.shop import ask

LONGEST_NAME = 80
LONGEST_MESSAGE = 500


async def show_registry(request: web.Request) -> web.StreamResponse:
    """``GET /registry/{rid}``: whose it is, and its gifts."""
    answer = await ask(request, Call("registry", f"/registries/{request.match_info['rid']}"))
    return reply(request, answer.body, "registry", key=uuid.uuid4().hex)


async def show_gift(request: web.Request) -> web.StreamResponse:
    """``GET /registry/{rid}/items/{gift}``: the very gift that a mail is about."""
    registry, gift = request.match_info["rid"], request.match_info["gift"]
    answer = await ask(request, Call("registry", f"/registries/{registry}/gifts/{gift}"))
    return reply(request, answer.body, "gift")


async def give(request: web.Request) -> web.StreamResponse:
    """``POST /registry/{rid}/gifts``: 201 with the gift (200 when this key's gift exists), or 303 to its page."""
    body = await read_body(request)
    key = read_key(request, body)
    wanted = {
        "product": fields.identifier(body, "product"),
        "from": fields.line(body, "from", longest=LONGEST_NAME),
        "message": fields.line(body, "message", longest=LONGEST_MESSAGE, required=False),
    }
    registry = request.match_info["rid"]
    answer = await ask(request, Call("registry", f"/registries/{registry}/gifts", "POST", wanted, key))
    if is_form(request):
        return see(f"/registry/{registry}/items/{answer.body['gift']}")
    return web.json_response(answer.body, status=answer.status)
