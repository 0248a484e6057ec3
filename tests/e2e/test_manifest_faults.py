"""Faults of manifests on a live cluster: in force, undone to the last ReplicaSet, and never over another's change."""

from __future__ import annotations

import json
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest
from chaoslib.exceptions import ActivityFailed

from gameday.activities import manifests, services, undo
from gameday.activities.fates import pods_of
from gameday.activities.guard import NotAllowedError
from gameday.activities.targets import is_ready
from gameday.ledger import Ledger, differences, revert, snapshot, still_in_force
from gameday.ledger.calls import wait_until
from gameday.ledger.faultsets import fault_sets
from tests.e2e.test_faults import address, answers, kube, recorded, restored, run_killed, shop

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.kube import Kube

__all__ = ["kube", "restored", "shop"]  # fixtures

NOTHING = 9
"""A port where nobody listens."""

CRASHES = {"Running", "Error", "CrashLoopBackOff"}
FAULTS: dict[str, tuple[Callable[[str], dict[str, Any]], set[str]]] = {
    "wrong-image": (
        lambda ns: manifests.wrong_image(ns, "web", "gameday/nothing:v1"),
        {"ErrImagePull", "ImagePullBackOff"},
    ),
    "wrong-command": (
        lambda ns: manifests.wrong_command(ns, "web", command=["/nothing/there"]),
        {"StartError", "RunContainerError", "CrashLoopBackOff"},
    ),
    "wrong-args": (lambda ns: manifests.wrong_command(ns, "web", args=["more"]), CRASHES),
    "wrong-env": (lambda ns: manifests.wrong_env(ns, "web", "CONFIG_DIR", value="/nothing"), CRASHES),
    "new-env": (lambda ns: manifests.wrong_env(ns, "web", "PYTHONHOME", value="/nothing"), CRASHES),
    "lost-env": (lambda ns: manifests.wrong_env(ns, "web", "POD_IP", removed=True), CRASHES),
    "wrong-probe": (
        lambda ns: manifests.wrong_probe(ns, "web", change={"httpGet": {"port": NOTHING}}),
        {"Running"},
    ),
    "lost-probe": (lambda ns: manifests.wrong_probe(ns, "web", removed=True), {"Running"}),
    "new-probe": (
        lambda ns: manifests.wrong_probe(ns, "web", "startup", {"tcpSocket": {"port": NOTHING}}),
        {"Running"},
    ),
    "wrong-container-port": (lambda ns: manifests.wrong_container_port(ns, "web", "http", NOTHING), CRASHES),
    "wrong-resources": (
        lambda ns: manifests.wrong_resources(ns, "web", {"requests": {"memory": "1Pi"}}),
        {"Unschedulable"},
    ),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_wrong_template_is_proven_served_past_and_undone(kube: Kube, shop: str, kind: str) -> None:
    """A pod meets it, and is told of; then the manifest is as before, the old pods run, and nothing keeps the fault."""
    before, host = snapshot(kube, shop), address(kube, shop, "web")
    act, states = FAULTS[kind]
    done = act(shop)
    for met in done["proof"]["pods"]:
        assert met["state"] in states
        assert met["uid"] in [p.metadata.uid for p in pods_of(kube, shop, done["fault"])]
    assert still_in_force(kube, shop) == [(done["fault"], True, "as the fault left it")]
    (entry,) = Ledger(kube, shop).entries()
    assert not manifests.is_effective_undone(kube, shop, entry)
    assert len(differences(before, snapshot(kube, shop))) > 1  # the template, and the ReplicaSet that keeps it
    if kind == "lost-probe":  # nobody waits for such a pod: traffic reaches it before it listens, which is the fault
        assert wait_until(lambda: answers(host), 10)
    else:
        assert answers(host)
    assert [(o["ok"], o["effective"]) for o in undo.revert_faults(shop)] == [(True, True)]
    assert recorded("fault-touched")[-1]["count"] >= 1
    assert differences(before, snapshot(kube, shop)) == []
    assert fault_sets(kube, shop, done["fault"]) == []
    assert pods_of(kube, shop, done["fault"]) == []
    assert undo.revert_faults(shop) == []


@pytest.mark.parametrize(
    "act",
    [
        lambda ns: services.wrong_selector(ns, "cart", {"app": "cart", "version": "typo"}),
        lambda ns: services.wrong_selector(ns, "cart", {"app": "web"}),
        lambda ns: services.wrong_port(ns, "cart", NOTHING),
        lambda ns: services.wrong_port(ns, "cart", "no-such-name"),
    ],
    ids=["no-pod", "wrong-pods", "wrong-number", "wrong-name"],
)
def test_a_wrong_service_loses_its_endpoints_and_gets_them_back(
    kube: Kube, shop: str, act: Callable[[str], dict[str, Any]]
) -> None:
    """The endpoints that were lost are the evidence; then they are there again, and lead to answers."""
    before, host = snapshot(kube, shop), address(kube, shop, "cart")
    done = act(shop)
    assert len(done["proof"]["lost"]) == 1
    assert recorded("fault-touched")[-1]["count"] == 1 + len(done["proof"]["gained"])
    assert all(ok for _, ok, _ in still_in_force(kube, shop))
    (entry,) = Ledger(kube, shop).entries()
    assert not services.is_effective_undone(kube, shop, entry)
    if not done["proof"]["gained"]:
        assert not answers(host)
    assert [(o["ok"], o["effective"]) for o in undo.revert_faults(shop)] == [(True, True)]
    assert differences(before, snapshot(kube, shop)) == []
    assert wait_until(lambda: answers(host), 20)


def test_what_would_show_nothing_is_no_fault(kube: Kube, shop: str) -> None:
    """Limits have no effect here, and nothing says otherwise: the fault fails, and is undone like any other."""
    with pytest.raises(ActivityFailed, match=r"0 of \d pods of the changed template show the change"):
        manifests.wrong_resources(shop, "web", {"limits": {"memory": "8Mi"}}, timeout_s=5)
    assert not recorded("fault-in-force")
    assert [ok for _, ok, _ in still_in_force(kube, shop)] == [False]


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda ns: manifests.wrong_image(ns, "nobody", "a"), "does not exist"),
        (lambda ns: manifests.wrong_image(ns, "web", "gameday/storefront:dev"), "would change nothing"),
        (lambda ns: manifests.wrong_image(ns, "web", "a", container="sidecar"), "expected one of web"),
        (lambda ns: manifests.wrong_env(ns, "web", "DB_PASSWORD", value="x"), "looks like a secret"),
        (lambda ns: manifests.wrong_env(ns, "web", "A"), "give one of value"),
        (lambda ns: manifests.wrong_probe(ns, "web", "alive", {}), "expected one of readiness"),
        (lambda ns: manifests.wrong_container_port(ns, "web", "grpc", 1), "called 'grpc'"),
        (lambda ns: manifests.wrong_probe(ns, "web", change={"httpGet": {"port": 0}}), "422"),
        (lambda ns: services.wrong_selector(ns, "web", {"tier": "backend", "app": "web"}), "would change nothing"),
        (lambda ns: services.wrong_port(ns, "web", "http"), "already"),
        (lambda ns: services.wrong_port(ns, "web", NOTHING, port="grpc"), "expected one of http"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_touched(
    kube: Kube, shop: str, act: Callable[[str], object], says: str
) -> None:
    """The words say what is wrong; the ledger stays empty."""
    with pytest.raises(ActivityFailed, match=says):
        act(shop)
    assert Ledger(kube, shop).entries() == []


def test_one_template_has_one_fault_at_a_time(kube: Kube, shop: str) -> None:
    """Two would have to be undone in one order alone."""
    manifests.wrong_image(shop, "cart", "gameday/nothing:v1")
    with pytest.raises(NotAllowedError, match="undo that one first"):
        manifests.wrong_env(shop, "cart", "A", value="1")


def test_a_healthy_fault_leaves_without_an_outage(kube: Kube, shop: str) -> None:
    """When every pod has been replaced by the fault's, the undo waits for the old ones before it deletes its set."""
    host, done = address(kube, shop, "web"), manifests.wrong_env(shop, "web", "COLOUR", value="red")
    assert wait_until(lambda: sum(is_ready(pod) for pod in pods_of(kube, shop, done["fault"])) == 2, 30)
    assert answers(host)
    assert [o.ok for o in revert(kube, shop)] == [True]
    assert answers(host)
    assert fault_sets(kube, shop, done["fault"]) == []


def test_another_ones_change_of_the_field_is_left_and_said(kube: Kube, shop: str) -> None:
    """A third image is a conflict, with a command that mends it; what they put back by hand is seen as reverted."""
    done = manifests.wrong_image(shop, "cart", "gameday/nothing:v1")
    _patch(kube, shop, {"image": "gameday/nothing:v2"})
    assert [(f, ok) for f, ok, _ in still_in_force(kube, shop)] == [(done["fault"], False)]
    (outcome,) = revert(kube, shop)
    assert (outcome.ok, outcome.conflict) == (False, True)
    assert '"image": "gameday/storefront:dev"' in outcome.mend_command
    _patch(kube, shop, {"image": "gameday/storefront:dev"})
    assert [ok for _, ok, _ in still_in_force(kube, shop)] == [False]
    assert [o.ok for o in revert(kube, shop)] == [True]


def test_a_change_beside_the_fault_stays(kube: Kube, shop: str) -> None:
    """Another container's, another variable's: the undo touches what the fault has set, and nothing else."""
    manifests.wrong_env(shop, "cart", "CONFIG_DIR", value="/nothing")
    _patch(kube, shop, {"env": [{"name": "THEIRS", "value": "1"}]})
    assert [o.ok for o in revert(kube, shop)] == [True]
    found = kube.apps.read_namespaced_deployment("cart", shop).spec.template.spec.containers[0]
    assert {e.name: e.value for e in found.env} == {"POD_IP": None, "CONFIG_DIR": "/etc/config", "THEIRS": "1"}
    _patch(kube, shop, {"env": [{"name": "THEIRS", "$patch": "delete"}]})


def _patch(kube: Kube, namespace: str, change: dict[str, Any]) -> None:
    container = {"name": "cart", **change}
    body = {"spec": {"template": {"spec": {"containers": [container]}}}}
    kube.apps.patch_namespaced_deployment("cart", namespace, body)


def test_a_lost_label_means_that_somebody_reverted(kube: Kube, shop: str) -> None:
    """Pods of that template are no longer the fault's, so it is not in force, and is undone all the same."""
    done = manifests.wrong_image(shop, "cart", "gameday/nothing:v1")
    body = {"spec": {"template": {"metadata": {"labels": {"gameday.dev/fault": None}}}}}
    kube.apps.patch_namespaced_deployment("cart", shop, body)
    ((fault, ok, why),) = still_in_force(kube, shop)
    assert (fault, ok) == (done["fault"], False)
    assert "lost the fault's label" in why
    assert [o.ok for o in revert(kube, shop)] == [True]


def test_the_ledger_holds_no_other_variable(kube: Kube, shop: str) -> None:
    """Manifests hold secrets now and then; only the variable that is changed is copied."""
    _patch(kube, shop, {"env": [{"name": "OTHER", "value": "hush-hush"}]})
    try:
        manifests.wrong_env(shop, "cart", "CONFIG_DIR", value="/nothing")
        data = kube.core.read_namespaced_config_map("gameday-ledger", shop).data
        assert "/etc/config" in json.dumps(data)
        assert "hush-hush" not in json.dumps(data)
        assert [o.ok for o in revert(kube, shop)] == [True]
    finally:
        _patch(kube, shop, {"env": [{"name": "OTHER", "$patch": "delete"}]})


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "act", ["manifests.wrong_image({!r}, 'cart', 'gameday/nothing:v1')", "services.wrong_port({!r}, 'cart', 9)"]
)
def test_a_killed_fault_is_undone_from_the_ledger(kube: Kube, shop: str, act: str, when: str) -> None:
    """Wherever its process dies, reverting restores every object; its undo may die anywhere as well."""
    before = snapshot(kube, shop)
    code = f"from gameday.activities import manifests, services\n{act.format(shop)}\nundo.revert_faults({shop!r})\n"
    deaths = 0
    while run_killed(code, deaths + 1, when) == -signal.SIGKILL:
        deaths += 1
        assert [o for o in revert(kube, shop) if not o.ok] == []
        assert differences(before, snapshot(kube, shop)) == []
    assert deaths >= 6


def test_the_wait_for_one_faults_pods_holds_up_no_other(kube: Kube, shop: str) -> None:
    """The manifest of the older fault is back while the pods of the newer one, undone first, are still on their way."""
    manifests.wrong_image(shop, "cart", "gameday/nothing:v1")
    newer = manifests.wrong_env(shop, "web", "COLOUR", value="red")["fault"]
    assert wait_until(lambda: sum(is_ready(pod) for pod in pods_of(kube, shop, newer)) == 2, 30)
    outcomes: list[Any] = []
    undoing = threading.Thread(target=lambda: outcomes.extend(revert(kube, shop)))
    undoing.start()
    try:
        cart = wait_until(lambda: _image(kube, shop) == "gameday/storefront:dev", 30, every_s=0.02)
        left = fault_sets(kube, shop, newer)
    finally:
        undoing.join()
    assert (cart, len(left)) == (True, 1)
    assert [one.ok for one in outcomes] == [True, True]


def _image(kube: Kube, namespace: str) -> str:
    found = kube.apps.read_namespaced_deployment("cart", namespace)
    return str(found.spec.template.spec.containers[0].image)
