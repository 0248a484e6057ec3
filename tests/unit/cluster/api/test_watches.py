"""Watches over raw HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.cluster.api.conftest import TOKEN, Api
else:
    TOKEN = "a-token"

CORE = "/api/v1/namespaces/shop/configmaps"


class Stream:
    """An open watch."""

    def __init__(self, api: Api, query: str, path: str = CORE) -> None:
        self.connection = api.connect()
        self.connection.request("GET", f"{path}?watch=1&{query}", headers={"Authorization": f"Bearer {TOKEN}"})
        self.response = self.connection.getresponse()

    def next(self) -> dict[str, Any] | None:
        """The next event; None at the end."""
        line = self.response.readline()
        return json.loads(line) if line else None

    def names(self, count: int) -> list[tuple[str, str]]:
        """Types and names of the next events."""
        found = [self.next() for _ in range(count)]
        return [(e["type"], e["object"]["metadata"]["name"]) for e in found if e]


@pytest.fixture
def watch(api: Api) -> Iterator[Callable[..., Stream]]:
    """Opens watches, and closes them at the end."""
    opened: list[Stream] = []

    def start(query: str = "timeoutSeconds=20", **options: Any) -> Stream:
        opened.append(Stream(api, query, **options))
        return opened[-1]

    yield start
    for stream in opened:
        stream.connection.close()


def create(api: Api, name: str, **labels: str) -> str:
    """Create a ConfigMap and return its revision."""
    body = {"metadata": {"name": name, "labels": labels}}
    return str(api.call("POST", CORE, body).body["metadata"]["resourceVersion"])


def test_a_watch_begins_with_what_exists_then_follows(api: Api, watch: Callable[..., Stream]) -> None:
    """Without a resourceVersion existing objects come as ADDED, then changes as they happen."""
    create(api, "a")
    stream = watch()
    assert stream.names(1) == [("ADDED", "a")]
    create(api, "b")
    api.call("PATCH", f"{CORE}/a", {"data": {"x": "y"}}, kind="application/merge-patch+json")
    api.call("DELETE", f"{CORE}/b")
    assert stream.names(3) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


def test_a_watch_resumes_after_a_revision(api: Api, watch: Callable[..., Stream]) -> None:
    """Nothing before the revision, everything after it."""
    since = create(api, "a")
    create(api, "b")
    assert watch(f"resourceVersion={since}").names(1) == [("ADDED", "b")]


def test_an_object_that_leaves_the_selection_is_deleted_to_the_watcher(api: Api, watch: Callable[..., Stream]) -> None:
    """Entering is ADDED, leaving is DELETED, whatever really happened."""
    since = create(api, "a", x="1")
    stream = watch(f"labelSelector=x%3D2&resourceVersion={since}")
    for value in ("2", "3"):
        body = {"metadata": {"labels": {"x": value}}}
        api.call("PATCH", f"{CORE}/a", body, kind="application/merge-patch+json")
    assert stream.names(2) == [("ADDED", "a"), ("DELETED", "a")]


def test_a_watch_ends_at_its_timeout(api: Api, watch: Callable[..., Stream]) -> None:
    """`timeoutSeconds` ends the stream without an error."""
    assert watch("timeoutSeconds=1").next() is None


@pytest.mark.parametrize("revision", ["1", "999999999"])
def test_a_revision_that_is_not_known_is_gone(api: Api, watch: Callable[..., Stream], revision: str) -> None:
    """Too old, or of an earlier life of the cluster: an ERROR event with 410 says to list again."""

    def fill() -> None:
        for index in range(5000):
            api.store.create("events", {"metadata": {"name": f"e{index}", "namespace": "shop"}})

    api.on_loop(fill)
    event = watch(f"resourceVersion={revision}").next()
    assert event is not None
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


def test_initial_events_end_with_a_bookmark(api: Api, watch: Callable[..., Stream]) -> None:
    """A streaming list knows when it has seen everything."""
    create(api, "a")
    stream = watch("sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan")
    assert stream.names(1) == [("ADDED", "a")]
    bookmark = stream.next()
    assert bookmark is not None
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_watch_of_one_object_by_field(api: Api, watch: Callable[..., Stream]) -> None:
    """`kubectl wait` and `rollout status` watch by metadata.name."""
    stream = watch("fieldSelector=metadata.name%3Db")
    create(api, "a")
    create(api, "b")
    assert stream.names(1) == [("ADDED", "b")]
