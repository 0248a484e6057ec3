"""The friendly error pages: rendered from templates, checked, and replaced by a built-in page when broken.

A visitor must get a kind page whatever else is wrong, a bad page template included: so a page that does not render,
or renders into something that we would not show, gives way to the last good one, or to :data:`FALLBACK_PAGE`.

An error page is honest: 503, or 500 for a bug, never 200. The *fallback home page* is not one: it is a page of its own,
a simpler home page that says what is still true, as the shop's own fallback is when the catalog is slow. So it comes
with 200, ``X-Fallback: edge`` and ``no-store``; the log keeps the flags of the failure. Only people who ask for the
home page get it: a program gets the problem.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from markupsafe import Markup
from selectolax.lexbor import LexborHTMLParser

from gameday.storefront.edge.fallback import FALLBACK_PAGE, FALLBACK_WORDS
from gameday.storefront.edge.safeguards import Safeguards

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

LANGUAGES = ("en", "fr")
#: Kinds of pages: the statuses that they are for, and the one that they are sent with. 599 is a failure that no filter
#: of Envoy's will see any more.
KINDS = (("error", 500, 500, 500), ("error", 501, 599, 503), ("request", 400, 499, None))
HTML = "text/html; charset=utf-8"
RETRY_AFTER_S = 5
OK, UNAVAILABLE = 200, 503
#: What <main data-page=...> says, by kind.
MARKS = {"error": "error", "request": "error", "home": "fallback"}
#: Without kindness: the weakness page_kind.
CURT_WORDS = {
    "heading": "Error",
    "apology": "The request was not processed.",
    "cause": "Code 17.",
    "retry": "Ask the administrator.",
}
MAX_PAGE_BYTES = 14 * 1024
#: Stands for the request id until Envoy puts it in; no template or sentence contains it.
REQUEST_ID = "\ue000request-id\ue000"
REQUEST_ID_OPERATOR = "%REQ(X-REQUEST-ID)%"
#: Stands for the status, likewise.
STATUS = "\ue000status\ue000"
STATUS_OPERATOR = "%RESPONSE_CODE%"
#: What the page may load or run: nothing but its own style.
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"


OnBroken = Callable[[str, str, Exception], None]
"""Hears of a language, a template and what is wrong with it."""


class BrokenPageError(Exception):
    """A page rendered, but into something that no visitor should see; the message says what."""


@dataclass(frozen=True)
class Page:
    """One reply of Envoy's: what to send for some statuses, one language and one form.

    Attributes:
        name: what the Lua filter calls it, ``<language>-<html|json|home|head>``.
        kind: ``error`` (the shop's fault), ``request`` (the visitor's) or ``home`` (a page of its own).
        least: the lowest status of Envoy's for which it is sent.
        most: the highest.
        status: the HTTP status that it is sent with; None leaves it as it was.
        content_type: its media type.
        headers: headers to add, by name.
        body: text in Envoy's substitution format (a literal ``%`` is doubled).
    """

    name: str
    kind: str
    least: int
    most: int
    status: int | None
    content_type: str
    headers: Mapping[str, str]
    body: str


def complain(language: str, template: str, error: Exception) -> None:
    """Say on the pod's log which template is broken, and that the built-in page is in use."""
    print(f"edge: {_broken(language, template, error)}; the built-in is used instead", file=sys.stderr)  # noqa: T201


def refuse(language: str, template: str, error: Exception) -> None:
    """Raise BrokenPageError that says which template is broken."""
    raise BrokenPageError(_broken(language, template, error)) from None


def _broken(language: str, template: str, error: Exception) -> str:
    reason = " ".join(str(error).split())
    return f"{template} ({language}) is broken: {type(error).__name__}: {reason}; mend ConfigMap edge-pages"


def render_pages(folder: Path, safeguards: Safeguards | None = None, on_broken: OnBroken = complain) -> list[Page]:
    """Render all pages from ``error.html.j2``, ``strings.yaml`` and ``dog.svg``.

    ``on_broken`` hears of each that cannot be shown; unless it raises, the built-in page takes its place.

    Returns:
        A page for each range of statuses, language and form (HTML, JSON, HTML in place of the home page, and for HEAD).
    """
    safeguards = safeguards or Safeguards()
    return [page for language in LANGUAGES for page in _in_language(folder, language, safeguards, on_broken)]


def _in_language(folder: Path, language: str, safeguards: Safeguards, on_broken: OnBroken) -> Iterator[Page]:
    known = read_words(folder, language, on_broken)
    for kind, least, most, status in KINDS:
        words = words_of(known, kind)
        if kind == "error" and not safeguards.page_kind:
            words |= CURT_WORDS
        headers = page_headers(status, language)
        safe = headers | {"content-security-policy": CONTENT_SECURITY_POLICY}
        html = substitution_format(html_or_fallback(folder, language, words, kind, on_broken))
        problem = substitution_format(problem_json(status, words))
        yield Page(f"{language}-json", kind, least, most, status, "application/problem+json", headers, problem)
        yield Page(f"{language}-html", kind, least, most, status, HTML, safe, html)
        heads = status if safeguards.head_agrees or kind != "error" else OK
        yield Page(f"{language}-head", kind, least, most, heads, HTML, safe, html)
        if kind == "error" and safeguards.home_fallback:
            simple = substitution_format(html_or_fallback(folder, language, words_of(known, "home"), "home", on_broken))
            good = {name: value for name, value in safe.items() if name != "retry-after"} | {"x-fallback": "edge"}
            yield Page(f"{language}-home", "home", most, most, OK, HTML, good, simple)
        yield Page(f"{language}-home", kind, least, most, status, HTML, safe, html)


