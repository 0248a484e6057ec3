"""A count is set only while it is what the undo would put back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gameday.kube import ApiException
from gameday.ledger import Entry, Ledger, NoUndo, SetReplicas
from gameday.ledger.calls import OvertakenError, change
from gameday.ledger.onsets import carry_out, onset

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.kube import Kube


@pytest.fixture
def web(kube: Kube) -> SetReplicas:
    """Two pods that shall be none."""
    labels = {"app": "web"}
    containers = [{"name": "c", "image": "gameday/storefront:dev"}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    made = kube.apps.create_namespaced_deployment("shop", {"metadata": {"name": "web"}, "spec": spec})
    return SetReplicas("web", made.metadata.uid, 2, 0)


def scale(kube: Kube, namespace: str, operation: SetReplicas) -> None:
    """Set the count, as the faults do it."""
    carry_out(kube, namespace, operation, onset(operation))


def count(kube: Kube) -> Any:
    """How many pods it shall have."""
    return kube.apps.read_namespaced_deployment("web", "shop").spec.replicas


def set_by_hand(kube: Kube, replicas: int) -> None:
    """As an autoscaler would."""
    kube.apps.patch_namespaced_deployment_scale("web", "shop", {"spec": {"replicas": replicas}})


def losing_the_first_answer(call: Callable[..., Any], *then: Callable[[], None]) -> Callable[..., Any]:
    """The call, of which the first answer does not come; `then` something else happens."""
    lost: list[int] = []

    def act(*args: Any, **options: Any) -> Any:
        answer = call(*args, **options)
        if not lost:
            lost.append(1)
            for one in then:
                one()
            raise ConnectionResetError
        return answer

    return act


def test_the_old_count_becomes_the_faults(kube: Kube, web: SetReplicas) -> None:
    """Nobody else was there."""
    scale(kube, "shop", web)
    assert count(kube) == 0


@pytest.mark.parametrize("theirs", [3, 0])
def test_another_count_is_left_alone(kube: Kube, web: SetReplicas, theirs: int) -> None:
    """When it is the fault's, somebody else has set it, or ours came twice on its way: it stays on record."""
    set_by_hand(kube, theirs)
    with pytest.raises(OvertakenError) as overtaken:
        scale(kube, "shop", web)
    kept = "; that may be this fault's doing, so its undo stays on record" if theirs == web.fault else ""
    assert str(overtaken.value) == (
        f"deployment shop/web spec.replicas: is {theirs}, expected 2 as read before, so it was not set to 0{kept}"
    )
    assert overtaken.value.sure == (theirs != web.fault)
    assert count(kube) == theirs


def test_what_the_server_says_is_told_when_the_count_is_not_why(
    kube: Kube, web: SetReplicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was changed and changed back, or a webhook is against it."""

    def refused(*_: Any, **__: Any) -> None:
        raise ApiException(status=422, reason="not on Sundays")

    monkeypatch.setattr(kube.apps, "patch_namespaced_deployment", refused)
    with pytest.raises(
        OvertakenError, match=r"is 2, expected 2 .* \(the API answered 422: not on Sundays\)"
    ) as overtaken:
        scale(kube, "shop", web)
    assert overtaken.value.sure


def test_a_deployment_of_another_uid_is_left_alone(kube: Kube, web: SetReplicas) -> None:
    """Its count has not been read."""
    with pytest.raises(OvertakenError, match="was deleted or replaced by somebody else, expected 2"):
        scale(kube, "shop", SetReplicas("web", "another", 2, 0))
    assert count(kube) == 2


def test_a_change_whose_answer_was_lost_was_made(kube: Kube, web: SetReplicas, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is sent again, and refused because it has been made."""
    lossy = losing_the_first_answer(kube.apps.patch_namespaced_deployment)
    monkeypatch.setattr(kube.apps, "patch_namespaced_deployment", lossy)
    scale(kube, "shop", web)
    assert count(kube) == 0


def test_a_lost_answer_and_another_count_leave_a_doubt(
    kube: Kube, web: SetReplicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was made, and an autoscaler came; or the other way round."""
    lossy = losing_the_first_answer(kube.apps.patch_namespaced_deployment, lambda: set_by_hand(kube, 3))
    monkeypatch.setattr(kube.apps, "patch_namespaced_deployment", lossy)
    with pytest.raises(OvertakenError, match="is 3, expected 2") as overtaken:
        scale(kube, "shop", web)
    assert not overtaken.value.sure


def test_what_is_refused_for_another_reason_is_raised() -> None:
    """A right that is wanting says nothing of what is there."""

    def forbidden(**_: Any) -> None:
        raise ApiException(status=403, reason="Forbidden")

    with pytest.raises(ApiException):
        change(forbidden)


def test_withdrawn_operations_leave_the_others_on_record(kube: Kube, web: SetReplicas) -> None:
    """With the last of them the entry goes; one that is gone already is fine."""
    ledger, cart = Ledger(kube, "shop"), SetReplicas("cart", "u", 1, 0)
    ledger.write(Entry("f-1", "scale", (cart, web)))
    ledger.write(Entry("f-2", "scale", (NoUndo(),)))
    ledger.withdraw("f-1", [web])
    assert {entry.id: entry.undo for entry in ledger.entries()} == {"f-1": (cart,), "f-2": (NoUndo(),)}
    ledger.withdraw("f-1", [cart, web])
    ledger.withdraw("f-1", [cart])
    assert [entry.id for entry in ledger.entries()] == ["f-2"]
