"""Cordons on a real node, undone from the ledger; run beside the cluster, with the name of a namespace of its own.

The node takes pods again at the end, whatever happened. What is asserted here fails the test that runs this.
"""

from __future__ import annotations

import sys

from gameday.activities import guard, pods
from gameday.kube import connect_from_environment
from gameday.ledger import Entry, Ledger, NoUndo, Uncordon, revert, still_in_force
from gameday.ledger.nodes import cordon

NAMESPACE = sys.argv[1]
kube = connect_from_environment()
node = kube.core.list_node().items[0]
name, uid = node.metadata.name, node.metadata.uid


def set_by_a_drain(of: str) -> None:
    """What a drain leaves on record and on the node, though nothing is evicted here."""
    undo = (Uncordon(name, of), NoUndo(()))
    Ledger(kube, NAMESPACE).write(Entry("drain-node-1", "drain-node", undo, state="in-force"))
    cordon(kube, name, uid)


def outcome() -> tuple[list[bool], list[bool], bool]:
    """Whether the fault is in force, whether it is undone then, and whether the node takes pods after it."""
    force = [ok for _, ok, _ in still_in_force(kube, NAMESPACE)]
    undone = [one.ok for one in revert(kube, NAMESPACE)]
    return force, undone, not kube.core.read_node(name).spec.unschedulable


try:
    set_by_a_drain(uid)
    assert outcome() == ([True], [True], True)
    assert revert(kube, NAMESPACE) == []
    set_by_a_drain(uid)
    kube.core.patch_node(name, {"spec": {"unschedulable": None}})
    assert outcome() == ([False], [True], True), "somebody else was first"
    set_by_a_drain("another")
    assert outcome() == ([False], [True], False), "the cordon of another node of that name is not the fault's"
finally:
    kube.core.patch_node(name, {"spec": {"unschedulable": None}})
try:
    pods.drain_node(NAMESPACE)
except guard.NotAllowedError as refused:
    sys.stdout.write(str(refused))
