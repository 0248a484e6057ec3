"""The friendly error page, as visitors get it from a real Envoy."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from selectolax.lexbor import LexborHTMLParser

from gameday.pages import judge_error_page, judge_problem
from tests.unit.languages import LANGUAGES_BY_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.edge.conftest import Edge, Reply, Upstream

UGLY = (
    b'Traceback (most recent call last):\n File "/srv/web.py", line 3\n'
    b"upstream connect error at web.shop.svc.cluster.local"
)
DEAD = "127.202.0.1"


def assert_friendly(reply: Reply, language: str = "en", status: int = 503) -> None:
    """Hold one HTML reply against everything that a friendly page must be."""
    assert reply.status == status
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.headers["content-language"] == language
    assert {"accept-language", "accept"} <= {v.strip().lower() for v in reply.headers["vary"].split(",")}
    assert reply.headers["cache-control"] == "no-store"
    assert "set-cookie" not in reply.headers
    assert reply.headers["server"] == "shop"
    assert not [name for name in reply.headers if name.startswith("x-envoy")]
    assert ("retry-after" in reply.headers) is (status == 503)
    tree = LexborHTMLParser(reply.text)
    root = tree.css_first("html")
    assert root is not None
    assert root.attributes["lang"] == language
    assert len(tree.css("h1")) == 1
    assert tree.css_first('main[data-page="error"]') is not None
    assert tree.css_first('a[href="/"]') is not None
    apology, fault, again, dog = {
        "en": ("sorry", "our fault", "go back and try again", "dog"),
        "fr": ("désolés", "notre faute", "Revenez en arrière et réessayez", "chien"),
    }[language]
    text = root.text()
    assert apology in text
    assert fault in text
    assert again in text
    picture = tree.css_first("svg[role=img]")
    assert picture is not None
    assert dog in (picture.attributes["aria-label"] or "")
    assert reply.headers["x-request-id"] in text
    assert len(reply.body) <= 14 * 1024
    for leak in ("Traceback", "upstream connect", "svc.cluster.local", "127.202.", "envoy", "{{", "%REQ", "%%"):
        assert leak.lower() not in reply.text.lower()


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504])
def test_replaces_what_web_says_when_it_fails(start_edge: Callable[..., Edge], upstream: Upstream, status: int) -> None:
    """Every 5xx of web's, whatever its body, becomes the page; a bug stays 500 and all others are 503."""
    edge = start_edge(upstream.address)
    upstream.status, upstream.body = status, UGLY
    upstream.headers = {"set-cookie": "cart=1", "server": "web/1.0", "x-powered-by": "Python"}
    reply = edge.ask("/product/p001")
    assert_friendly(reply, status=500 if status == 500 else 503)
    assert "x-powered-by" not in reply.headers


