"""The pages of the club: signing up, and the welcome."""

from functools import partial

from aiohttp import web

from gameday.storefront import fields
from gameday.storefront.problems import Problem
from gameday.storefront.web.asking import ask
from gameday.storefront.web.forms import Readers, Sheet, is_form, read_body, read_key, read_sheet, see
from gameday.storefront.web.languages import language, wants_json
from gameday.storefront.web.peers import Call
from gameday.storefront.web.replies import page, reply

MEMBER: Readers = {"name": partial(fields.line, name="name", longest=fields.LONGEST_NAME), "email": fields.email}


async def show_membership(request: web.Request) -> web.StreamResponse:
    """``GET /membership``: the form, for people; a program has nothing to read here."""
    if wants_json(request):
        raise Problem(404, "nothing to read here: POST a name and an e-mail address, or GET /membership/{id}")
    return page(request, "membership", {"sheet": Sheet()})


async def join(request: web.Request) -> web.StreamResponse:
    """``POST /membership``: 201 with the membership (200 when it exists), or 303 to the welcome for a form."""
    body = await read_body(request)
    sheet = read_sheet(request, body, MEMBER, key=read_key(request, body))
    if sheet.wrong:
        return page(request, "membership", {"sheet": sheet}, status=sheet.status)
    wanted = {**sheet.said, "lang": language(request)}
    answer = await ask(request, Call("members", "/members", "POST", wanted, sheet.key))
    if is_form(request):
        return see(f"/membership/{answer.body['member']}")
    return web.json_response(answer.body, status=answer.status)


async def show_member(request: web.Request) -> web.StreamResponse:
    """``GET /membership/{member}``: the welcome, for whoever knows the membership's id."""
    answer = await ask(request, Call("members", f"/members/{request.match_info['member']}"))
    return reply(request, answer.body, "welcome")
