"""Pages that change while Envoy serves: new ones appear, broken ones never; and a door that closes behind the last."""

from __future__ import annotations

import http.client
import shutil
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from gameday.ledger.calls import wait_until
from gameday.storefront.edge.following import Follower, follow
from gameday.storefront.edge.render import CLOSED, LISTENERS
from tests.unit.edge.conftest import FILES, wait_until_up
from tests.unit.edge.test_error_page import DEAD, assert_friendly

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.edge.conftest import Edge, Upstream

NEW, OLD = "Our dog has eaten the cable.", "This page got away from us."


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A copy of the shop's templates, to be changed."""
    return shutil.copytree(FILES, tmp_path / "pages")


def follower(edge: Edge, pages: Path) -> Follower:
    """Whoever follows these pages for this edge; it has seen them as they are."""
    made = follower_afresh(edge, pages)
    assert made.look() == ""
    return made


def change(file: Path, old: str, new: str) -> None:
    """Replace words in a template."""
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def shows(edge: Edge, words: str) -> bool:
    """Whether the error page comes to have these words soon; it is friendly all the while."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        reply = edge.ask()
        assert_friendly(reply)
        if words in reply.text:
            return True
    return False


def test_a_new_page_is_served_without_a_restart(start_edge: Callable[..., Edge], pages: Path) -> None:
    """New words reach visitors, and nobody is turned away meanwhile; what has not changed is said once."""
    edge = start_edge(DEAD, pages=pages)
    following = follower(edge, pages)
    change(pages / "strings.yaml", OLD, NEW)
    assert following.look() == "the pages are new"
    assert following.look() == ""
    assert shows(edge, NEW)


def test_a_broken_template_leaves_the_last_good_page(start_edge: Callable[..., Edge], pages: Path) -> None:
    """Not the built-in one: the page that visitors had before. Mended, the new one comes."""
    edge = start_edge(DEAD, pages=pages)
    following = follower(edge, pages)
    change(pages / "strings.yaml", OLD, NEW)
    change(pages / "error.html.j2", "words.cause", "words.cuase")
    said = following.look()
    assert said.startswith("the last good pages are kept: error.html.j2 (en) is broken: UndefinedError")
    assert OLD in edge.ask().text
    change(pages / "error.html.j2", "words.cuase", "words.cause")
    assert following.look() == "the pages are new"
    assert shows(edge, NEW)


@pytest.mark.parametrize("name", ["strings.yaml", "listener.yaml.j2", "error.html.j2", "negotiate.lua"])
def test_a_file_that_is_gone_changes_nothing(start_edge: Callable[..., Edge], pages: Path, name: str) -> None:
    """A ConfigMap is replaced by somebody, not always at once."""
    edge = start_edge(DEAD, pages=pages)
    following = Follower(pages / "envoy.yaml.j2", pages, edge.log.with_name("envoy.yaml"))
    before = edge.log.with_name(LISTENERS).read_text()
    (pages / name).unlink()
    assert "last good pages are kept" in following.look()
    assert edge.log.with_name(LISTENERS).read_text() == before


def test_who_comes_back_keeps_what_was_good(start_edge: Callable[..., Edge], pages: Path) -> None:
    """A companion that is started anew beside broken templates does not touch what Envoy serves."""
    edge = start_edge(DEAD, pages=pages)
    (pages / "dog.svg").write_text("{{ nobody }}")
    assert "last good" in follower_afresh(edge, pages).look()
    assert 'viewBox="0 0 320 250"' in edge.ask().text


def test_a_container_that_comes_back_finds_its_door_open(start_edge: Callable[..., Edge], pages: Path) -> None:
    """Its liveness ended it, and its preStop closed the door: the pod lives on, so the door must not stay closed."""
    edge = start_edge(DEAD, pages=pages)
    following = follower(edge, pages)
    close_door(edge)
    assert following.look() == "the door is open again"
    wait_until_up(edge)
    assert_friendly(edge.ask())
    edge.log.with_name(LISTENERS).write_text("resources: []\n")
    assert follower_afresh(edge, pages).look() == "the pages are new"


def follower_afresh(edge: Edge, pages: Path) -> Follower:
    """One that has seen nothing yet."""
    return Follower(FILES / "envoy.yaml.j2", pages, edge.log.with_name("envoy.yaml"))


def test_it_looks_until_it_is_told_to_stop(start_edge: Callable[..., Edge], pages: Path) -> None:
    """The loop of the companion."""
    edge = start_edge(DEAD, pages=pages)
    stop = Event()
    thread = Thread(target=follow, args=(follower(edge, pages), stop, 0.05))
    thread.start()
    change(pages / "strings.yaml", OLD, NEW)
    assert shows(edge, NEW)
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


def test_a_door_that_closes_lets_out_who_is_inside(
    start_edge: Callable[..., Edge], upstream: Upstream, patient: Path
) -> None:
    """With its listeners moved away, Envoy answers whoever is inside, takes nobody in, and ends with 0."""
    edge = start_edge(upstream.address, files=patient)
    upstream.go.clear()
    with ThreadPoolExecutor(4) as visitors:
        inside = [visitors.submit(edge.ask) for _ in range(4)]
        assert all(upstream.arrived.acquire(timeout=30) for _ in inside)
        close_door(edge)
        upstream.go.set()
        assert [(one.result().status, one.result().headers.get("connection")) for one in inside] == [(200, "close")] * 4
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((edge.address, 8080), 1)
    assert edge.stop()


def test_a_kept_connection_is_asked_to_leave(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """A visitor who comes again on the same connection is served, and told that it closes."""
    edge = start_edge(upstream.address)
    connection = http.client.HTTPConnection(edge.address, 8080, timeout=10)
    closes = []
    for step in range(2):
        if step:
            close_door(edge)
        connection.request("GET", "/cart")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, upstream.body)
        closes.append(answer.getheader("connection"))
    assert closes == [None, "close"]


def close_door(edge: Edge) -> None:
    """Move Envoy's listeners away, and wait until it takes nobody in, asking no faster than it answers."""
    edge.log.with_name(CLOSED).replace(edge.log.with_name(LISTENERS))
    assert wait_until(lambda: not _takes_newcomers(edge), 20)


def _takes_newcomers(edge: Edge) -> bool:
    try:
        socket.create_connection((edge.address, 8080), 10).close()
    except ConnectionError:
        return False
    return True