def page_headers(status: int | None, language: str) -> dict[str, str]:
    """Headers of a reply: never cached, says its language, and when to come back if that is known."""
    headers = {
        "cache-control": "no-store",
        "content-language": language,
        "vary": "Accept-Language, Accept",
        "x-content-type-options": "nosniff",
    }
    # A bug (500) does not go away by waiting, an overload or a dead backend does.
    return headers | {"retry-after": str(RETRY_AFTER_S)} if status == UNAVAILABLE else headers


def substitution_format(text: str) -> str:
    """``text`` as Envoy's substitution format: literal percent signs doubled, request id and status as operators."""
    return text.replace("%", "%%").replace(REQUEST_ID, REQUEST_ID_OPERATOR).replace(STATUS, STATUS_OPERATOR)


def problem_json(status: int | None, words: Mapping[str, str]) -> str:
    """The problem document (RFC 9457) for ``status``, or for whatever status Envoy sends."""
    problem = {
        "type": "about:blank",
        "title": words["problem_title"],
        "status": status or STATUS,
        "detail": words["problem_detail"],
        "request_id": REQUEST_ID,
    }
    return json.dumps(problem, ensure_ascii=False).replace(f'"{STATUS}"', STATUS) + "\n"


def words_of(words: Mapping[str, str], kind: str) -> dict[str, str]:
    """The sentences of one kind of page: its own (``home_title``) in place of those of the error page (``title``)."""
    own = {name.removeprefix(f"{kind}_"): text for name, text in words.items() if name.startswith(f"{kind}_")}
    return {**words, **own}


def read_words(folder: Path, language: str, on_broken: OnBroken = complain) -> dict[str, str]:
    """The sentences in one language from ``strings.yaml``; what is missing or empty is taken from the built-in."""
    given: object = {}
    try:
        loaded = yaml.safe_load((folder / "strings.yaml").read_text(encoding="utf-8"))
        given = loaded.get(language) if isinstance(loaded, dict) else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        on_broken(language, "strings.yaml", error)
    if not isinstance(given, dict):
        given = {}
    usable = {str(name): text for name, text in given.items() if isinstance(text, str) and text.strip()}
    return FALLBACK_WORDS[language] | usable


def html_or_fallback(
    folder: Path, language: str, words: Mapping[str, str], kind: str, on_broken: OnBroken = complain
) -> str:
    """The HTML page of one kind in one language, or the built-in one when the template in ``folder`` is broken."""
    try:
        html = render_html(folder, language, words, kind)
        check_html(html, language, kind)
    except (
        OSError,
        UnicodeDecodeError,
        TemplateError,
        BrokenPageError,
        TypeError,
        ValueError,
        ArithmeticError,
    ) as error:
        on_broken(language, "error.html.j2", error)
        words = words_of(FALLBACK_WORDS[language], kind)
        return FALLBACK_PAGE.render(lang=language, words=words, request_id=REQUEST_ID, page=MARKS[kind])
    return html


def render_html(folder: Path, language: str, words: Mapping[str, str], kind: str) -> str:
    """Render ``error.html.j2``, with ``dog.svg`` inlined, escaped and with no variable left undefined."""
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    dog = environment.get_template("dog.svg").render(words=words)
    page = environment.get_template("error.html.j2")
    # The picture was escaped as it was rendered, from a file that is ours.
    return page.render(lang=language, words=words, dog=Markup(dog), request_id=REQUEST_ID, page=MARKS[kind])  # noqa: S704


def check_html(html: str, language: str, kind: str = "error") -> None:
    """Refuse a page that lacks what a friendly page must have.

    Raises:
        BrokenPageError: says what is missing or too much.
    """
    tree = LexborHTMLParser(html)
    root = tree.css_first("html")
    faults = {
        f"more than {MAX_PAGE_BYTES} bytes": len(html.encode()) > MAX_PAGE_BYTES,
        f"its lang is not {language}": root is None or root.attributes.get("lang") != language,
        "not one <h1> with text": [bool(h1.text(strip=True)) for h1 in tree.css("h1")] != [True],
        f'no <main data-page="{MARKS[kind]}">': tree.css_first(f'main[data-page="{MARKS[kind]}"]') is None,
        "no title": not (title := tree.css_first("title")) or not title.text(strip=True),
        'no link to the home page (href="/")': tree.css_first('a[href="/"]') is None,
        "no picture with a text alternative": tree.css_first("[role=img][aria-label], img[alt]") is None,
        "no request id": REQUEST_ID not in html,
        "template marks left over": any(mark in html for mark in ("{{", "{%", "{#")),
        "something loaded from elsewhere": loads_from_elsewhere(tree),
    }
    found = [what for what, is_so in faults.items() if is_so]
    if found:
        raise BrokenPageError("; ".join(found))


def loads_from_elsewhere(tree: LexborHTMLParser) -> bool:
    """Whether the page needs anything beside itself: it must show while everything else is dead."""
    sources = [node.attributes.get("src") for node in tree.css("[src]")]
    sources += [node.attributes.get("href") for node in tree.css("link[href], use[href], image[href]")]
    return bool(tree.css("script, iframe, object")) or any(not (s or "").startswith(("data:", "#")) for s in sources)
