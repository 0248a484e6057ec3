"""Whose a namespace is, and which faults a run may undo there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.client import CoordinationV1Api

from gameday.kube import ApiException, Kube
from gameday.ledger import Entry, NoUndo
from gameday.ledger.lease import GUARDIANS, LEASE_NAME, may_undo, taken_by

if TYPE_CHECKING:
    from collections.abc import Callable

OURS, THEIRS = "here/1/aaaa", "there/2/bbbb"
HELD_BY = {
    holder: Entry(f"of-{holder or 'nobody'}", "scale", (NoUndo(),), holder=holder) for holder in (OURS, THEIRS, "")
}


@pytest.fixture
def held(kube: Kube) -> Callable[[str], None]:
    """Gives the namespace `shop` to a holder."""

    def give(holder: str) -> None:
        body: Any = {"metadata": {"name": LEASE_NAME}, "spec": {"holderIdentity": holder}}
        CoordinationV1Api(kube.client).create_namespaced_lease("shop", body)

    return give


@pytest.mark.parametrize(
    ("holder", "other"),
    [
        (OURS, ""),
        ("", ""),
        (THEIRS, THEIRS),
        (f"{GUARDIANS}gameday-guardian-7f9c", ""),  # of a run that seemed to be dead, for as long as the undo takes
        ("guardian/17/cccc", "guardian/17/cccc"),  # a run on a machine of that name
    ],
)
def test_another_run_has_it(kube: Kube, held: Callable[[str], None], holder: str, other: str) -> None:
    """But no guardian, and not one who asks without having had it."""
    held(holder)
    assert taken_by(kube, "shop", OURS) == other
    assert taken_by(kube, "shop", "") == ""


def test_a_namespace_that_nobody_ever_had_is_nobodys(kube: Kube) -> None:
    """There is no Lease yet."""
    assert taken_by(kube, "shop", OURS) == ""


def test_it_cannot_be_told_of_a_lease_that_cannot_be_read(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its right was taken from the run meanwhile."""

    def refused(*_: Any, **__: Any) -> None:
        raise ApiException(status=403, reason="Forbidden")

    monkeypatch.setattr(CoordinationV1Api, "read_namespaced_lease", refused)
    assert taken_by(kube, "shop", OURS) is None


@pytest.mark.parametrize(("other", "undone"), [("", {OURS, THEIRS, ""}), (THEIRS, {OURS, ""}), (None, {OURS, ""})])
def test_what_a_run_may_undo(other: str | None, undone: set[str]) -> None:
    """All that a dead run left; nothing of one that has the namespace by now; in doubt its own."""
    may = may_undo(OURS, other)
    assert {holder for holder, entry in HELD_BY.items() if may(entry)} == undone
