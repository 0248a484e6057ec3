"""The three patches, as recorded from a real API server."""

from __future__ import annotations

from typing import Any

import pytest

from gameday.cluster import patches


def env(*names: str) -> dict[str, Any]:
    """A pod template's part with environment variables of these names."""
    return {"containers": [{"name": "c", "env": [{"name": n, "value": n} for n in names]}]}


def names(merged: dict[str, Any]) -> list[str]:
    """The variables' names, in order."""
    return [e["name"] for e in merged["containers"][0]["env"]]


def test_keyed_lists_merge_item_by_item() -> None:
    """An item with the same key is merged, a new one is appended."""
    merged = patches.strategic_merge(env("A"), {"containers": [{"name": "c", "image": "x", "env": [{"name": "B"}]}]})
    assert (names(merged), merged["containers"][0]["image"]) == (["A", "B"], "x")


@pytest.mark.parametrize(
    ("before", "order", "new", "after"),
    [
        ("AB", "CBA", "C", "CBA"),
        ("CBA", "DA", "D", "DCBA"),
        ("AB", "AB", "", "AB"),
    ],
)
def test_the_order_directive_sorts_around_the_servers_own_items(before: str, order: str, new: str, after: str) -> None:
    """Named items come in the given order; those it does not name keep their place (seen on Kubernetes 1.20)."""
    patch = {"containers": [{"name": "c", "$setElementOrder/env": [{"name": n} for n in order]}]}
    if new:
        patch["containers"][0]["env"] = [{"name": n} for n in new]
    merged = patches.strategic_merge(env(*before), patch)
    assert "".join(names(merged)) == after


def test_directives_delete_replace_and_retain() -> None:
    """`$patch: delete` and `replace`, `$retainKeys`, `$deleteFromPrimitiveList`."""
    gone = patches.strategic_merge(
        env("A", "B"), {"containers": [{"name": "c", "env": [{"name": "A", "$patch": "delete"}]}]}
    )
    assert names(gone) == ["B"]
    replaced = {"containers": [{"name": "c", "env": [{"name": "Z"}, {"$patch": "replace"}]}]}
    assert names(patches.strategic_merge(env("A"), replaced)) == ["Z"]
    kept = patches.strategic_merge(
        {"type": "RollingUpdate", "rollingUpdate": {}}, {"$retainKeys": ["type"], "type": "Recreate"}
    )
    assert kept == {"type": "Recreate"}
    meta = {"metadata": {"finalizers": ["a", "b"]}}
    assert patches.strategic_merge(meta, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}) == {
        "metadata": {"finalizers": ["b"]}
    }


def test_ports_are_keyed_by_their_owner() -> None:
    """A container's by containerPort, a Service's by port, an EndpointSlice's are replaced."""
    assert patches.merge_key(("spec", "template", "spec", "containers", "ports")) == "containerPort"
    assert patches.merge_key(("spec", "ports")) == "port"
    assert patches.merge_key(("ports",)) is None


def test_what_cannot_be_applied_is_an_error() -> None:
    """A missing merge key, an unknown directive, a path that is not there."""
    for patch in ({"containers": [{"image": "x"}]}, {"$patch": "what"}):
        with pytest.raises(patches.PatchError):
            patches.strategic_merge(env("A"), patch)
    for operation in (
        {"op": "remove", "path": "/no"},
        {"op": "test", "path": "/a", "value": 2},
        {"op": "hop", "path": ""},
    ):
        with pytest.raises(patches.PatchError):
            patches.apply_operations({"a": 1}, [operation])


def test_nothing_that_is_given_is_edited() -> None:
    """Stored objects are shared: a patch must not reach into them."""
    before = env("A")
    patches.strategic_merge(before, {"containers": [{"name": "c", "env": [{"name": "A", "value": "2"}]}]})
    patches.merge(before, {"containers": None})
    patches.apply_operations(before, [{"op": "remove", "path": "/containers/0/env/0"}])
    assert before == env("A")


def test_json_patch_moves_copies_and_escapes() -> None:
    """RFC 6902: `~1` is a slash, `-` is the end of a list."""
    document = {"a/b": [1, 2]}
    operations = [
        {"op": "add", "path": "/a~1b/-", "value": 3},
        {"op": "copy", "from": "/a~1b/0", "path": "/c"},
        {"op": "move", "from": "/a~1b/1", "path": "/d"},
        {"op": "replace", "path": "/a~1b/0", "value": 9},
    ]
    assert patches.apply_operations(document, operations) == {"a/b": [9, 3], "c": 1, "d": 2}
