"""Between the reading of the counts and their change somebody else may set them, and nothing of theirs is undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from chaoslib.exceptions import ActivityFailed

from gameday import evidence
from gameday.activities import fault as faults
from gameday.activities import guard, pods
from gameday.activities.caps import Caps
from gameday.activities.fault import Fault
from gameday.ledger import Ledger, pending, revert
from gameday.ledger.calls import OvertakenError
from tests.unit.live import add_deployment

if TYPE_CHECKING:
    from gameday.kube import Kube
    from gameday.ledger import SetReplicas


def count(kube: Kube, name: str) -> Any:
    """How many pods it shall have."""
    return kube.apps.read_namespaced_deployment(name, "shop").spec.replicas


@pytest.fixture
def overtaken(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deployments `cart` (1 pod), `members` (2) and `web` (2); once the undo is on record somebody sets 5 `members`."""
    monkeypatch.setattr(guard, "_caps", Caps(max_share=1))
    for name, replicas in (("cart", 1), ("members", 2), ("web", 2)):
        add_deployment(kube, name, replicas)
    plan = Fault.plan

    def and_then(*args: Any, **options: Any) -> None:
        plan(*args, **options)
        kube.apps.patch_namespaced_deployment_scale("members", "shop", {"spec": {"replicas": 5}})

    monkeypatch.setattr(Fault, "plan", and_then)


@pytest.mark.usefixtures("overtaken")
def test_a_count_that_was_changed_meanwhile_is_left_alone(kube: Kube) -> None:
    """The fault failed, says why and what helps, and nothing is on record that an undo could trip over."""
    with pytest.raises(ActivityFailed) as failed:
        pods.scale_to_zero("shop", "app=members")
    assert str(failed.value) == (
        "scale-to-zero deployment shop/members spec.replicas: is 5, expected 2 as read before, so it was not set to 0; "
        "run again, or pause what else sets it (an autoscaler, a GitOps controller)"
    )
    assert Ledger(kube, "shop").entries() == []
    assert revert(kube, "shop") == []
    assert pending.reinstate(kube, "shop") == []
    assert count(kube, "members") == 5
    last = evidence.events()[-1]
    assert (last["event"], last["kind"]) == ("fault-failed", "scale-to-zero")
    assert last["fault"] == evidence.events()[-2]["fault"]


@pytest.mark.usefixtures("overtaken")
def test_those_that_were_scaled_before_it_are_undone(kube: Kube) -> None:
    """And neither the one that was refused, nor the one whose turn never came, whoever changes that later."""
    with pytest.raises(ActivityFailed, match="is 5, expected 2"):
        pods.scale("shop", "tier=backend", 4)
    assert (count(kube, "cart"), count(kube, "members"), count(kube, "web")) == (4, 5, 2)
    kube.apps.patch_namespaced_deployment_scale("web", "shop", {"spec": {"replicas": 7}})
    (outcome,) = revert(kube, "shop")
    assert (outcome.ok, outcome.detail) == (True, "deployment shop/cart spec.replicas is as before")
    assert pending.reinstate(kube, "shop") == []
    kube.apps.patch_namespaced_deployment_scale(
        "cart", "shop", {"spec": {"replicas": 4}}
    )  # the request once more, late
    assert pending.reinstate(kube, "shop") == [outcome.fault]
    assert [one.ok for one in revert(kube, "shop")] == [True]
    assert (count(kube, "cart"), count(kube, "members"), count(kube, "web")) == (1, 5, 7)


@pytest.mark.usefixtures("overtaken")
def test_an_entry_that_cannot_be_taken_back_is_told(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason of the failure stays the first thing that is said."""
    from gameday.ledger import LedgerError

    def broken(*_: Any) -> None:
        raise LedgerError("out of order")

    monkeypatch.setattr(Ledger, "withdraw", broken)
    with pytest.raises(ActivityFailed, match="is 5, expected 2"):
        pods.scale_to_zero("shop", "app=members")
    assert any("stays on record: out of order" in str(one.get("text")) for one in evidence.events())
    assert len(Ledger(kube, "shop").entries()) == 1


@pytest.mark.usefixtures("overtaken")
def test_one_that_may_have_been_scaled_stays_on_record(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer was lost, and then somebody else set it: the undo has to look; the one after it was never asked for."""

    def in_doubt(_kube: Kube, _namespace: str, operation: SetReplicas, _body: Any) -> None:
        if operation.deployment == "members":
            raise OvertakenError("in doubt", sure=False)

    monkeypatch.setattr(faults, "carry_out", in_doubt)
    with pytest.raises(ActivityFailed, match="in doubt"):
        pods.scale("shop", "tier=backend", 4)
    (entry,) = Ledger(kube, "shop").entries()
    assert [getattr(one, "deployment", None) for one in entry.undo] == ["cart", "members"]
