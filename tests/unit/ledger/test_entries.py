"""Ledger entries: what is written reads back the same, and nonsense is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gameday.ledger import (
    ClearAnnotation,
    ClearFault,
    ClearLabel,
    DeleteFaultSets,
    DeleteMade,
    Entry,
    EntryError,
    NoUndo,
    Operation,
    SetConfig,
    SetContainer,
    SetReplicas,
    SetSelector,
    SetServicePorts,
    Uncordon,
    new_fault_id,
)
from gameday.ledger.entries import operation_to_json

OPERATIONS: list[Operation] = [
    SetReplicas("web", "u1", 2, 0),
    SetSelector("web", "u2", {"app": "web"}, {"gameday.dev/fault-proxy": "web"}),
    SetConfig("mailer-config", "u3", {"a": "old", "b": None}, {"a": "new", "b": "made"}),
    SetServicePorts("web", "u4", [{"port": 80, "targetPort": "http"}], [{"port": 80, "targetPort": 9}]),
    SetContainer("web", "u5", "web", "command", None, 0, "f", ["a", "b"], None),
    SetContainer("web", "u6", "web", "env", "A", 1, "f", {"name": "A", "value": "1"}, None),
    SetContainer("web", "u7", "web", "livenessProbe", None, 0, "f", None, {"tcpSocket": {"port": 1}}),
    DeleteFaultSets("web", "f"),
    DeleteMade("Deployment", "web-gameday-proxy"),
    ClearFault("catalog"),
    ClearAnnotation("refresh.gameday.dev/misconfigure-1"),
    ClearLabel("ready.gameday.dev/make-unready-1"),
    Uncordon("worker-1", "u4"),
    NoUndo(("web", "cart")),
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.op)
def test_every_operation_survives_the_ledger(operation: Operation) -> None:
    """An entry read back equals the one written."""
    entry = Entry(new_fault_id("x"), "x", (operation,), {"name": "web"}, {"sha": "1"}, 12.5, 60)
    assert Entry.from_json(entry.id, entry.to_json()) == entry
    assert Entry.from_json(entry.id, entry.in_force().to_json()).state == "in-force"


def container_with(**changes: Any) -> dict[str, Any]:
    """An undo of a wrong image in JSON, with some fields changed."""
    sound = operation_to_json(SetContainer("web", "u", "web", "image", None, 0, "f", "a", "b"))
    return {**sound, **changes}


def entry_with(**changes: Any) -> str:
    """The text of a sound entry `f`, with some fields changed."""
    data = json.loads(Entry("f", "x", (SetReplicas("web", "u", 2, 0),)).to_json())
    return json.dumps({**data, **changes})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "ledger entry f"),
        ("[]", "not a mapping"),
        (entry_with(format=1), "format is 1"),
        (entry_with(id="g"), "id is 'g'"),
        (entry_with(state="done"), "state is 'done'"),
        (entry_with(ttl_s="soon"), "ttl_s is 'soon'"),
        (entry_with(made_at=True), "made_at is True"),
        (entry_with(surprise=1), "unknown fields ['surprise']"),
        (entry_with(undo=[]), "at least one operation"),
        (entry_with(undo=[{"op": "exec", "command": "rm"}]), "unknown undo operation 'exec'"),
        (entry_with(undo=[{"op": "delete", "kind": "Namespace", "name": "shop"}]), "kind is 'Namespace'"),
        (entry_with(undo=[{"op": "delete", "kind": "Service"}]), "has the fields ['kind']"),
        (entry_with(undo=[{"op": "none", "deployments": [1]}]), "expected a list of texts"),
        (entry_with(holder=1), "holder is 1"),
        (
            entry_with(undo=[{"op": "set-replicas", "deployment": "a", "uid": "u", "old": -1, "fault": 0}]),
            "old is '-1'",
        ),
        (
            entry_with(undo=[{"op": "set-replicas", "deployment": "a", "uid": "u", "old": True, "fault": 0}]),
            "old is 'True'",
        ),
        (entry_with(undo=[{"op": "clear-fault", "service": ""}]), "expected a text"),
        (entry_with(undo=[container_with(field="volumeMounts")]), "field is 'volumeMounts'"),
        (entry_with(undo=[container_with(variable="A")]), "expected one for env alone"),
        (entry_with(undo=[container_with(field="env")]), "expected one for env alone"),
        (entry_with(undo=[container_with(old={"name": "a"})]), "image is"),
        (entry_with(undo=[container_with(field="env", variable="A", old={"name": "B"}, fault=None)]), "cannot be"),
        (entry_with(undo=[container_with(label=None)]), "label is 'None'"),
        (
            entry_with(undo=[{"op": "set-service-ports", "service": "a", "uid": "u", "old": [], "fault": [{}]}]),
            "expected a list of mappings",
        ),
        (entry_with(undo=[{"op": "clear-annotation", "annotation": "a/b"}]), "annotation is 'a/b'"),
        (entry_with(undo=[{"op": "clear-label", "label": "app"}]), "label is 'app'"),
    ],
)
def test_an_entry_that_is_not_understood_is_refused_by_name(text: str, says: str) -> None:
    """The error names the entry and what is wrong with it, in one line."""
    with pytest.raises(EntryError) as caught:
        Entry.from_json("f", text)
    assert "ledger entry f" in str(caught.value)
    assert says in str(caught.value)
    assert "nothing of it was executed" in str(caught.value)


def test_fault_ids_are_fresh_and_fit_a_config_map_key() -> None:
    """Two ids of one kind differ, and hold only characters that a data key may have."""
    one, other = new_fault_id("scale-to-zero"), new_fault_id("scale-to-zero")
    assert one != other
    assert one.replace("-", "").isalnum()
