"""What the visitor prefers: a language, and HTML or JSON."""

import re

from aiohttp import web

from gameday.storefront.web.cookies import LANGUAGE
from gameday.storefront.web.phrases import LANGUAGES

HTML = "text/html"
JSON = "application/json"

_RANGE = re.compile(r"\s*([^;\s]+)")
_WEIGHT = re.compile(r";\s*q\s*=\s*([^;\s]*)")
_NUMBER = re.compile(r"[01]\.?[0-9]*")
_UNNAMED = 1_000_000  # the place in the list of a language that is not on it


def preferences(header: str) -> list[tuple[str, float]]:
    """The values of an Accept header with their q, best first; what has q=0 or makes no sense is left out."""
    found = []
    for entry in header.split(",")[:50]:
        value, *parameters = (part.strip().lower() for part in entry.split(";"))
        quality = next((parameter[2:] for parameter in parameters if parameter.startswith("q=")), "1")
        try:
            weight = float(quality)
        except ValueError:
            continue
        if value and 0 < weight <= 1:
            found.append((value, weight))
    return sorted(found, key=lambda pair: -pair[1])


def language(request: web.Request) -> str:
    """English or French: what was chosen (``?lang=``, then the cookie), else what Accept-Language has; else English."""
    for chosen in (request.query.get("lang"), request.cookies.get(LANGUAGE)):
        if chosen in LANGUAGES:
            return chosen
    return preferred_language(",".join(request.headers.getall("Accept-Language", [])))


def preferred_language(header: str) -> str:
    """The same from the header alone, as edge's negotiate.lua decides it.

    `*` stands for every language that is not named; of two that are liked as much, the one named first wins.
    """
    english, french = (_liking(header, name) for name in LANGUAGES)
    return "fr" if french[0] > 0 and french > english else "en"


def _liking(header: str, name: str) -> tuple[float, int]:
    """The weight of a language, and how early it is named: the greater, the better. A bad weight counts as 0."""
    named: list[tuple[float, int]] = []
    anything = 0.0
    for place, part in enumerate(header.lower().split(",")):
        found = _RANGE.match(part)
        weight = _WEIGHT.search(part)
        q = min(float(weight[1]), 1.0) if weight and _NUMBER.fullmatch(weight[1]) else float(weight is None)
        if found and found[1].partition("-")[0] == name:
            named.append((q, -place))
        elif found and found[1] == "*":
            anything = max(anything, q)
    return max(named, default=(anything, -_UNNAMED))


def wants_json(request: web.Request) -> bool:
    """Whether the caller is a program: it accepts JSON rather than HTML, or sends JSON and accepts anything."""
    accepted = dict(preferences(request.headers.get("Accept", "*/*")))
    json, html = accepted.get(JSON, 0), accepted.get(HTML, 0)
    if json or html:
        return json > html or (json == html and request.content_type == JSON)
    return request.content_type == JSON
