"""Whatever a fault sets, somebody else may have set it since it was read: theirs stays, and nothing is on record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from chaoslib.exceptions import ActivityFailed

from gameday.activities import guard, manifests
from gameday.activities.caps import Caps
from gameday.activities.fault import Fault
from gameday.kube import ApiException
from gameday.ledger import (
    ClearLabel,
    DeleteFaultSets,
    Ledger,
    SetConfig,
    SetContainer,
    SetSelector,
    SetServicePorts,
    containers,
    objects,
    pending,
    revert,
)
from gameday.ledger.onsets import onset
from tests.unit.ledger.test_onsets import losing_the_first_answer
from tests.unit.live import add_deployment

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.kube import Kube
    from gameday.ledger import Operation
    from gameday.ledger.objects import Field

KINDS = ["selector", "ports", "config", "image"]


@dataclass
class Case:
    """A change that a fault is about to make, all that its undo would do, and what somebody else does before it."""

    operation: Field
    body: Any
    undo: list[Operation]
    by_hand: Callable[[], Any]


@pytest.fixture
def case(kube: Kube, request: pytest.FixtureRequest) -> Case:
    """Of the kind that is asked for, on an object of its own."""
    made: Case = {"selector": selector, "ports": ports, "config": config, "image": image}[request.param](kube)
    return made


def service(kube: Kube) -> Any:
    """One that leads to the pods of `web`."""
    spec = {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    return kube.core.create_namespaced_service("shop", {"metadata": {"name": "web"}, "spec": spec})


def selector(kube: Kube) -> Case:
    """A Service's selector."""
    operation = SetSelector("web", service(kube).metadata.uid, {"app": "web"}, {"app": "nobody"})
    theirs = {"spec": {"selector": {"app": "web", "track": "canary"}}}
    return Case(
        operation, onset(operation), [operation], lambda: kube.core.patch_namespaced_service("web", "shop", theirs)
    )


