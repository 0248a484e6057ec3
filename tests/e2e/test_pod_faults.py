"""Each kind of pod fault on one storefront: in force, felt, undone; and what it says when it cannot be."""

from __future__ import annotations

import http.client
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chaoslib.exceptions import ActivityFailed
from kubernetes.client import PolicyV1Api

from gameday import evidence
from gameday.activities import guard, insertion, pods, undo
from gameday.activities.caps import Caps
from gameday.activities.targets import deployments_available, is_ready, ready_endpoints
from gameday.ledger import ClearLabel, Ledger, differences, revert, snapshot, still_in_force
from gameday.ledger.calls import wait_until
from tests.e2e.hunts import over_after
from tests.e2e.runs import ROOT, serves, under_way, wait_for_fault

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
    assert wait_until(lambda: serves(lasting), 30)


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
        made: Any = {"metadata": {"name": "keep-web"}, "spec": spec}
        policy.create_namespaced_pod_disruption_budget(SHOP, made)

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
    with over_after(3):
        done = pods.evict_pods(SHOP, "app=web", every_s=0, duration_s=60, grace_period_s=1)
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
        pods.evict_pods(SHOP, "app=web", every_s=0.2, duration_s=3)
    with pytest.raises(ActivityFailed, match=r"never hit web in the window; web: refused .*budget keep-web"):
        pods.evict_pods(SHOP, "app in (web, catalog)", every_s=0.2, duration_s=15)
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


def restarts(pod: Any) -> int:
    """How often its container was started again."""
    return int(pod.status.container_statuses[0].restart_count)


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
    stayed = before.keys() & after.keys()
    assert {uid: restarts(before[uid]) for uid in stayed} == {uid: restarts(after[uid]) for uid in stayed}
    assert recorded("fault-in-force") == []


def labelled(kube: Kube) -> list[str]:
    """The pods that carry a label of the fault's."""
    found = kube.core.list_namespaced_pod(SHOP).items
    return [p.metadata.name for p in found if any(k.startswith(ClearLabel.prefix) for k in p.metadata.labels or {})]


def addresses(kube: Kube, service: str) -> set[str | None]:
    """The names of the pods that a Service leads to."""
    return {endpoint.pod for endpoint in ready_endpoints(kube, SHOP, service)}


def test_a_pod_out_of_its_service_runs_on(lasting: Kube) -> None:
    """It is ready and nobody replaces it; the Service leads to the other alone, and to both again in the end."""
    before = of_app(lasting, "web")
    done = pods.make_unready(SHOP, "app=web", count=1)
    ((name, uid),) = done["proof"]["pods"].items()
    assert before[uid].metadata.name == name
    assert addresses(lasting, "web") == {p.metadata.name for p in before.values()} - {name}
    assert set(of_app(lasting, "web")) == set(before)
    assert all(map(is_ready, of_app(lasting, "web").values()))
    assert recorded("fault-touched")[-1]["count"] == 1
    assert in_force(lasting) == [True]
    (entry,) = Ledger(lasting, SHOP).entries()
    assert [o.op for o in entry.undo] == ["set-selector", "clear-label"], "labels first would leave the Service nobody"
    assert undone() == [True]
    assert addresses(lasting, "web") == {p.metadata.name for p in before.values()}
    assert labelled(lasting) == []


def test_all_pods_out_of_their_services(lasting: Kube) -> None:
    """Nobody is left to lead to."""
    pods.make_unready(SHOP, "app=web", share=1)
    assert addresses(lasting, "web") == set()
    assert labelled(lasting) == []
    assert undone() == [True]


def test_a_pod_out_of_the_service_behind_a_fault_proxy(lasting: Kube) -> None:
    """What the proxy leads to is the Service that is changed; both faults go, the later one first."""
    insertion.insert_fault_proxy(SHOP, "catalog")
    done = pods.make_unready(SHOP, "app=catalog", count=1)
    assert done["proof"]["services"] == ["catalog-gameday-origin"]
    assert len(addresses(lasting, "catalog-gameday-origin")) == 1
    assert all(in_force(lasting))
    assert [o["effective"] for o in undo.revert_faults(SHOP)] == [True, True]


def test_a_selector_that_somebody_else_put_back_is_noticed(lasting: Kube) -> None:
    """Then the pod has its traffic again."""
    pods.make_unready(SHOP, "app=web", count=1)
    led = lasting.core.read_namespaced_service("web", SHOP).spec.selector
    selector = {key: value if key == "app" else None for key, value in led.items()}
    lasting.core.patch_namespaced_service("web", SHOP, {"spec": {"selector": selector}})
    assert in_force(lasting) == [False]


