"""What the visitor prefers: a language, and HTML or JSON."""

from aiohttp import web

LANGUAGES = ("en", "fr")
HTML = "text/html"
JSON = "application/json"


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
    """English or French, as Accept-Language has it; English for anybody else."""
    for tag, _ in preferences(request.headers.get("Accept-Language", "")):
        primary = tag.partition("-")[0]
        if primary in LANGUAGES:
            return primary
        if tag == "*":
            break
    return "en"


def wants_json(request: web.Request) -> bool:
    """Whether the caller is a program: it accepts JSON rather than HTML, or sends JSON and accepts anything."""
    accepted = dict(preferences(request.headers.get("Accept", "*/*")))
    json, html = accepted.get(JSON, 0), accepted.get(HTML, 0)
    if json or html:
        return json > html or (json == html and request.content_type == JSON)
    return request.content_type == JSON