def ports(kube: Kube) -> Case:
    """A Service's ports."""
    uid = service(kube).metadata.uid
    found = objects.raw(kube.core.read_namespaced_service, "web", "shop")
    assert found is not None
    old = found.body["spec"]["ports"]
    operation = SetServicePorts("web", uid, old, [{**old[0], "targetPort": 9}])
    theirs = {"spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}
    return Case(
        operation, onset(operation), [operation], lambda: kube.core.patch_namespaced_service("web", "shop", theirs)
    )


def config(kube: Kube) -> Case:
    """A key of a ConfigMap."""
    body = {"metadata": {"name": "mailer"}, "data": {"limits": "20", "other": "x"}}
    made: Any = kube.core.create_namespaced_config_map("shop", body)
    operation = SetConfig("mailer", made.metadata.uid, {"limits": "20"}, {"limits": "none"})
    version = {"uid": made.metadata.uid, "resourceVersion": made.metadata.resource_version}
    theirs = {"data": {"limits": "30"}}
    return Case(
        operation,
        {"metadata": version, "data": operation.fault},
        [operation, ClearLabel(ClearLabel.prefix + "f-1")],
        lambda: kube.core.patch_namespaced_config_map("mailer", "shop", theirs),
    )


def image(kube: Kube) -> Case:
    """A container's image."""
    add_deployment(kube, "web", 2)
    found = objects.raw(kube.apps.read_namespaced_deployment, "web", "shop")
    assert found is not None
    old = "gameday/storefront:dev"
    operation = SetContainer("web", found.metadata.uid, "c", "image", None, 0, "f-1", old, "nowhere/none:0")
    return Case(
        operation,
        containers.onset(found.body, operation),
        [operation, DeleteFaultSets("web", "f-1")],
        lambda: set_image(kube, "theirs:2"),
    )


def set_image(kube: Kube, name: str) -> None:
    """As a rollout would."""
    template = {"spec": {"containers": [{"name": "c", "image": name}]}}
    kube.apps.patch_namespaced_deployment("web", "shop", {"spec": {"template": template}})


def planned(kube: Kube, undo: list[Operation]) -> Fault:
    """A fault whose undo is on record."""
    fault = Fault(kube, "shop", "a-test", fault_id="f-1")
    fault.plan({"kind": "Thing", "name": "web", "uid": "u"}, undo, matched=1, ttl_s=60)
    return fault


def value(kube: Kube, operation: Field) -> Any:
    """What is there now."""
    return objects.value(objects.read(kube, "shop", operation), operation)


@pytest.mark.parametrize("case", ["selector", "ports", "config"], indirect=True)
def test_what_nobody_else_has_set_is_set_and_undone(kube: Kube, case: Case) -> None:
    """The value of the fault comes, and goes; an image goes with its pods, for which a controller is needed."""
    fault = planned(kube, case.undo)
    fault.carry_out((case.operation, case.body))
    assert value(kube, case.operation) == case.operation.fault
    assert [one.ok for one in revert(kube, "shop")] == [True]
    assert value(kube, case.operation) == case.operation.old


@pytest.mark.parametrize("case", KINDS, indirect=True)
def test_what_somebody_else_has_set_is_left_alone(kube: Kube, case: Case) -> None:
    """The fault failed, says what it found, and no undo trips over what is not its own."""
    fault = planned(kube, case.undo)
    case.by_hand()
    theirs = value(kube, case.operation)
    with pytest.raises(ActivityFailed, match=r"as read before, so it was not set to .*; run again, or pause"):
        fault.carry_out((case.operation, case.body))
    assert theirs not in (case.operation.old, case.operation.fault)
    assert Ledger(kube, "shop").entries() == []
    assert pending.reinstate(kube, "shop") == []
    assert revert(kube, "shop") == []
    assert value(kube, case.operation) == theirs


@pytest.mark.parametrize("case", KINDS, indirect=True)
def test_a_change_whose_answer_was_lost_was_made(kube: Kube, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent again it is refused, for it is there: the fault goes on, and all of it stays on record."""
    fault = planned(kube, case.undo)
    call, _ = objects.patching(kube, case.operation)
    api = kube.apps if isinstance(case.operation, SetContainer) else kube.core
    monkeypatch.setattr(api, call.__name__, losing_the_first_answer(call))
    fault.carry_out((case.operation, case.body))
    assert value(kube, case.operation) == case.operation.fault
    (entry,) = Ledger(kube, "shop").entries()
    assert list(entry.undo) == case.undo


def test_a_request_that_lands_after_the_undo_is_refused(kube: Kube) -> None:
    """It hung on its way; the old selector is back, but the Service is another version."""
    case = selector(kube)
    assert isinstance(case.operation, SetSelector)
    version: Any = kube.core.read_namespaced_service("web", "shop").metadata.resource_version
    body = onset(case.operation, version)
    fault = planned(kube, case.undo)
    fault.carry_out((case.operation, body))
    assert [one.ok for one in revert(kube, "shop")] == [True]
    with pytest.raises(ApiException) as refused:
        kube.core.patch_namespaced_service("web", "shop", body)
    assert refused.value.status == 422
    assert value(kube, case.operation) == case.operation.old


def test_what_was_done_before_stays_on_record(kube: Kube) -> None:
    """Labels that were put before the first change are taken off again, though no change was made."""
    case, label = selector(kube), ClearLabel(ClearLabel.prefix + "f-1")
    fault = planned(kube, [case.operation, label])
    case.by_hand()
    with pytest.raises(ActivityFailed):
        fault.carry_out((case.operation, case.body), done=[label])
    (entry,) = Ledger(kube, "shop").entries()
    assert entry.undo == (label,)


def test_in_doubt_all_of_it_stays_on_record(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    """It came through, its answer was lost, and then somebody set another image: there may be pods of ours."""
    case = image(kube)
    fault = planned(kube, case.undo)
    lossy = losing_the_first_answer(kube.apps.patch_namespaced_deployment, lambda: relabel(kube))
    monkeypatch.setattr(kube.apps, "patch_namespaced_deployment", lossy)
    with pytest.raises(ActivityFailed, match=r'is "theirs:2", expected'):
        fault.carry_out((case.operation, case.body))
    (entry,) = Ledger(kube, "shop").entries()
    assert list(entry.undo) == case.undo


def relabel(kube: Kube) -> None:
    """Somebody applies a whole template of their own."""
    labels = {"metadata": {"labels": {"gameday.dev/fault": None}}}
    container = {"containers": [{"name": "c", "image": "theirs:2"}]}
    kube.apps.patch_namespaced_deployment("web", "shop", {"spec": {"template": {**labels, "spec": container}}})


def test_an_image_that_was_rolled_out_meanwhile_is_left_alone(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same by the activity itself, once its undo is on record."""
    monkeypatch.setattr(guard, "_caps", Caps(max_share=1))
    add_deployment(kube, "web", 2)
    plan = Fault.plan

    def and_then(*args: Any, **options: Any) -> None:
        plan(*args, **options)
        set_image(kube, "theirs:2")

    monkeypatch.setattr(Fault, "plan", and_then)
    with pytest.raises(ActivityFailed, match=r'wrong-image deployment shop/web container c image: is "theirs:2"'):
        manifests.wrong_image("shop", "web", "nowhere/none:0")
    assert Ledger(kube, "shop").entries() == []