def test_needs_no_backend(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """With web gone the page is the same, request id aside, as with web failing."""
    upstream.status, upstream.body = 503, b""
    pages = []
    for web in (DEAD, upstream.address):
        reply = start_edge(web).ask()
        assert_friendly(reply)
        pages.append(reply.text.replace(reply.headers["x-request-id"], "ID"))
    assert pages[0] == pages[1]


def test_a_page_that_takes_too_long_is_given_up(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """The deadline turns a hanging web into the page, with status 503, not a proxy's 504."""
    upstream.go.clear()
    reply = start_edge(upstream.address, EDGE_RETRIES="off").ask()
    assert_friendly(reply)


def test_speaks_the_visitors_language(start_edge: Callable[..., Edge]) -> None:
    """French or English by weight, English for whoever speaks neither."""
    edge = start_edge(DEAD)
    for accepted, language in [(None, "en"), *LANGUAGES_BY_HEADER]:
        headers: dict[str, Any] = {} if accepted is None else {"accept_language": accepted}
        reply = edge.ask(**headers)
        assert reply.headers["content-language"] == language, accepted
        assert_friendly(reply, language)


@pytest.mark.parametrize("fails_by", ["a dead web", "a failing web"])
def test_speaks_json_to_programs(start_edge: Callable[..., Edge], upstream: Upstream, fails_by: str) -> None:
    """A client that accepts JSON gets a problem document in its language, and only such a client."""
    upstream.status, upstream.body = 500, UGLY
    edge = start_edge(DEAD if fails_by == "a dead web" else upstream.address)
    status = 503 if fails_by == "a dead web" else 500
    for accept in (
        "application/json",
        "application/problem+json",
        "application/json, */*",
        "application/json;q=0.9, text/html;q=0.1",
    ):
        reply = edge.ask("/checkout", "POST", b"{}", accept=accept, accept_language="fr")
        assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
        assert reply.headers["content-language"] == "fr"
        assert reply.headers["cache-control"] == "no-store"
        problem = json.loads(reply.text)
        assert problem["status"] == status
        assert problem["request_id"] == reply.headers["x-request-id"]
        assert "désolés" in problem["detail"]
        assert problem["title"]
        assert problem["type"]
    for accept in (
        "*/*",
        "text/html",
        "text/html,application/json",
        "application/json;q=0",
        "application/json;q=0.1, text/html",
    ):
        assert_friendly(edge.ask(accept=accept), status=status)


def test_a_program_that_sends_json_is_answered_in_json(start_edge: Callable[..., Edge]) -> None:
    """Whoever posts JSON and does not mind what comes back is a program; a form is a person."""
    edge = start_edge(DEAD)
    for headers, content_type in (
        ({"content_type": "application/json"}, "application/problem+json"),
        ({"content_type": "application/json", "accept": "*/*"}, "application/problem+json"),
        ({"content_type": "application/json; charset=utf-8", "accept": "text/html"}, "text/html; charset=utf-8"),
        ({"content_type": "application/x-www-form-urlencoded", "accept": "*/*"}, "text/html; charset=utf-8"),
    ):
        reply = edge.ask("/checkout", "POST", b"{}", **headers)
        assert reply.headers["content-type"] == content_type, headers


@pytest.mark.parametrize("fails_by", ["a dead web", "a failing web"])
def test_head_agrees_with_get(start_edge: Callable[..., Edge], upstream: Upstream, fails_by: str) -> None:
    """HEAD gives GET's status and headers, length included, and no body."""
    upstream.status, upstream.body = 503, UGLY
    edge = start_edge(DEAD if fails_by == "a dead web" else upstream.address)
    get, head = edge.ask(), edge.ask(method="HEAD")
    assert head.body == b""
    varying = {"date", "x-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in varying} == {
        k: v for k, v in get.headers.items() if k not in varying
    }
    assert head.status == get.status


def test_the_request_id_is_edges_own_and_the_same_everywhere(
    start_edge: Callable[..., Edge], upstream: Upstream
) -> None:
    """A client cannot choose the id (nor put markup into the page); page, header, log and web agree."""
    edge = start_edge(upstream.address, EDGE_RETRIES="off")
    upstream.status = 500
    reply = edge.ask(x_request_id='"><script>alert(1)</script>')
    found = re.search(r"<code>(.*?)</code>", reply.text)
    assert found is not None
    assert found[1] == reply.headers["x-request-id"] == upstream.seen_ids[-1]
    assert re.fullmatch(r"[0-9a-f-]{36}", found[1])
    upstream.status = 200
    assert re.fullmatch(r"[0-9a-f-]{36}", edge.ask().headers["x-request-id"])


def test_leaves_alone_what_is_not_edges_to_explain(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """Success and a visitor's own mistakes pass as web wrote them."""
    edge = start_edge(upstream.address)
    for status in (200, 303, 400, 404, 409, 422):
        upstream.status, upstream.body, upstream.headers = status, b"as it is", {"set-cookie": "cart=1"}
        reply = edge.ask()
        assert (reply.status, reply.body, reply.headers["set-cookie"]) == (status, b"as it is", "cart=1")


def test_without_the_safeguard_visitors_see_the_proxy(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """EDGE_ERROR_PAGE=off is a real weakness: Envoy's own words, and web's ugly ones."""
    assert "upstream connect error" in start_edge(DEAD, EDGE_ERROR_PAGE="off").ask().text
    upstream.status, upstream.body = 500, UGLY
    assert start_edge(upstream.address, EDGE_ERROR_PAGE="off").ask().body == UGLY


def test_a_page_may_be_made_to_lie(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """EDGE_ERROR_PAGE=says-200 is a real weakness: the page comes with a status that says all is well."""
    upstream.status = 500
    for web in (DEAD, upstream.address):
        reply = start_edge(web, EDGE_ERROR_PAGE="says-200").ask()
        assert reply.status == 200
        assert 'data-page="error"' in reply.text


def test_the_judge_of_experiments_agrees(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """What experiments hold failed pages against finds nothing wrong with ours, and finds the weaknesses out."""
    upstream.status, upstream.body = 500, UGLY
    for web in (DEAD, upstream.address):
        edge = start_edge(web)
        for accepted, _ in LANGUAGES_BY_HEADER:
            reply = edge.ask(accept_language=accepted)
            assert judge_error_page(reply.status, reply.headers, reply.body, accepted) == [], accepted
        problem = edge.ask(accept="application/json")
        assert judge_problem(problem.status, problem.headers, problem.body) == []
        for weakness in ("off", "says-200"):
            reply = start_edge(web, EDGE_ERROR_PAGE=weakness).ask()
            assert judge_error_page(reply.status, reply.headers, reply.body, "") != []
