"""Each kind of pod fault on one storefront: in force, felt, undone; and what it says when it cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chaoslib.exceptions import ActivityFailed
from kubernetes.client import PolicyV1Api

from gameday import evidence
from gameday.activities import guard, pods, undo
from gameday.activities.caps import Caps
from gameday.activities.targets import deployments_available, ready_endpoints
from gameday.ledger import Ledger, differences, revert, snapshot, still_in_force
from gameday.ledger.calls import wait_until
from tests.e2e.runs import ROOT, home_page, under_way, wait_for_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gameday.kube import Kube

SHOP = "shop"
BACK_S = 60


@pytest.fixture(autouse=True)
def shop(lasting: Kube, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The shop that activities attack; after each test all is as before, and it serves."""
    config = Path(environment["GAMEDAY_STATE"]) / "local" / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(config))
    monkeypatch.setenv("KUBERNETES_CONTEXT", "gameday-local")
    # chaostoolkit-kubernetes goes by what the client read when it was imported.
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(config))
    guard.set_caps(Caps())
    evidence.forget()
    before = snapshot(lasting, SHOP)
    yield SHOP
    assert [o for o in revert(lasting, SHOP) if not o.ok] == []
    assert differences(before, snapshot(lasting, SHOP)) == []
    assert Ledger(lasting, SHOP).entries() == []
    assert undo.revert_faults(SHOP) == []
    every = [d.metadata.name for d in lasting.apps.list_namespaced_deployment(SHOP).items]
    assert wait_until(lambda: deployments_available(lasting, SHOP, every), BACK_S)
    assert wait_until(lambda: home_page(lasting) == (200, False), 10)


def of_app(kube: Kube, app: str) -> dict[str, Any]:
    """The pods of an app that are not being deleted, by UID."""
    found = kube.core.list_namespaced_pod(SHOP, label_selector=f"app={app}").items
    return {pod.metadata.uid: pod for pod in found if pod.metadata.deletion_timestamp is None}


def recorded(event: str) -> list[dict[str, Any]]:
    """The facts of one name that this test has recorded."""
    return [e for e in evidence.events() if e["event"] == event]


def in_force(kube: Kube) -> list[bool]:
    """Of each fault on record, whether it is."""
    return [ok for _, ok, _ in still_in_force(kube, SHOP)]


def undone() -> list[bool]:
    """Undo all; of each fault, whether the effect showed, and the facts are on record."""
    effective = [bool(o["effective"]) for o in undo.revert_faults(SHOP)]
    assert len(recorded("fault-undone")) == len(recorded("fault-effective-undone")) == len(effective)
    return effective


@pytest.mark.parametrize(("replicas", "gone", "new"), [(4, 0, 2), (1, 1, 0)])
def test_scaling_up_and_down(lasting: Kube, replicas: int, gone: int, new: int) -> None:
    """As many pods as asked for are ready, and those that came and went are told by UID."""
    before = set(of_app(lasting, "web"))
    done = pods.scale(SHOP, "app=web", replicas)
    after = set(of_app(lasting, "web"))
    assert len(after) == replicas == len(ready_endpoints(lasting, SHOP, "web"))
    assert (done["proof"]["pods_gone"], done["proof"]["pods_new"]) == (gone, new)
    (touch,) = recorded("fault-touched")
    assert (set(touch["uids_gone"]), set(touch["uids_new"])) == (before - after, after - before)
    assert in_force(lasting) == [True]
    assert undone() == [True]


def test_scaling_to_zero_by_number() -> None:
    """Zero is scaling to zero."""
    assert pods.scale(SHOP, "app=mailer", 0)["kind"] == "scale-to-zero"
    assert undone() == [True]


@pytest.mark.parametrize(
    ("replicas", "says"),
    [(2, "nothing would change"), (60, "58 pods more of web would be made"), (-1, "whole number"), ("3", "whole num")],
)
def test_a_scaling_that_is_none_is_refused(lasting: Kube, replicas: Any, says: str) -> None:
    """With the reason, and nothing on record."""
    with pytest.raises(guard.NotAllowedError, match=says):
        pods.scale(SHOP, "app=web", replicas)
    assert Ledger(lasting, SHOP).entries() == []


def test_scaling_down_keeps_to_the_caps() -> None:
    """One pod of two goes, which is one too many here; the pods that stay do not count."""
    guard.set_caps(Caps(max_share=0.05))
    with pytest.raises(guard.NotAllowedError, match="1 of the namespace's"):
        pods.scale(SHOP, "app=web", 1)


@pytest.mark.timeout(180)
def test_an_autoscaler_that_has_its_own_way_makes_a_run_inconclusive(
    lasting: Kube, environment: dict[str, str], tmp_path: Path
) -> None:
    """As one would, by the scale subresource, back to where it was."""
    file = ROOT / "tests" / "experiments" / "scale.yaml"
    with under_way(file, environment, tmp_path) as runner:
        wait_for_fault(runner, tmp_path, 90)
        lasting.apps.patch_namespaced_deployment_scale("web", SHOP, {"spec": {"replicas": 2}})
        assert runner.wait(90) == 3, (tmp_path / "said").read_text()
    journal = json.loads((tmp_path / "scale" / "journal.json").read_text())["gameday"]
    assert journal["verdict"] == "inconclusive"
    assert "was reverted by somebody else: deployment shop/web spec.replicas is 2, the fault set 1" in journal["reason"]


