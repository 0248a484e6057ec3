"""Is a failed page a friendly one? Judges one answer, as the visitor's browser got it.

What a friendly error page must be is a list of invariants that people in the field
agree on: an honest status, the visitor's language, an apology that takes the blame
and shows the way back, nothing leaked, nothing fetched from elsewhere, not cached.
Pure: headers and body in, problems out.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from selectolax.lexbor import LexborHTMLParser

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["judge_error_page", "judge_problem", "preferred_language", "same_but_for_request_id"]

MAX_HTML_BYTES = 14 * 1024
"""Budget for the page's own HTML, inlined pictures aside."""

_LEAKS = re.compile(
    r"Traceback \(most recent|File \"[^\"]+\", line \d+|upstream connect error|upstream request timeout"
    r"|no healthy upstream|svc\.cluster\.local|\b(?:10|127|172|192)\.\d{1,3}\.\d{1,3}\.\d{1,3}\b"
    r"|envoy/|aiohttp/|Python/\d|nginx/|\{\{|\{%|%[A-Z_]+\([^)]*\)%|%REQ\b|\bNone\b|\bundefined\b"
)
_SAYS = {
    "en": {
        "an apology": r"\bsorry\b|\bapolog",
        "that it is our fault": r"\bour (?:fault|end|side)\b|not you\b",
        "try again": r"\btry (?:\w+ ){0,3}again\b",
        "go back": r"\bback\b",
    },
    "fr": {
        "an apology": r"désolé|pardon|excus",
        "that it is our fault": r"notre (?:faute|fait|côté|part)|de chez nous|vous n.y êtes pour rien|pas la vôtre",
        "try again": r"réessay|essay\w* (?:\w+ ){0,3}(?:de nouveau|encore)|nouvel essai",
        "go back": r"retour|revenez|arrière|précédente",
    },
}
_DOG = {"en": r"\bdog|\bpup", "fr": r"\bchien"}
_RANGE = re.compile(r"\s*([^;\s]+)")
_WEIGHT = re.compile(r";\s*q\s*=\s*([^;\s]*)")
_NUMBER = re.compile(r"[01]\.?[0-9]*")
_UNNAMED = 1_000_000
"""The place in the list of a language that is not on it."""
_CSS_FETCH = re.compile(r"url\(\s*['\"]?(?!data:|#)[^)]|@import", re.IGNORECASE)


def judge_error_page(status: int, headers: Mapping[str, str], body: bytes, accept_language: str) -> list[str]:
    """Every way in which a failed page view was not a friendly page; empty when it was one.

    `headers` is read without regard to case; `accept_language` is what the visitor sent.
    """
    fields = {name.lower(): value for name, value in headers.items()}
    problems = list(_judge_status(status, fields))
    if not body.strip():
        return [*problems, "the body is blank"]
    if "text/html" not in fields.get("content-type", ""):
        return [*problems, f"not HTML but {fields.get('content-type') or 'of no stated type'}"]
    if "charset=utf-8" not in fields.get("content-type", "").lower().replace('"', ""):
        problems.append("the Content-Type does not say UTF-8")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return [*problems, "the body is not UTF-8"]
    tree = LexborHTMLParser(text)
    language = preferred_language(accept_language)
    problems += _judge_language(tree, fields, language)
    problems += _judge_words(tree, language)
    problems += _judge_content(tree, text, fields)
    return problems


def judge_problem(status: int, headers: Mapping[str, str], body: bytes) -> list[str]:
    """Every way in which a failed JSON answer was not an RFC 9457 problem of ours."""
    fields = {name.lower(): value for name, value in headers.items()}
    if "application/problem+json" not in fields.get("content-type", ""):
        return [f"not application/problem+json but {fields.get('content-type') or 'of no stated type'}"]
    try:
        said: Any = json.loads(body)
    except ValueError:
        return ["the problem is not JSON"]
    if not isinstance(said, dict):
        return ["the problem is not a JSON object"]
    problems = [f"the problem has no {key}" for key in ("title", "status") if not said.get(key)]
    if said.get("status") not in (None, status):
        problems.append(f"the problem says status {said['status']}, the answer {status}")
    leak = _LEAKS.search(body.decode("utf-8", "replace"))
    return [*problems, f"leaks {leak.group()!r}"] if leak else problems


