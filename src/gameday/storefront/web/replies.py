"""Replies: the same answer as a page for people or as JSON for programs."""

from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from gameday.storefront.logs import request_id
from gameday.storefront.problems import Problem, problem_json
from gameday.storefront.web.languages import language, wants_json
from gameday.storefront.web.phrases import PHRASES

VARY = "Accept, Accept-Language, Cookie"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
SAFETY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "Vary": VARY,
    "X-Content-Type-Options": "nosniff",
}

TEMPLATES = Environment(
    loader=PackageLoader("gameday.storefront.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def money(cents: int, lang: str) -> str:
    """An amount in euros, written as the language does."""
    return f"{cents / 100:.2f} €".replace(".", ",") if lang == "fr" else f"€{cents / 100:.2f}"


TEMPLATES.filters["money"] = money


def page(request: web.Request, template: str, values: dict[str, Any], *, status: int = 200) -> web.Response:
    """The template as a page in the visitor's language."""
    lang = language(request)
    context = {**values, "lang": lang, "t": PHRASES[lang], "request_id": request_id.get()}
    html = TEMPLATES.get_template(f"{template}.html.j2").render(context)
    headers = {**SAFETY, "Content-Language": lang}
    return web.Response(status=status, body=html.encode(), content_type="text/html", charset="utf-8", headers=headers)


def reply(request: web.Request, body: dict[str, Any], template: str, **values: Any) -> web.Response:
    """`body` as JSON for a program, or the page for a person; `values` are what the page needs beside the body."""
    if wants_json(request):
        return web.json_response(body, headers={"Cache-Control": "no-store", "Vary": VARY})
    return page(request, template, {**body, **values})


def error_page(request: web.Request, problem: Problem) -> web.Response:
    """A problem, for whoever caused or met it."""
    if wants_json(request):
        response = problem_json(problem, request_id.get())
        response.headers["Vary"] = VARY
        return response
    known = problem.status if f"problem_{problem.status}" in PHRASES["en"] else 400 + 100 * (problem.status >= 500)  # noqa: PLR2004
    response = page(request, "problem", {"phrase": f"problem_{known}", "problem": problem}, status=problem.status)
    response.headers.update(problem.headers)
    return response
