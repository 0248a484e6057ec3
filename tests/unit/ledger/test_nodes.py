"""A cordon says whose it is, is set only on a node that takes pods, and only that fault's own is taken off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gameday.ledger import Entry, Ledger, NoUndo, Uncordon, revert, still_in_force
from gameday.ledger.calls import OvertakenError
from gameday.ledger.nodes import Mark, cordon, uncordon

if TYPE_CHECKING:
    from gameday.kube import Kube
    from tests.unit.live import Nodes

DRAIN = "drain-node-1"
MARK = Mark("shop", DRAIN)
OURS = (True, f"shop/{DRAIN}")
FREE = (False, None)


@pytest.fixture
def node(nodes: Nodes) -> Uncordon:
    """A node that takes pods."""
    return Uncordon("worker-1", nodes.add("worker-1"))


def on_record(kube: Kube, node: Uncordon) -> None:
    """The entry of a drain in force."""
    Ledger(kube, "shop").write(Entry(DRAIN, "drain-node", (node, NoUndo(())), state="in-force"))


def test_a_cordon_and_its_mark_come_and_go_together(kube: Kube, nodes: Nodes, node: Uncordon) -> None:
    """In one patch each, so that no moment is left in which one is without the other."""
    on_record(kube, node)
    cordon(kube, node, MARK)
    assert nodes.state("worker-1") == OURS
    assert [ok for _, ok, _ in still_in_force(kube, "shop")] == [True]
    (outcome,) = revert(kube, "shop")
    assert (outcome.ok, outcome.detail) == (True, "node worker-1 takes pods again; nothing to put back")
    assert nodes.state("worker-1") == FREE
    assert nodes.sent == 2


@pytest.mark.parametrize(
    ("mark", "stays", "says"),
    [
        (None, False, "takes pods again"),  # it was ours: somebody took the mark alone
        ("other/drain-node-2", True, "is cordoned by other/drain-node-2: left alone"),
        ("shop/drain-node-2", True, "is cordoned by shop/drain-node-2: left alone"),
    ],
)
def test_a_cordon_of_another_fault_is_left_alone(
    kube: Kube, nodes: Nodes, node: Uncordon, mark: str | None, *, stays: bool, says: str
) -> None:
    """One without a mark is taken off where it was ours: rather a cordon too few than a fault left behind."""
    Ledger(kube, "shop").write(Entry("drain-node-2", "drain-node", (NoUndo(()),), state="in-force"))
    on_record(kube, node)
    nodes.set("worker-1", cordoned=True, mark=mark)
    assert {fault: ok for fault, ok, _ in still_in_force(kube, "shop")}[DRAIN] is not stays
    outcome = next(one for one in revert(kube, "shop", only=lambda entry: entry.id == DRAIN))
    assert outcome.ok
    assert says in outcome.detail
    assert nodes.state("worker-1") == ((True, mark) if stays else FREE)


def test_a_cordon_without_a_mark_is_not_that_of_a_fault_that_was_only_planned(
    kube: Kube, nodes: Nodes, node: Uncordon
) -> None:
    """Its run was killed before it cordoned anything; then somebody did so by hand."""
    Ledger(kube, "shop").write(Entry(DRAIN, "drain-node", (node, NoUndo(()))))
    nodes.set("worker-1", cordoned=True, mark=None)
    (outcome,) = revert(kube, "shop")
    assert outcome.ok
    assert "is cordoned by somebody else: left alone" in outcome.detail
    assert nodes.state("worker-1") == (True, None)


def test_a_mark_that_a_hand_left_behind_goes(kube: Kube, nodes: Nodes, node: Uncordon) -> None:
    """`kubectl uncordon` leaves it; the next one to cordon the node would seem to be us."""
    cordon(kube, node, MARK)
    nodes.set("worker-1", cordoned=False, mark=str(MARK))
    assert uncordon(kube, node, MARK, unmarked=False) == "node worker-1 takes pods again"
    assert nodes.state("worker-1") == FREE
    assert uncordon(kube, node, MARK, unmarked=False) == "node worker-1 takes pods"


def test_a_node_of_another_uid_is_not_touched(kube: Kube, nodes: Nodes, node: Uncordon) -> None:
    """It has the name alone in common with the one that was drained."""
    nodes.set("worker-1", cordoned=True, mark=str(MARK))
    other = Uncordon("worker-1", "another")
    assert uncordon(kube, other, MARK, unmarked=False) == "node worker-1 is gone, or was replaced"
    with pytest.raises(OvertakenError, match="was deleted or replaced, expected it"):
        cordon(kube, other, MARK)
    assert nodes.state("worker-1") == OURS


@pytest.mark.parametrize("early", [True, False])
def test_a_node_that_somebody_else_cordons_meanwhile_stays_theirs(
    kube: Kube, nodes: Nodes, node: Uncordon, *, early: bool
) -> None:
    """Before it is looked at, or between the look and the patch; nothing of ours is on it, for sure."""

    def by_hand() -> None:
        nodes.set("worker-1", cordoned=True, mark=None)

    if early:
        by_hand()
    else:
        nodes.before_patch.append(by_hand)
    with pytest.raises(OvertakenError, match="node worker-1: is cordoned by somebody else, expected it") as overtaken:
        cordon(kube, node, MARK)
    assert overtaken.value.sure
    assert nodes.state("worker-1") == (True, None)


def test_a_node_that_changes_otherwise_is_cordoned_all_the_same(kube: Kube, nodes: Nodes, node: Uncordon) -> None:
    """Its kubelet says every few seconds how it is."""
    nodes.before_patch.append(lambda: nodes.set("worker-1", cordoned=False, mark="none of ours"))
    cordon(kube, node, MARK)
    assert nodes.state("worker-1") == OURS
    assert nodes.sent == 2
    nodes.before_patch.append(lambda: nodes.set("worker-1", cordoned=True, mark=str(MARK)))
    assert uncordon(kube, node, MARK, unmarked=False) == "node worker-1 takes pods again"


def lose_the_answer() -> None:
    """The connection breaks after the server has done it."""
    raise ConnectionResetError


def test_a_cordon_whose_answer_was_lost_is_known_by_its_mark(kube: Kube, nodes: Nodes, node: Uncordon) -> None:
    """It is sent again and refused, for the node is not as it was; it is ours nevertheless."""
    nodes.after_patch.append(lose_the_answer)
    cordon(kube, node, MARK)
    assert nodes.state("worker-1") == OURS
    assert nodes.sent == 2


def test_a_lost_answer_and_somebody_elses_cordon_leave_a_doubt(kube: Kube, nodes: Nodes, node: Uncordon) -> None:
    """Then the entry must stay."""
    nodes.after_patch.append(lose_the_answer)
    nodes.before_patch += [lambda: None, lambda: nodes.set("worker-1", cordoned=True, mark=None)]
    with pytest.raises(OvertakenError) as overtaken:
        cordon(kube, node, MARK)
    assert not overtaken.value.sure


def test_a_node_that_never_stands_still_is_left(kube: Kube, nodes: Nodes, node: Uncordon) -> None:
    """After some tries; nothing of ours is on it."""

    def stir() -> None:
        nodes.set("worker-1", cordoned=False, mark=f"none of ours {nodes.sent}")

    nodes.before_patch += [stir] * 6
    with pytest.raises(
        OvertakenError, match=r"others kept changing it in 6 tries \(the API answered 409: "
    ) as overtaken:
        cordon(kube, node, MARK)
    assert overtaken.value.sure
    assert nodes.state("worker-1")[0] is False
