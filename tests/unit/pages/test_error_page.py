"""What makes an error page a friendly one."""

import pytest

from gameday.pages import (
    ASPECTS,
    aspect_of,
    freshness_s,
    judge_error_page,
    judge_head,
    judge_problem,
    preferred_language,
    same_but_for_request_id,
)
from tests.unit.languages import LANGUAGES_BY_HEADER

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Language": "en",
    "Vary": "Accept-Language, Accept",
    "Cache-Control": "no-store",
    "Retry-After": "5",
    "X-Request-Id": "abc-123",
}
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sorry</title></head><body><main>
<h1>Sorry, something went wrong</h1><img alt="A dog with a bone" src="data:image/png;base64,AAAA">
<p>It is our fault, not yours. Go back and try again, or go to the <a href="/">home page</a>.</p>
<small>Request abc-123</small></main></body></html>"""


def _judge(page: str = PAGE, status: int = 503, language: str = "en", headers: dict[str, str] | None = None) -> str:
    fields = HEADERS | (headers or {})
    return "; ".join(judge_error_page(status, fields, page.encode(), language))


def test_a_friendly_page_has_no_problem() -> None:
    """The page as it should be."""
    assert _judge() == ""


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("Sorry", "Oops", "apology"),
        ("our fault, not yours", "a fault", "our fault"),
        ("try again", "weep", "try again"),
        ('href="/"', 'href="/help"', "home page"),
        ("dog", "cat", "no dog"),
        ("<h1>", "<h1>x</h1><h1>", "one h1"),
        ("abc-123", "zzz", "request id is not on the page"),
        ("Request", "upstream connect error", "leaks"),
        ("Request", "{{ request_id }}", "leaks"),
        ("Request", "at 10.1.2.3", "leaks"),
        ("data:image/png;base64,AAAA", "https://cdn.example/dog.png", "from elsewhere"),
        ("<h1>", '<style>body{background:url("/x.png")}</style><h1>', "styles fetch"),
        ('alt="A dog with a bone"', 'title="dog"', "alt text"),
        ('lang="en"', "", "lang is not set"),
        ("<small>", "<svg role=img aria-label=dog></svg><small>", "2 inlined pictures"),
        ("<small>", '<svg role="img"></svg><small>', "neither named nor hidden"),
        ("<small>", '<a href="/x"></a><small>', "without words"),
        ("<small>", '<a href="/x" tabindex="3">x</a><small>', "orders the keyboard"),
        ("<title>", '<meta http-equiv="refresh" content="5"><title>', "moves by itself"),
        ("<title>", '<meta name="viewport" content="user-scalable=no"><title>', "enlarged"),
        ("<main>", "<div>", "a main"),
    ],
)
def test_each_flaw_is_named(old: str, new: str, problem: str) -> None:
    """One flaw in the page, one problem with its name in it."""
    assert problem in _judge(PAGE.replace(old, new))


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({"Cache-Control": "max-age=60"}, "no-store"),
        ({"Set-Cookie": "a=b"}, "cookie"),
        ({"Vary": "Accept"}, "Vary"),
        ({"Content-Language": "fr"}, "Content-Language is fr"),
        ({"Content-Type": "text/plain"}, "not HTML"),
        ({"Content-Type": "text/html"}, "UTF-8"),
        ({"X-Request-Id": ""}, "no X-Request-Id"),
    ],
)
def test_headers_count(headers: dict[str, str], problem: str) -> None:
    """What a cache, a proxy or a screen reader goes by."""
    assert problem in _judge(headers=headers)


def test_a_cheerful_status_is_a_lie() -> None:
    """An error page that says 200 is no friendly error page."""
    assert "status 200" in _judge(status=200)
    assert "Retry-After" not in _judge(status=500)


def test_blank_is_not_friendly() -> None:
    """Nor is it anything else."""
    assert "blank" in _judge(page="")


def test_the_visitors_language() -> None:
    """An English page is not for somebody who reads French."""
    assert "the visitor reads fr" in _judge(language="fr-FR,fr;q=0.9,en;q=0.5")


def test_budget() -> None:
    """14 KiB of HTML, inlined pictures aside."""
    assert "budget" in _judge(PAGE.replace("Request", "words " * 3000))
    assert _judge(PAGE.replace("AAAA", "A" * 60_000)) == ""


@pytest.mark.parametrize(("accept", "language"), LANGUAGES_BY_HEADER)
def test_preferred_language(accept: str, language: str) -> None:
    """The judge reads Accept-Language as edge and web do."""
    assert preferred_language(accept) == language


def test_problems_for_json_clients() -> None:
    """RFC 9457, with the status it came with."""
    fields = {"Content-Type": "application/problem+json"}
    assert judge_problem(503, fields, b'{"title": "Down", "status": 503}') == []
    assert judge_problem(503, fields, b'{"title": "Down", "status": 500}')
    assert judge_problem(503, {"Content-Type": "text/html"}, b"<p>")
    assert judge_problem(503, fields, b"no")


def test_pages_are_compared_without_their_request_id() -> None:
    """Two answers differ in nothing else."""
    assert same_but_for_request_id(b"x 1 y", "1") == same_but_for_request_id(b"x 2 y", "2")


def test_every_problem_has_an_aspect() -> None:
    """By which its probe finds it."""
    worst = judge_error_page(200, {"Set-Cookie": "a"}, b"<p>upstream connect error", "fr")
    worst += judge_error_page(503, {"Content-Type": "text/html"}, b"<img src=/x>upstream connect error", "fr")
    worst += judge_error_page(503, {}, b"", "fr") + judge_problem(503, {"Set-Cookie": "a=b"}, b"no")
    assert {aspect_of(problem) for problem in worst} <= set(ASPECTS)
    assert len({aspect_of(problem) for problem in worst}) >= 9


def test_the_proxys_own_page_is_no_page() -> None:
    """Its words are told from a page of the shop's that has the wrong type."""
    for body, aspects in ((b"upstream connect error or disconnect", {"nothing", "form"}), (b"a poem", {"form"})):
        problems = judge_error_page(503, {**HEADERS, "Content-Type": "text/plain"}, body, "en")
        assert {aspect_of(problem) for problem in problems} == aspects


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"Cache-Control": "no-store, max-age=60"}, 0),
        ({"Cache-Control": "public, max-age=60"}, 60),
        ({"Cache-Control": 'max-age=5, s-maxage="90"'}, 90),
        ({"Cache-Control": "no-cache"}, 0),
        ({"Expires": "Sat, 28 Nov 2026 12:00:30 GMT", "Date": "Sat, 28 Nov 2026 12:00:00 GMT"}, 30),
        ({"Expires": "0", "Date": "Sat, 28 Nov 2026 12:00:00 GMT"}, 0),
    ],
)
def test_how_long_a_cache_may_show_it(headers: dict[str, str], seconds: float) -> None:
    """A cache that is shared counts, for it shows the page to more."""
    assert freshness_s(headers) == seconds


def test_head_is_get_without_a_body() -> None:
    """Status and headers agree, and there is no body."""
    get = (503, HEADERS)
    assert judge_head(get, (503, HEADERS)) == []
    assert judge_head(get, (200, HEADERS)) == ["head: HEAD says 200, GET 503"]
    assert judge_head(get, (503, {**HEADERS, "Retry-After": "9"})) == ["head: HEAD has retry-after 9, GET 5"]
    assert judge_head(get, (503, HEADERS), b"x") == ["head: HEAD has a body"]
    longer, shorter = ({**HEADERS, "Content-Length": length} for length in ("13723", "13046"))
    assert judge_head((200, longer), (200, shorter)) == []
    assert judge_head((503, longer), (503, shorter)) == ["head: HEAD has content-length 13046, GET 13723"]
