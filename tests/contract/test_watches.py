"""Watches: a stream of what changes."""

from __future__ import annotations

import contextlib
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.behaviours import behaviour
from tests.contract.clusters import MERGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.clusters import Cluster


class Maps:
    """The ConfigMaps of a namespace, and watches of them."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.path = cluster.path("configmaps", namespace)
        cluster.until(f"{self.path}/kube-root-ca.crt", bool)  # that no watch is surprised by it

    @property
    def version(self) -> str:
        """The resourceVersion of a list."""
        return str(self.cluster.read(self.path)["metadata"]["resourceVersion"])

    def create(self, name: str, **labels: str) -> str:
        """A new one; returns its resourceVersion."""
        made = self.cluster.create(self.path, {"metadata": {"name": name, "labels": labels}})
        return str(made["metadata"]["resourceVersion"])

    def label(self, name: str, **labels: str | None) -> None:
        """Change its labels."""
        self.cluster.patch(f"{self.path}/{name}", {"metadata": {"labels": labels}}, MERGE)

    def delete(self, name: str) -> None:
        """Delete it."""
        assert self.cluster.call("DELETE", f"{self.path}/{name}").status == 200

    def watch(self, *, path: str = "", **query: Any) -> Iterator[Any]:
        """The events of a watch, which ends after some seconds."""
        return self.cluster.lines(path or self.path, {"watch": "true", "timeoutSeconds": 10, **query})

    def seen(self, count: int, *, path: str = "", **query: Any) -> list[tuple[str, str]]:
        """Types and names of a watch's first events."""
        with contextlib.closing(self.watch(path=path, **query)) as events:  # type: ignore[type-var]
            return [(one["type"], one["object"]["metadata"]["name"]) for one in islice(events, count)]


@pytest.fixture
def maps(cluster: Cluster, namespace: str) -> Maps:
    """ConfigMaps to watch."""
    return Maps(cluster, namespace)


@pytest.mark.parametrize("said", ["true", "True", "1"])
@behaviour("A watch without a resourceVersion begins with what exists, each ADDED", area="watches")
def test_a_watch_begins_with_what_exists(maps: Maps, said: str) -> None:
    """The Python client 36 says watch=True, 37 says true."""
    maps.create("one")
    assert set(maps.seen(2, watch=said)) == {("ADDED", "kube-root-ca.crt"), ("ADDED", "one")}


@behaviour("A watch from a resourceVersion tells what came after it, in order, and goes on", area="watches")
def test_a_watch_resumes(maps: Maps) -> None:
    """ADDED, MODIFIED, DELETED; the last one with the object as it was."""
    version = maps.version
    maps.create("one")
    maps.label("one", a="b")
    with contextlib.closing(maps.watch(resourceVersion=version)) as events:  # type: ignore[type-var]
        assert [next(events)["type"] for _ in range(2)] == ["ADDED", "MODIFIED"]
        maps.delete("one")
        last = next(events)
    assert (last["type"], last["object"]["metadata"]["labels"]) == ("DELETED", {"a": "b"})
    assert int(last["object"]["metadata"]["resourceVersion"]) > int(version)


@behaviour("Each event's resourceVersion can be resumed from: nothing is missed, nothing comes twice", area="watches")
def test_no_event_is_lost(maps: Maps) -> None:
    """A watch for each event."""
    version = maps.version
    for name in ("one", "two", "three"):
        maps.create(name)
    found = []
    for _ in range(3):
        with contextlib.closing(maps.watch(resourceVersion=version)) as events:  # type: ignore[type-var]
            event = next(events)
        version = event["object"]["metadata"]["resourceVersion"]
        found.append(event["object"]["metadata"]["name"])
    assert found == ["one", "two", "three"]


@behaviour("To a watch by label, what comes to match is ADDED and what ceases to match is DELETED", area="watches")
def test_a_watch_by_label(maps: Maps) -> None:
    """Whatever really happened to it."""
    version = maps.create("one", x="1")
    for x in ("2", "2b", "2", None):
        maps.label("one", x=x)
    assert maps.seen(4, resourceVersion=version, labelSelector="x in (2,3)") == [
        ("ADDED", "one"), ("DELETED", "one"), ("ADDED", "one"), ("DELETED", "one"),
    ]  # fmt: skip


@behaviour("A watch by field tells of the one object that it names", area="watches")
def test_a_watch_by_field(maps: Maps) -> None:
    """`kubectl wait` and `kubectl rollout status` watch so."""
    version = maps.version
    maps.create("one")
    maps.create("two")
    assert maps.seen(1, resourceVersion=version, fieldSelector="metadata.name=two") == [("ADDED", "two")]


