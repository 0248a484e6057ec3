"""What makes an error page a friendly one."""

import pytest

from gameday.pages import judge_error_page, judge_problem, preferred_language, same_but_for_request_id
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