def preferred_language(accept_language: str) -> str:
    """Which of French and English a visitor asks for (RFC 9110); English when neither.

    `*` stands for every language that is not named; of two that are liked as much, the one named first wins.
    """
    french, english = (_liking(accept_language, language) for language in ("fr", "en"))
    return "fr" if french[0] > 0 and french > english else "en"


def same_but_for_request_id(body: bytes, request_id: str) -> bytes:
    """The body with the request id taken out: what must not vary with the cause of the failure."""
    return body.replace(request_id.encode(), b"") if request_id else body


def _liking(accept_language: str, language: str) -> tuple[float, int]:
    """The weight of a language, and how early it is named: the greater, the better."""
    named: list[tuple[float, int]] = []
    anything = 0.0
    for place, part in enumerate(accept_language.lower().split(",")):
        found = _RANGE.match(part)
        weight = _WEIGHT.search(part)
        q = min(float(weight[1]), 1.0) if weight and _NUMBER.fullmatch(weight[1]) else float(weight is None)
        if found and found[1].partition("-")[0] == language:
            named.append((q, -place))
        elif found and found[1] == "*":
            anything = max(anything, q)
    return max(named, default=(anything, -_UNNAMED))


def _judge_status(status: int, fields: Mapping[str, str]) -> Iterator[str]:
    if status not in (500, 503):
        yield f"status {status}, not 503 or 500"
    if status == 503 and "retry-after" not in fields:  # noqa: PLR2004
        yield "status 503 without Retry-After"
    if "no-store" not in fields.get("cache-control", ""):
        yield "Cache-Control does not say no-store"
    if "set-cookie" in fields:
        yield "it sets a cookie"


def _judge_language(tree: LexborHTMLParser, fields: Mapping[str, str], language: str) -> Iterator[str]:
    html = tree.css_first("html")
    lang = (html.attributes.get("lang") or "") if html else ""
    if lang.split("-")[0] != language:
        yield f"lang is {lang or 'not set'}, the visitor reads {language}"
    if fields.get("content-language", "").split("-")[0] != lang.split("-")[0]:
        yield f"Content-Language is {fields.get('content-language') or 'not set'}, lang {lang or 'not set'}"
    if "accept-language" not in fields.get("vary", "").lower():
        yield "Vary does not list Accept-Language"


def _judge_words(tree: LexborHTMLParser, language: str) -> Iterator[str]:
    body = tree.body
    text = (body.text(separator=" ") if body else "").replace("\u2019", "'")
    for what, pattern in _SAYS[language].items():
        if not re.search(pattern, text, re.IGNORECASE):
            yield f"it lacks {what} ({language})"
    if not any((link.attributes.get("href") or "") == "/" for link in tree.css("a")):
        yield "no link to the home page"
    pictures = " ".join(
        f"{node.attributes.get('alt') or ''} {node.attributes.get('aria-label') or ''} {node.text()}"
        for node in tree.css("img, svg, [role=img], figure")
    )
    if not re.search(_DOG[language], f"{pictures} {text}", re.IGNORECASE):
        yield "no dog"


def _judge_content(tree: LexborHTMLParser, text: str, fields: Mapping[str, str]) -> Iterator[str]:
    leak = _LEAKS.search(_without_pictures(text))
    if leak:
        yield f"leaks {leak.group()!r}"
    for node in tree.css("[src], [srcset], link[href], object[data], [poster]"):
        source = next(
            (node.attributes.get(a) for a in ("src", "srcset", "href", "data", "poster") if a in node.attributes), ""
        )
        if not (source or "").startswith("data:"):
            yield f"fetches {source or 'something'} from elsewhere"
    if _CSS_FETCH.search(text):
        yield "its styles fetch something"
    size = len(_without_pictures(text).encode())
    if size > MAX_HTML_BYTES:
        yield f"{size} bytes of HTML, budget {MAX_HTML_BYTES}"
    if not (tree.css_first("title") and tree.css("h1") and len(tree.css("h1")) == 1 and tree.css_first("main")):
        yield "not one title, one h1 and a main"
    if any(not node.attributes.get("alt") for node in tree.css("img")):
        yield "a picture without alt text"
    request_id = fields.get("x-request-id", "")
    if not request_id:
        yield "no X-Request-Id"
    elif request_id not in text:
        yield "the request id is not on the page"


def _without_pictures(text: str) -> str:
    """The HTML with inlined pictures taken out: they have a budget of their own, and no words."""
    return re.sub(
        r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]*|<svg.*?</svg>|data:image/svg\+xml[^\"]*", "", text, flags=re.DOTALL
    )