@behaviour("A watch of a namespace tells nothing of others, one without a namespace tells of all", area="watches")
def test_a_watch_of_all_namespaces(cluster: Cluster, maps: Maps) -> None:
    """An object in `default` and one here."""
    version = maps.version
    name = "contract-" + maps.path.rsplit("-", 1)[1].removesuffix("/configmaps")
    elsewhere = cluster.path("configmaps", "default")
    cluster.create(elsewhere, {"metadata": {"name": name}})
    try:
        maps.create("one")
        assert maps.seen(1, resourceVersion=version) == [("ADDED", "one")]
        path, query = cluster.path("configmaps"), {"resourceVersion": version}
        assert maps.seen(1, path=path, fieldSelector=f"metadata.name={name}", **query) == [("ADDED", name)]
    finally:
        cluster.call("DELETE", f"{elsewhere}/{name}")


@behaviour("A watch ends without an error after timeoutSeconds", area="watches")
def test_a_watch_ends(maps: Maps) -> None:
    """The client goes on from where it was."""
    assert list(maps.watch(resourceVersion=maps.version, timeoutSeconds=1)) == []


@behaviour("A watch that allows bookmarks gets one before it ends: a resourceVersion and nothing else", area="watches")
def test_bookmarks(maps: Maps) -> None:
    """From it a client resumes although nothing it wants has changed."""
    version = maps.version
    marks = list(maps.watch(resourceVersion=version, allowWatchBookmarks="true", timeoutSeconds=5))
    assert {one["type"] for one in marks} == {"BOOKMARK"}
    seen = marks[-1]["object"]
    assert (seen["kind"], seen["apiVersion"]) == ("ConfigMap", "v1")
    assert int(seen["metadata"]["resourceVersion"]) >= int(version)
    assert "name" not in seen["metadata"]


@behaviour("A watch that does not allow bookmarks gets none", area="watches")
def test_no_bookmarks(maps: Maps) -> None:
    """Old clients do not know them."""
    assert list(maps.watch(resourceVersion=maps.version, timeoutSeconds=3)) == []


@behaviour("A watch from a version that the server no longer has gets an ERROR event, 410 Expired", area="watches")
@pytest.mark.timeout(400)
def test_an_expired_version(cluster: Cluster, namespace: str) -> None:
    """A server remembers the last hundred changes of a resource, and more of one that changes faster than this."""
    leases = cluster.path("leases", namespace)
    cluster.create(leases, {"metadata": {"name": "one"}})
    query = {"watch": "true", "resourceVersion": "1", "timeoutSeconds": 5}
    for number in range(280):
        event = next(cluster.lines(cluster.path("leases"), query))
        if event["type"] == "ERROR":
            break
        cluster.patch(f"{leases}/one", {"metadata": {"annotations": {"n": str(number)}}}, MERGE)
        time.sleep(1)  # a hundred changes within 75 s would have it remember more
    assert (event["type"], event["object"]["kind"]) == ("ERROR", "Status")
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    assert "too old resource version: 1" in event["object"]["message"]


@behaviour("A watch from a version that is no number answers 500", area="watches",
           differs="400: the mistake is the client's")  # fmt: skip
def test_a_broken_version(maps: Maps) -> None:
    """The message says what is wrong."""
    query = {"watch": "true", "resourceVersion": "abc", "timeoutSeconds": 1}
    answer = maps.cluster.call("GET", maps.path, query=query)
    assert (answer.status, answer.reason) == ((400, "BadRequest") if maps.cluster.embedded else (500, ""))
    assert answer.json["message"].startswith('resourceVersion: Invalid value: "abc"')


@behaviour(
    "A watch from a version yet to come waits for it", area="watches",
    differs="versions begin anew with each embedded cluster: a higher one is of an earlier life, and its holder must "
    "list again (410) instead of waiting for nothing",
)  # fmt: skip
def test_a_future_version(maps: Maps) -> None:
    """Nothing comes, and no error."""
    events = list(maps.watch(resourceVersion="999999999999", timeoutSeconds=1))
    if not maps.cluster.embedded:
        assert events == []
        return
    (event,) = events
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


@behaviour("A watch can send rows: the columns come with the first event alone", area="watches")
def test_a_watch_of_rows(maps: Maps) -> None:
    """`kubectl get -w`."""
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    maps.create("one")
    query = {"watch": "true", "timeoutSeconds": 1}
    lines = maps.cluster.call("GET", maps.path, query=query, headers=accept).data.splitlines()
    import json

    tables = [json.loads(line)["object"] for line in lines]
    assert [one["kind"] for one in tables] == ["Table", "Table"]
    assert bool(tables[0]["columnDefinitions"])
    assert not tables[1]["columnDefinitions"]
    assert {one["rows"][0]["cells"][0] for one in tables} == {"kube-root-ca.crt", "one"}


@behaviour("A list can come as a watch: what exists, then a bookmark that says so", area="watches", since="1.32")
def test_a_streaming_list(maps: Maps) -> None:
    """`sendInitialEvents`, which newer clients use instead of a list."""
    query = {"sendInitialEvents": "true", "allowWatchBookmarks": "true", "resourceVersionMatch": "NotOlderThan"}
    with contextlib.closing(maps.watch(**query)) as events:  # type: ignore[type-var]
        found = list(islice(events, 2))
    assert [one["type"] for one in found] == ["ADDED", "BOOKMARK"]
    assert found[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
