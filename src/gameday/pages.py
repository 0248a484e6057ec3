"""Is a failed page a friendly one? Judges one answer, as the visitor's browser got it.

What a friendly error page must be is a list of invariants that people in the field
agree on: an honest status, the visitor's language, an apology that takes the blame
and shows the way back, nothing leaked, nothing fetched from elsewhere, not cached.
Pure: headers and body in, problems out.

A problem is a line that begins with its aspect: `leak: leaks 'Traceback ...'`. Each aspect
has a probe of its own (`gameday.activities.probes.error_pages`).
"""

from __future__ import annotations

import json
import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from selectolax.lexbor import LexborHTMLParser

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from selectolax.lexbor import LexborNode

__all__ = ["ASPECTS", "aspect_of", "freshness_s", "judge_error_page", "judge_head", "judge_problem"]
__all__ += ["preferred_language", "same_but_for_request_id"]

ASPECTS = (
    *("status", "head", "form", "language", "words", "leak", "fetch"),
    *("storing", "cookie", "size", "access", "request-id", "nothing"),
)
"""What an error page can fail in; `nothing`: no answer, a blank one, or the proxy's own."""

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
_PROXY = re.compile(
    r"\s*(?:upstream |no healthy upstream|<html>\s*<head><title>\d|local_rate_limited|Bad Gateway)", re.IGNORECASE
)
"""How a proxy's own words begin."""
_ALIKE = ("content-type", "content-language", "content-length", "cache-control", "retry-after")
"""Headers of a GET that its HEAD must have as well."""
_AGE = re.compile(r"(s-maxage|max-age)\s*=\s*\"?(\d+)")
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
    problems += _judge_keeping(fields)
    if not body.strip():
        return [*problems, "nothing: the body is blank"]
    if "text/html" not in fields.get("content-type", ""):
        problems += ["nothing: the proxy's own words"] if _PROXY.match(body.decode("utf-8", "replace")) else []
        return [*problems, f"form: not HTML but {fields.get('content-type') or 'of no stated type'}"]
    if "charset=utf-8" not in fields.get("content-type", "").lower().replace('"', ""):
        problems.append("form: the Content-Type does not say UTF-8")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return [*problems, "form: the body is not UTF-8"]
    tree = LexborHTMLParser(text)
    problems += _judge_language(tree, fields, preferred_language(accept_language))
    problems += _judge_words(tree, preferred_language(accept_language))
    problems += _judge_content(tree, text, fields)
    problems += _judge_structure(tree)
    return problems


def judge_problem(status: int, headers: Mapping[str, str], body: bytes) -> list[str]:
    """Every way in which a failed JSON answer was not an RFC 9457 problem of ours."""
    fields = {name.lower(): value for name, value in headers.items()}
    kept = [one for one in _judge_keeping(fields) if freshness_s(fields) or not one.startswith("storing")]
    if "application/problem+json" not in fields.get("content-type", ""):
        return [*kept, f"form: not application/problem+json but {fields.get('content-type') or 'of no stated type'}"]
    try:
        said: Any = json.loads(body)
    except ValueError:
        return [*kept, "form: the problem is not JSON"]
    if not isinstance(said, dict):
        return [*kept, "form: the problem is not a JSON object"]
    problems = [*kept, *(f"form: the problem has no {key}" for key in ("title", "status") if not said.get(key))]
    if said.get("status") not in (None, status):
        problems.append(f"status: the problem says status {said['status']}, the answer {status}")
    leak = _LEAKS.search(body.decode("utf-8", "replace"))
    return [*problems, f"leak: leaks {leak.group()!r}"] if leak else problems


def judge_head(get: tuple[int, Mapping[str, str]], head: tuple[int, Mapping[str, str]], body: bytes = b"") -> list[str]:
    """How the answer to a HEAD differs from that to the same GET (RFC 9110, 9.3.2): each a status and headers.

    The length is compared of error pages alone, which are always the same; a good page has what was at hand.
    """
    wanted, given = ({name.lower(): value for name, value in fields.items()} for _, fields in (get, head))
    problems = [f"head: HEAD says {head[0]}, GET {get[0]}"] if head[0] != get[0] else []
    problems += [
        f"head: HEAD has {name} {given.get(name, 'not set')}, GET {wanted[name]}"
        for name in _ALIKE
        if name in wanted and given.get(name) != wanted[name] and (name != "content-length" or get[0] >= 400)  # noqa: PLR2004
    ]
    return [*problems, "head: HEAD has a body"] if body else problems


def aspect_of(problem: str) -> str:
    """Which of ASPECTS a problem is about."""
    return problem.partition(":")[0]


def freshness_s(headers: Mapping[str, str]) -> float:
    """For how many seconds a cache may show this answer again without asking (RFC 9111), its own guesses aside."""
    fields = {name.lower(): value for name, value in headers.items()}
    control = fields.get("cache-control", "").lower()
    if "no-store" in control or "no-cache" in control:
        return 0.0
    ages = dict(_AGE.findall(control))
    if ages:
        return float(ages.get("s-maxage") or ages["max-age"])
    try:
        return max(
            0.0, (parsedate_to_datetime(fields["expires"]) - parsedate_to_datetime(fields["date"])).total_seconds()
        )
    except (KeyError, ValueError, TypeError):
        return 0.0


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
        yield f"status: status {status}, not 503 or 500"
    if status == 503 and "retry-after" not in fields:  # noqa: PLR2004
        yield "status: status 503 without Retry-After"


