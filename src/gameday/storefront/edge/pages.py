"""The friendly error pages: rendered from templates, checked, and replaced by a built-in page when broken.

A visitor must get a kind page whatever else is wrong, a bad page template included: so a page that does not render,
or renders into something that we would not show, gives way to :data:`FALLBACK_PAGE`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from markupsafe import Markup
from selectolax.lexbor import LexborHTMLParser

from gameday.storefront.edge.fallback import FALLBACK_PAGE, FALLBACK_WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LANGUAGES = ("en", "fr")
STATUSES = (500, 503)
RETRY_AFTER_S = 5
MAX_PAGE_BYTES = 14 * 1024
#: Stands for the request id until Envoy puts it in; no template or sentence contains it.
REQUEST_ID = "\ue000request-id\ue000"
REQUEST_ID_OPERATOR = "%REQ(X-REQUEST-ID)%"
#: What the page may load or run: nothing but its own style.
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"


class BrokenPageError(Exception):
    """A page rendered, but into something that no visitor should see; the message says what."""


@dataclass(frozen=True)
class Page:
    """One reply of Envoy's: what to send for one status, language and form.

    Attributes:
        name: what the Lua filter calls it, ``<language>-<html|json>``.
        status: the HTTP status that it is sent with.
        content_type: its media type.
        headers: headers to add, by name.
        body: text in Envoy's substitution format (a literal ``%`` is doubled).
    """

    name: str
    status: int
    content_type: str
    headers: Mapping[str, str]
    body: str


def render_pages(folder: Path) -> list[Page]:
    """Render all pages from ``error.html.j2``, ``strings.yaml`` and ``dog.svg``; never raises on bad ones.

    Returns:
        A page for each language, form (HTML, JSON) and status.
    """
    words = {language: read_words(folder, language) for language in LANGUAGES}
    html = {language: html_or_fallback(folder, language, words[language]) for language in LANGUAGES}
    pages = []
    for status in STATUSES:
        for language in LANGUAGES:
            problem = problem_json(status, words[language])
            headers = page_headers(status, language)
            pages.append(
                Page(f"{language}-json", status, "application/problem+json", headers, substitution_format(problem))
            )
            pages.append(
                Page(
                    f"{language}-html",
                    status,
                    "text/html; charset=utf-8",
                    headers | {"content-security-policy": CONTENT_SECURITY_POLICY},
                    substitution_format(html[language]),
                )
            )
    return pages


def page_headers(status: int, language: str) -> dict[str, str]:
    """Headers of an error reply: never cached, says its language, and when to come back if that is known."""
    headers = {
        "cache-control": "no-store",
        "content-language": language,
        "vary": "Accept-Language, Accept",
        "x-content-type-options": "nosniff",
    }
    # A bug (500) does not go away by waiting, an overload or a dead backend does.
    return headers | {"retry-after": str(RETRY_AFTER_S)} if status != STATUSES[0] else headers


def substitution_format(text: str) -> str:
    """``text`` as Envoy's substitution format: literal percent signs doubled, the request id as its operator."""
    return text.replace("%", "%%").replace(REQUEST_ID, REQUEST_ID_OPERATOR)


def problem_json(status: int, words: Mapping[str, str]) -> str:
    """The problem document (RFC 9457) for ``status``."""
    problem = {
        "type": "about:blank",
        "title": words["problem_title"],
        "status": status,
        "detail": words["problem_detail"],
        "request_id": REQUEST_ID,
    }
    return json.dumps(problem, ensure_ascii=False) + "\n"


def read_words(folder: Path, language: str) -> dict[str, str]:
    """The sentences in one language from ``strings.yaml``; what is missing or empty is taken from the built-in."""
    given: object = {}
    try:
        loaded = yaml.safe_load((folder / "strings.yaml").read_text(encoding="utf-8"))
        given = loaded.get(language) if isinstance(loaded, dict) else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        complain(language, "strings.yaml", error)
    if not isinstance(given, dict):
        given = {}
    usable = {str(name): text for name, text in given.items() if isinstance(text, str) and text.strip()}
    return FALLBACK_WORDS[language] | usable


def html_or_fallback(folder: Path, language: str, words: Mapping[str, str]) -> str:
    """The HTML page in one language, or the built-in one when the template in ``folder`` is broken."""
    try:
        html = render_html(folder, language, words)
        check_html(html, language)
    except (
        OSError,
        UnicodeDecodeError,
        TemplateError,
        BrokenPageError,
        TypeError,
        ValueError,
        ArithmeticError,
    ) as error:
        complain(language, "error.html.j2", error)
        return FALLBACK_PAGE.render(lang=language, words=FALLBACK_WORDS[language], request_id=REQUEST_ID)
    return html


def render_html(folder: Path, language: str, words: Mapping[str, str]) -> str:
    """Render ``error.html.j2``, with ``dog.svg`` inlined, escaped and with no variable left undefined."""
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    dog = environment.get_template("dog.svg").render(words=words)
    page = environment.get_template("error.html.j2")
    # The picture was escaped as it was rendered, from a file that is ours.
    return page.render(lang=language, words=words, dog=Markup(dog), request_id=REQUEST_ID)  # noqa: S704


def check_html(html: str, language: str) -> None:
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
        'no <main data-page="error">': tree.css_first('main[data-page="error"]') is None,
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


def complain(language: str, template: str, error: Exception) -> None:
    """Say on the pod's log which template is broken, and that the built-in page is in use."""
    reason = " ".join(str(error).split())
    print(  # noqa: T201 - the init container's log is its only voice
        f"edge: {template} ({language}) is broken: {type(error).__name__}: {reason}; "
        "the built-in is used instead; mend ConfigMap edge-pages and restart edge",
        file=sys.stderr,
    )
