"""The pages of a gift registry: finding or starting one, the thank-you list, the very gift, and giving one."""

import re
from functools import partial

from aiohttp import web

from gameday.storefront import fields
from gameday.storefront.problems import Problem
from gameday.storefront.web import goods
from gameday.storefront.web.asking import ask, ask_if_quick
from gameday.storefront.web.forms import UNPROCESSABLE, Readers, Sheet, is_form, read_body, read_key, read_sheet, see
from gameday.storefront.web.languages import language, wants_json
from gameday.storefront.web.peers import Call
from gameday.storefront.web.replies import page, reply

GIFT: Readers = {
    "product": partial(fields.identifier, name="product"),
    "from": partial(fields.line, name="from", longest=fields.LONGEST_NAME),
    "message": partial(fields.line, name="message", longest=fields.LONGEST_MESSAGE, required=False),
}
OWNER: Readers = {
    "owner": partial(fields.email, name="owner"),
    "registry_name": partial(fields.line, name="registry_name", longest=fields.LONGEST_NAME, required=False),
}


async def find_registry(request: web.Request) -> web.StreamResponse:
    """``GET /registry``: the forms to find one (``?registry=`` leads there, ``product`` is picked) and to start one."""
    number = request.query.get("registry", "").strip()
    product = request.query.get("product", "")
    picked = f"?product={product}" if re.fullmatch(fields.IDENTIFIER, product) else ""
    if re.fullmatch(fields.IDENTIFIER, number):
        return see(f"/registry/{number}{picked}#give")
    if wants_json(request):
        raise Problem(400, "registry is missing: which one?")
    wrong = ("registry",) if "registry" in request.query else ()
    sheet = Sheet(typed={"registry": number}, wrong=wrong)
    return page(request, "find", {"sheet": sheet, "product": product if picked else ""}, status=sheet.status)


async def start_registry(request: web.Request) -> web.StreamResponse:
    """``POST /registry`` with the address of a customer as `owner` and a `registry_name`: 201, or 303 for a form."""
    body = await read_body(request)
    sheet = read_sheet(request, body, OWNER, key=read_key(request, body))
    if not sheet.wrong:
        wanted = {"email": sheet.said["owner"], "name": sheet.said["registry_name"]}
        try:
            answer = await ask(request, Call("registry", "/registries", "POST", wanted, sheet.key))
        except Problem as problem:
            if problem.status not in {404, UNPROCESSABLE} or not is_form(request):
                raise
            sheet = sheet.with_wrong("owner")
        else:
            if is_form(request):
                return see(f"/registry/{answer.body['registry']}")
            return web.json_response(answer.body, status=answer.status)
    return page(request, "find", {"sheet": sheet, "product": ""}, status=sheet.status)


async def show_registry(request: web.Request) -> web.StreamResponse:
    """``GET /registry/{rid}``: whose it is, and its gifts."""
    if not wants_json(request):
        return await _registry_page(request, Sheet(typed={"product": request.query.get("product", "")}))
    answer = await ask(request, Call("registry", f"/registries/{request.match_info['rid']}"))
    return reply(request, answer.body, "registry")


async def _registry_page(request: web.Request, sheet: Sheet) -> web.Response:
    """The registry with the form to give: the day's deals to pick from and, when it is another one, what was picked."""
    answer = await ask(request, Call("registry", f"/registries/{request.match_info['rid']}"))
    lang, picked = language(request), sheet.typed.get("product", "")
    deals = await ask_if_quick(request, "catalog", "/deals")
    choice = [goods.read(product, lang) for product in (deals or {}).get("deals", [])]
    if re.fullmatch(fields.IDENTIFIER, picked) and picked not in {one.id for one in choice}:
        choice = [*(await goods.known_goods(request, [picked], lang)).values(), *choice]
    values = {**answer.body, "sheet": sheet, "choice": choice, "picked": picked}
    return page(request, "registry", values, status=sheet.status)


async def show_gift(request: web.Request) -> web.StreamResponse:
    """``GET /registry/{rid}/items/{gift}``: the very gift that a mail is about."""
    registry, gift = request.match_info["rid"], request.match_info["gift"]
    answer = await ask(request, Call("registry", f"/registries/{registry}/gifts/{gift}"))
    return reply(request, answer.body, "gift")


async def give(request: web.Request) -> web.StreamResponse:
    """``POST /registry/{rid}/gifts``: 201 with the gift (200 when this key's gift exists), or 303 to its page."""
    body = await read_body(request)
    sheet = read_sheet(request, body, GIFT, key=read_key(request, body))
    if sheet.wrong:
        return await _registry_page(request, sheet)
    registry = request.match_info["rid"]
    answer = await ask(request, Call("registry", f"/registries/{registry}/gifts", "POST", sheet.said, sheet.key))
    if is_form(request):
        return see(f"/registry/{registry}/items/{answer.body['gift']}")
    return web.json_response(answer.body, status=answer.status)
