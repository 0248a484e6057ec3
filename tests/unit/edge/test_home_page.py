"""The home page that edge has when web has none."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from selectolax.lexbor import LexborHTMLParser

from tests.unit.edge.test_error_page import DEAD, UGLY, assert_friendly

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.edge.conftest import Edge, Reply, Upstream


def assert_simple_home_page(reply: Reply, language: str = "en") -> None:
    """Hold a reply against what the fallback home page must be: a page of its own, and honest about it."""
    assert reply.status == 200
    assert reply.headers["x-fallback"] == "edge"
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["content-language"] == language
    assert not {"retry-after", "set-cookie"} & reply.headers.keys()
    tree = LexborHTMLParser(reply.text)
    root = tree.css_first("html")
    assert root is not None
    assert root.attributes["lang"] == language
    assert tree.css_first('main[data-page="fallback"]') is not None
    assert [h1.text() for h1 in tree.css("h1")] == [
        {
            "en": "Welcome! This is our small home page.",
            "fr": "Bienvenue ! Voici notre petite page d\u2019accueil.",
        }[language]
    ]
    assert tree.css_first('a[href="/"]') is not None
    assert "Traceback" not in reply.text


@pytest.mark.parametrize("status", [None, 500, 502, 503])
def test_a_web_that_fails_costs_the_deals_but_not_the_home_page(
    start_edge: Callable[..., Edge], upstream: Upstream, status: int | None
) -> None:
    """Dead or failing, a bug included: GET and HEAD of the home page give the simple one, in both languages."""
    upstream.status, upstream.body = status or 200, UGLY
    edge = start_edge(upstream.address if status else DEAD)
    assert_simple_home_page(edge.ask("/"))
    assert_simple_home_page(edge.ask("/?from=mail", accept_language="fr"), "fr")
    head = edge.ask("/", "HEAD")
    assert (head.status, head.headers["x-fallback"], head.body) == (200, "edge", b"")


def test_a_slow_web_is_not_waited_for(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """The simple home page comes after two seconds, whatever web does."""
    upstream.go.clear()
    edge = start_edge(upstream.address)
    began = time.monotonic()
    assert_simple_home_page(edge.ask("/"))
    assert time.monotonic() - began < 9  # of the minute that web takes


def test_it_is_for_people_who_want_the_home_page(start_edge: Callable[..., Edge]) -> None:
    """Other pages get the error page, programs the problem, and nobody's order is answered with a home page."""
    edge = start_edge(DEAD)
    assert_friendly(edge.ask("/product/p001"))
    assert_friendly(edge.ask("/", "POST", b"a=b"))
    problem = edge.ask("/", accept="application/json")
    assert (problem.status, json.loads(problem.text)["status"]) == (503, 503)
    assert "x-fallback" not in problem.headers


def test_a_home_page_of_webs_is_left_alone(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """Its own, its fallback, and its 404."""
    edge = start_edge(upstream.address)
    upstream.headers = {"x-fallback": "catalog"}
    assert edge.ask("/").headers["x-fallback"] == "catalog"
    upstream.status, upstream.headers = 404, {}
    assert edge.ask("/").status == 404


def test_without_the_safeguard_the_home_page_is_the_error_page(start_edge: Callable[..., Edge]) -> None:
    """EDGE_HOME_FALLBACK=off is a real weakness."""
    assert_friendly(start_edge(DEAD, EDGE_HOME_FALLBACK="off").ask("/"))


def test_the_log_keeps_the_failure(start_edge: Callable[..., Edge]) -> None:
    """A page that says 200 in place of a failure is told from one that is sound by the log."""
    edge = start_edge(DEAD)
    edge.ask("/")
    assert edge.stop()
    line = json.loads(next(line for line in edge.log.read_text().splitlines() if line.startswith("{")))
    assert (line["status"], line["fallback"]) == (200, "edge")
    assert "UF" in line["flags"]
