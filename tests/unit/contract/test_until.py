"""Waiting for an object: by a list and a watch, again and again when the watch does not last."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.clusters import Answer, Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "/api/v1/namespaces/n/configmaps/one"


@dataclass(frozen=True)
class Scripted(Cluster):
    """A cluster whose lists and watches are written down."""

    lists: list[list[dict[str, Any]]] = field(default_factory=list)
    watches: list[list[dict[str, Any]]] = field(default_factory=list)

    def call(self, *_: Any, **__: Any) -> Answer:
        """The next list."""
        found = {"items": self.lists.pop(0), "metadata": {"resourceVersion": "1"}}
        return Answer(200, {}, json.dumps(found).encode())

    def lines(self, *_: Any, **__: Any) -> Iterator[Any]:
        """The next watch."""
        yield from self.watches.pop(0)


def scripted(lists: list[list[dict[str, Any]]], watches: list[list[dict[str, Any]]]) -> Scripted:
    """A cluster that answers so, and no further."""
    return Scripted(Path("none"), embedded=False, kube=None, lists=lists, watches=watches)  # type: ignore[arg-type]


def expired(code: int = 410) -> dict[str, Any]:
    """An ERROR event."""
    return {"type": "ERROR", "object": {"kind": "Status", "code": code}}


def test_a_version_that_expired_is_listed_again() -> None:
    """An ERROR event of 410 is no state of the object."""
    cluster = scripted([[{"n": 1}], [{"n": 2}]], [[expired()]])
    assert cluster.until(PATH, lambda one: one["n"] == 2) == {"n": 2}


def test_a_stream_that_ends_early_is_listed_again() -> None:
    """A server may end a watch at any time."""
    cluster = scripted([[{"n": 1}], [{"n": 1}]], [[], [{"type": "MODIFIED", "object": {"n": 2}}]])
    assert cluster.until(PATH, lambda one: one["n"] == 2) == {"n": 2}


def test_a_deletion_is_an_empty_object() -> None:
    """By event, and by a list that lacks it."""
    gone = [{"type": "DELETED", "object": {"n": 1}}]
    assert scripted([[{"n": 1}]], [gone]).until(PATH, lambda one: not one) == {}
    assert scripted([[]], []).until(PATH, lambda one: not one) == {}


def test_another_error_fails() -> None:
    """It would come again and again."""
    with pytest.raises(AssertionError, match="500"):
        scripted([[{}]], [[expired(500)]]).until(PATH, lambda one: "n" in one)


def test_time_is_up() -> None:
    """The last state is told."""
    with pytest.raises(AssertionError, match=r'not so after 0 s; last seen: {"n": 1}'):
        scripted([[{"n": 1}]], []).until(PATH, lambda one: one["n"] == 2, timeout_s=0)
