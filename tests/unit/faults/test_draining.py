"""Which nodes take pods, and that a drain is done alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from chaoslib.exceptions import ActivityFailed
from kubernetes.client import V1Node, V1NodeCondition, V1NodeSpec, V1NodeStatus, V1ObjectMeta, V1Pod, V1Taint

from gameday import evidence
from gameday.activities import draining, guard, pods
from gameday.activities.caps import Caps
from gameday.activities.draining import company_refused, takes_pods
from gameday.activities.fault import Fault
from gameday.activities.targets import staying
from gameday.ledger import Ledger, revert
from tests.unit.live import add_deployment

if TYPE_CHECKING:
    from gameday.kube import Kube
    from tests.unit.live import Nodes


def node(*, ready: str = "True", cordoned: bool | None = None, taint: str | None = None) -> V1Node:
    """A node as the API client reads it."""
    taints = [V1Taint(effect=taint, key="k")] if taint else None
    status = V1NodeStatus(conditions=[V1NodeCondition(status=ready, type="Ready")])
    return V1Node(spec=V1NodeSpec(unschedulable=cordoned, taints=taints), status=status)


@pytest.mark.parametrize(
    ("one", "takes"),
    [
        (node(), True),
        (node(taint="PreferNoSchedule"), True),
        (node(ready="Unknown"), False),
        (node(cordoned=True), False),
        (node(taint="NoSchedule"), False),
        (node(taint="NoExecute"), False),
    ],
)
def test_which_nodes_take_pods(one: V1Node, takes: bool) -> None:  # noqa: FBT001
    """Ready, not cordoned, and with no taint that keeps pods away."""
    assert takes_pods(one) is takes


def test_a_pod_that_is_on_its_way_out_is_not_the_drains() -> None:
    """It counts neither for the caps nor as one that was hit, however long it lingers."""
    ended = datetime(2026, 11, 28, tzinfo=UTC)
    pods = [V1Pod(metadata=V1ObjectMeta(name=name, deletion_timestamp=at)) for name, at in (("a", None), ("b", ended))]
    assert [pod.metadata.name for pod in staying(pods)] == ["a"]


def experiment(*functions: str) -> dict[str, Any]:
    """An experiment whose method calls these, by module and function."""
    providers = [dict(zip(("module", "func"), one.rsplit(".", 1), strict=True)) for one in functions]
    return {"method": [{"type": "action", "name": p["func"], "provider": p} for p in providers]}


ACTIVITIES = "gameday.activities"
DRAIN, LOOK = f"{ACTIVITIES}.pods.drain_node", f"{ACTIVITIES}.traffic.observe"


@pytest.mark.parametrize(
    ("functions", "says"),
    [
        ((DRAIN, LOOK), None),
        ((f"{ACTIVITIES}.pods.scale", f"{ACTIVITIES}.network.throttle"), None),
        ((DRAIN, DRAIN), "done alone; beside it: drain_node"),
        ((LOOK, f"{ACTIVITIES}.pods.scale", DRAIN), "drain_node drains a node, which is done alone; beside it: scale"),
    ],
)
def test_a_drain_is_done_alone(functions: tuple[str, ...], says: str | None) -> None:
    """Whoever else loses pods could not be told from those that the drain took."""
    why = company_refused(experiment(*functions))
    assert why == says if says is None else says in str(why)


def test_a_node_that_somebody_cordons_meanwhile_is_not_drained(
    kube: Kube, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is evicted, nothing stays on record, and no undo takes their cordon off."""
    for name in ("worker-1", "worker-2"):
        nodes.add(name)
    add_deployment(kube, "web", 2, "worker-1")
    monkeypatch.setattr(guard, "_caps", Caps(max_share=1))
    monkeypatch.setattr(guard, "_may_drain", True)
    monkeypatch.setattr(draining, "attack", lambda _namespace: kube)
    plan = Fault.plan

    def and_then(*args: Any, **options: Any) -> None:
        plan(*args, **options)
        assert [entry.kind for entry in Ledger(kube, "shop").entries()] == ["drain-node"]
        nodes.set("worker-1", cordoned=True, mark=None)

    monkeypatch.setattr(Fault, "plan", and_then)
    with pytest.raises(ActivityFailed) as failed:
        pods.drain_node("shop")
    assert str(failed.value) == (
        "drain-node shop: node worker-1: is cordoned by somebody else, expected it as it was read before, taking pods; "
        "it was not cordoned; see kubectl describe node worker-1"
    )
    assert Ledger(kube, "shop").entries() == []
    assert revert(kube, "shop") == []
    assert nodes.state("worker-1") == (True, None)
    assert len(kube.core.list_namespaced_pod("shop").items) == 1
    assert evidence.events()[-1]["event"] == "fault-failed"