@pytest.fixture
def budget(lasting: Kube) -> Iterator[Any]:
    """Sets a budget for web: so many of its two pods must stay."""
    policy = PolicyV1Api(lasting.client)

    def hold(minimum: int) -> None:
        spec = {"minAvailable": minimum, "selector": {"matchLabels": {"app": "web"}}}
        policy.create_namespaced_pod_disruption_budget(SHOP, {"metadata": {"name": "keep-web"}, "spec": spec})

        def counted() -> bool:
            status: Any = policy.read_namespaced_pod_disruption_budget("keep-web", SHOP).status
            return bool(status.disruptions_allowed == 2 - minimum and status.current_healthy == 2)

        assert wait_until(counted, 10)

    yield hold
    policy.delete_namespaced_pod_disruption_budget("keep-web", SHOP, _preload_content=False)


def test_evictions_wait_for_their_budget(lasting: Kube, budget: Any) -> None:
    """Round and round, never below what the budget keeps; what it refuses is counted and tried again."""
    before = of_app(lasting, "web")
    budget(1)
    done = pods.evict_pods(SHOP, "app=web", every_s=0, duration_s=6, grace_period_s=1)
    assert len(done["evicted"]) >= 2
    assert done["refused"]["web"] >= 1
    assert done["proof"]["first_evicted"]["uid"] in before
    assert {hit["uid"] for hit in done["evicted"]}.isdisjoint(of_app(lasting, "web"))
    assert recorded("fault-touched")[-1]["count"] == len(done["evicted"])
    assert in_force(lasting) == [True]
    assert undone() == [True]


def test_a_budget_that_allows_no_eviction_is_named(lasting: Kube, budget: Any) -> None:
    """Of no pod at all, or of an app that was to be hit too."""
    before = of_app(lasting, "web")
    budget(2)
    with pytest.raises(ActivityFailed, match=r"evicted 0 pods.*refused [0-9]+ times: The disruption budget keep-web"):
        pods.evict_pods(SHOP, "app=web", every_s=0.2, duration_s=1)
    with pytest.raises(ActivityFailed, match=r"never hit web in the window; web: refused .*budget keep-web"):
        pods.evict_pods(SHOP, "app in (web, catalog)", every_s=0.2, duration_s=4)
    assert set(of_app(lasting, "web")) == set(before)
    assert undone() == [True, True]


def test_a_crash_restarts_the_container_in_its_pod(lasting: Kube) -> None:
    """The pod's UID stays; the container is another one, once more restarted."""
    before = of_app(lasting, "web")
    done = pods.crash_pods(SHOP, "app=web", times=1)
    (hit,) = done["crashed"]
    old, new = (found[hit["uid"]].status.container_statuses[0] for found in (before, of_app(lasting, "web")))
    assert hit["container_id"] == old.container_id != new.container_id == hit["now"]
    assert (old.restart_count, new.restart_count, hit["restarts"], hit["exit_code"]) == (0, 1, 1, 0)
    assert recorded("fault-touched")[-1]["count"] == 1
    assert in_force(lasting) == [True]
    assert undone() == [True]


def test_crashing_again_makes_the_kubelet_back_off(lasting: Kube) -> None:
    """The second crash of one pod in a row is one too many for a restart at once; the undo waits for it."""
    done = pods.crash_pods(SHOP, "app=registry", every_s=0.5, duration_s=20, times=2)
    assert [hit["now"] == "CrashLoopBackOff" for hit in done["crashed"]] == [False, True]
    assert ready_endpoints(lasting, SHOP, "registry") == []
    assert undone() == [True]
    assert ready_endpoints(lasting, SHOP, "registry") != []


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"command": ["sh", "-c", "kill -KILL 1"], "timeout_s": 1}, "process 1 is still there; it does not get a sign"),
        ({"command": ["no-such-program"]}, "its image has no no-such-program; give a `command`"),
        ({"command": ["sh", "-c", "echo no right >&2; exit 9"]}, "exit status 9 no right; give a `command`"),
        ({"container": "sidecar"}, "has no container 'sidecar' that runs, it has web"),
        ({"command": "kill 1"}, "expected a list of words"),
        ({"times": 0}, "times is 0, expected at least 1"),
    ],
)
def test_a_crash_that_does_not_come_about_says_why(lasting: Kube, how: dict[str, Any], says: str) -> None:
    """The container runs on, and there is no proof of anything."""
    before = of_app(lasting, "web")
    with pytest.raises(ActivityFailed, match=says):
        pods.crash_pods(SHOP, "app=web", **how)
    after = of_app(lasting, "web")
    assert all(after[uid].status.container_statuses[0].restart_count == 0 for uid in before if uid in after)
    assert recorded("fault-in-force") == []
