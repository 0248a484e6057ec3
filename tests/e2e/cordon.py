"""Cordons on a real node, undone from the ledger; run beside the cluster, with the name of a namespace of its own.

The node takes pods again at the end, whatever happened. What is asserted here fails the test that runs this.
"""

from __future__ import annotations

import sys

import pytest

from gameday.activities import guard, pods
from gameday.activities.draining import takes_pods
from gameday.kube import connect_from_environment
from gameday.ledger import Entry, Ledger, NoUndo, Uncordon, free_nodes, revert, still_in_force
from gameday.ledger.calls import OvertakenError, wait_until
from gameday.ledger.nodes import Mark, cordon, mark_on

NAMESPACE = sys.argv[1]
kube = connect_from_environment()
node = kube.core.list_node().items[0]
name, uid = node.metadata.name, node.metadata.uid


def on_record(of: str = uid) -> None:
    """The entry of a drain of the node with that uid."""
    undo = (Uncordon(name, of), NoUndo(()))
    Ledger(kube, NAMESPACE).write(Entry("drain-node-1", "drain-node", undo, state="in-force"))


def set_by_a_drain() -> None:
    """What a drain leaves on record and on the node, though nothing is evicted here."""
    on_record()
    cordon(kube, Uncordon(name, uid), Mark(NAMESPACE, "drain-node-1"))
    assert str(mark_on(kube.core.read_node(name))) == f"{NAMESPACE}/drain-node-1"


def cordoned_by_hand(of: str | None) -> None:
    """By somebody who writes no mark, or that one."""
    meta = {"annotations": {"gameday.dev/cordoned": of}}
    kube.core.patch_node(name, {"metadata": meta, "spec": {"unschedulable": True}})


def outcome() -> tuple[list[bool], list[bool], bool]:
    """Whether the fault is in force, whether it is undone then, and whether the node takes pods after it."""
    force = [ok for _, ok, _ in still_in_force(kube, NAMESPACE)]
    undone = [one.ok for one in revert(kube, NAMESPACE)]
    return force, undone, not kube.core.read_node(name).spec.unschedulable


try:
    set_by_a_drain()
    assert outcome() == ([True], [True], True)
    assert mark_on(kube.core.read_node(name)) is None
    assert revert(kube, NAMESPACE) == []
    set_by_a_drain()
    kube.core.patch_node(name, {"spec": {"unschedulable": None}})
    assert outcome() == ([False], [True], True), "somebody else was first"
    assert mark_on(kube.core.read_node(name)) is None
    set_by_a_drain()
    Ledger(kube, NAMESPACE).remove("drain-node-1")
    assert outcome() == ([], [], False), "the record is gone, so no run's undo knows of it"
    assert [(where, one.ok) for where, one in free_nodes(kube, NAMESPACE)] == [(NAMESPACE, True)]
    assert outcome() == ([], [], True), "the node itself has said whose cordon it was"
    assert mark_on(kube.core.read_node(name)) is None
    on_record()
    cordoned_by_hand(None)
    assert outcome() == ([True], [True], True), "it was ours: somebody took the mark alone"
    on_record()
    cordoned_by_hand("other/drain-node-2")
    assert outcome() == ([False], [True], False), "the cordon is another fault's"
    on_record("another")
    cordoned_by_hand(None)
    assert outcome() == ([False], [True], False), "the cordon of another node of that name is not the fault's"
    with pytest.raises(OvertakenError, match="is cordoned by somebody else"):
        cordon(kube, Uncordon(name, uid), Mark(NAMESPACE, "drain-node-1"))
finally:
    off = {"metadata": {"annotations": {"gameday.dev/cordoned": None}}, "spec": {"unschedulable": None}}
    kube.core.patch_node(name, off)
assert wait_until(lambda: takes_pods(kube.core.read_node(name)), 30), "its taint goes a moment after the cordon"
try:
    pods.drain_node(NAMESPACE)
except guard.NotAllowedError as refused:
    sys.stdout.write(str(refused))