def _judge_keeping(fields: Mapping[str, str]) -> Iterator[str]:
    if "no-store" not in fields.get("cache-control", ""):
        yield "storing: Cache-Control does not say no-store"
    if "set-cookie" in fields:
        yield "cookie: it sets a cookie"


def _lang_of(tree: LexborHTMLParser) -> str:
    html = tree.css_first("html")
    return (html.attributes.get("lang") or "") if html else ""


def _judge_language(tree: LexborHTMLParser, fields: Mapping[str, str], language: str) -> Iterator[str]:
    lang = _lang_of(tree)
    if lang.split("-")[0] != language:
        yield f"language: lang is {lang or 'not set'}, the visitor reads {language}"
    if fields.get("content-language", "").split("-")[0] != lang.split("-")[0]:
        said = fields.get("content-language") or "not set"
        yield f"language: Content-Language is {said}, lang {lang or 'not set'}"
    if "accept-language" not in fields.get("vary", "").lower():
        yield "language: Vary does not list Accept-Language"


def _judge_words(tree: LexborHTMLParser, language: str) -> Iterator[str]:
    """Its words, in the language that the page says it is in."""
    own = _lang_of(tree).split("-")[0]
    language = own if own in _SAYS else language
    body = tree.body
    text = (body.text(separator=" ") if body else "").replace("\u2019", "'")
    for what, pattern in _SAYS[language].items():
        if not re.search(pattern, text, re.IGNORECASE):
            yield f"words: it lacks {what} ({language})"
    if not any((link.attributes.get("href") or "") == "/" for link in tree.css("a")):
        yield "words: no link to the home page"
    pictures = " ".join(
        f"{node.attributes.get('alt') or ''} {node.attributes.get('aria-label') or ''} {node.text()}"
        for node in tree.css("img, svg, [role=img], figure")
    )
    if not re.search(_DOG[language], f"{pictures} {text}", re.IGNORECASE):
        yield "words: no dog"


def _judge_content(tree: LexborHTMLParser, text: str, fields: Mapping[str, str]) -> Iterator[str]:
    leak = _LEAKS.search(_without_pictures(text))
    if leak:
        yield f"leak: leaks {leak.group()!r}"
    for node in tree.css("[src], [srcset], link[href], object[data], [poster]"):
        source = next(
            (node.attributes.get(a) for a in ("src", "srcset", "href", "data", "poster") if a in node.attributes), ""
        )
        if not (source or "").startswith("data:"):
            yield f"fetch: fetches {source or 'something'} from elsewhere"
    if _CSS_FETCH.search(text):
        yield "fetch: its styles fetch something"
    size = len(_without_pictures(text).encode())
    if size > MAX_HTML_BYTES:
        yield f"size: {size} bytes of HTML, budget {MAX_HTML_BYTES}"
    if (pictures := len(tree.css("svg")) + text.count("data:image/")) > 1:
        yield f"size: {pictures} inlined pictures, budget 1"
    request_id = fields.get("x-request-id", "")
    if not request_id:
        yield "request-id: no X-Request-Id"
    elif request_id not in text:
        yield "request-id: the request id is not on the page"


def _judge_structure(tree: LexborHTMLParser) -> Iterator[str]:
    """What a screen reader, a keyboard or a magnifier goes by, as far as the markup tells (WCAG 2.2)."""
    title = tree.css_first("title")
    headings = [bool(one.text(strip=True)) for one in tree.css("h1")]
    if not (title and title.text(strip=True) and headings == [True] and len(tree.css("main, [role=main]")) == 1):
        yield "access: not one title, one h1 and a main"
    if any(not node.attributes.get("alt") for node in tree.css("img")):
        yield "access: a picture without alt text"
    if any(not _is_named(node) for node in tree.css("svg:not([aria-hidden=true]), [role=img]")):
        yield "access: a drawing that is neither named nor hidden"
    if any(not (node.text(strip=True) or node.attributes.get("aria-label")) for node in tree.css("a, button")):
        yield "access: a link or button without words"
    viewport = tree.css_first("meta[name=viewport]")
    if viewport and re.search(
        r"user-scalable\s*=\s*no|maximum-scale\s*=\s*1\b", viewport.attributes.get("content") or ""
    ):
        yield "access: it cannot be enlarged"
    if tree.css("meta[http-equiv=refresh], marquee, blink") or tree.css(
        "[tabindex]:not([tabindex='0'], [tabindex='-1'])"
    ):
        yield "access: it moves by itself, or orders the keyboard about"


def _is_named(node: LexborNode) -> bool:
    named = node.attributes.get("aria-label") or node.attributes.get("aria-labelledby") or node.attributes.get("alt")
    return bool(named or node.css_first("title"))


def _without_pictures(text: str) -> str:
    """The HTML with inlined pictures taken out: they have a budget of their own, and no words."""
    return re.sub(
        r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]*|<svg.*?</svg>|data:image/svg\+xml[^\"]*", "", text, flags=re.DOTALL
    )