def test_a_selector_that_somebody_else_has_changed_keeps_its_pods(lasting: Kube) -> None:
    """It still asks for the label: without it the Service would lead to nobody. Put back, all is undone."""
    pods.make_unready(SHOP, "app=web", count=1)
    left = addresses(lasting, "web")
    more = {"app.kubernetes.io/part-of": "gameday-storefront"}
    lasting.core.patch_namespaced_service("web", SHOP, {"spec": {"selector": more}})
    (outcome,) = revert(lasting, SHOP)
    assert (outcome.ok, outcome.conflict) == (False, True)
    assert wait_until(lambda: addresses(lasting, "web") == left, 20)
    assert len(left) == 1
    lasting.core.patch_namespaced_service("web", SHOP, {"spec": {"selector": dict.fromkeys(more)}})
    assert [one.ok for one in revert(lasting, SHOP)] == [True]
    assert labelled(lasting) == []


@pytest.mark.parametrize(
    ("label_selector", "how", "says"),
    [
        ("app=web", {}, "either `count` or `share`"),
        ("app=web", {"count": 3}, "2 pods that match are ready, expected at least 3"),
        ("app=web", {"count": 0}, "expected at least 1"),
        ("app=web", {"share": 1.5}, "share is 1.5"),
        ("tier=backend", {"share": 1}, "at most 7 may be"),
        ("app=gameday-guardian", {"count": 1}, "no Service leads to gameday-guardian"),
    ],
)
def test_pods_that_cannot_be_taken_out_are_refused(
    lasting: Kube, label_selector: str, how: dict[str, Any], says: str
) -> None:
    """With the reason, and nothing on record."""
    with pytest.raises(guard.NotAllowedError, match=says):
        pods.make_unready(SHOP, label_selector, **how)
    assert Ledger(lasting, SHOP).entries() == []


def test_while_pods_are_taken_out_and_put_back_no_connection_fails(lasting: Kube) -> None:
    """The Service has an endpoint at every moment: each question comes on a connection of its own."""
    host = str(lasting.core.read_namespaced_service("web", SHOP).spec.cluster_ip)
    over = threading.Event()
    seen: list[Any] = []

    def go_on_asking() -> None:
        while not over.wait(0.001):
            try:
                seen.append(status_of(host))
            except OSError as problem:
                seen.append(problem)

    shopper = threading.Thread(target=go_on_asking)
    shopper.start()
    try:
        for _ in range(5):
            pods.make_unready(SHOP, "app=web", count=1)
            undo.revert_faults(SHOP)
    finally:
        over.set()
        shopper.join()
    assert len(seen) > 50
    assert set(seen) == {200}


def status_of(host: str) -> int:
    """How a pod of web says that it lives."""
    connection = http.client.HTTPConnection(host, 8080, timeout=10)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    except http.client.HTTPException as problem:
        raise OSError(str(problem)) from problem
    finally:
        connection.close()


def test_a_drain_asks_for_leave_and_for_a_second_node(
    lasting: Kube, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With leave, by the control's arguments, the one node of this cluster is too few; nothing is ever cordoned."""
    with pytest.raises(guard.NotAllowedError, match="--allow-drain"):
        pods.drain_node(SHOP)
    monkeypatch.setenv("GAMEDAY_ALLOW_DRAIN", "1")
    with pytest.raises(guard.NotAllowedError, match="1 nodes of gameday-local take pods, expected at least 2"):
        pods.drain_node(SHOP)
    monkeypatch.delenv("GAMEDAY_ALLOW_DRAIN")
    text = (ROOT / "tests" / "experiments" / "scale.yaml").read_text()
    text = text.replace("func: scale\n", "func: drain_node\n").replace(", label_selector: app=web, replicas: 1", "")
    file = tmp_path / "drain.yaml"
    for leave, says in (("", "has to be allowed"), ("        allow_drain: true\n", "expected at least 2")):
        file.write_text(text.replace("        baseline_s: 3\n", f"        baseline_s: 3\n{leave}"))
        with under_way(file, environment, tmp_path) as runner:
            assert runner.wait(90) == 3, (tmp_path / "said").read_text()
        assert says in json.loads((tmp_path / "drain" / "journal.json").read_text())["gameday"]["reason"]
    (node,) = lasting.core.list_node().items
    assert not node.spec.unschedulable
