"""Replies: the same answer as a page for people or as JSON for programs."""

import base64
import hashlib
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gameday.storefront.logs import request_id
from gameday.storefront.problems import Problem, problem_json
from gameday.storefront.web import cookies, writing
from gameday.storefront.web.languages import language, wants_json
from gameday.storefront.web.phrases import LANGUAGES, NAMES, PHRASES
from gameday.storefront.web.pictures import picture

NOT_FOUND = 404
VARY = "Accept, Accept-Language, Cookie"

TEMPLATES = Environment(
    loader=PackageLoader("gameday.storefront.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
TEMPLATES.globals["picture"] = picture
TEMPLATES.filters |= {
    "money": writing.money,
    "decimal": writing.decimal,
    "day": writing.day,
    "counted": writing.counted,
}

STYLE = TEMPLATES.get_template("style.css.j2").render()
"""The one stylesheet, which is on every page: one request, and none that can fail."""

POLICY = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What a page may do: show itself in this very style and send forms to this shop. No script runs, whoever wrote it."""

SAFETY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "Vary": VARY,
    "X-Content-Type-Options": "nosniff",
}


def page(request: web.Request, template: str, values: dict[str, Any], *, status: int = 200) -> web.Response:
    """The template as a page in the visitor's language."""
    lang = language(request)
    context = {
        "count": cookies.count(request),
        **values,
        "lang": lang,
        "t": PHRASES[lang],
        "style": Markup(STYLE),  # noqa: S704 - our own file
        "languages": _languages(request),
        "request_id": request_id.get(),
    }
    html = TEMPLATES.get_template(f"{template}.html.j2").render(context)
    headers = {**SAFETY, "Content-Language": lang}
    return web.Response(status=status, body=html.encode(), content_type="text/html", charset="utf-8", headers=headers)


def _languages(request: web.Request) -> list[dict[str, str]]:
    """Where this page is in each language: what was answered to a form has no address, there it is the home page."""
    here = request.method in {"GET", "HEAD"}
    path, query = ("", request.rel_url.query) if here else ("/", {})
    links = {code: f"{path}?{urlencode({**query, 'lang': code})}" for code in LANGUAGES}
    return [{"code": code, "name": NAMES[code], "link": links[code]} for code in LANGUAGES]


def reply(request: web.Request, body: dict[str, Any], template: str, **values: Any) -> web.Response:
    """`body` as JSON for a program, or the page for a person; `values` are what the page needs beside the body."""
    if wants_json(request):
        return web.json_response(body, headers={"Cache-Control": "no-store", "Vary": VARY})
    return page(request, template, {**body, **values})


def error_page(request: web.Request, problem: Problem) -> web.Response:
    """A problem, for whoever caused or met it. What a program is told in detail is English, so a page leaves it out."""
    if wants_json(request):
        response = problem_json(problem, request_id.get())
        response.headers["Vary"] = VARY
        return response
    known = problem.status if f"problem_{problem.status}" in PHRASES["en"] else 400 + 100 * (problem.status >= 500)  # noqa: PLR2004
    heading = "lost" if problem.status == NOT_FOUND else "sorry"
    values = {"heading": heading, "phrase": f"problem_{known}"}
    response = page(request, "problem", values, status=problem.status)
    response.headers.update(problem.headers)
    return response
