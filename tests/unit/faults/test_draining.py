"""Which nodes take pods, and that a drain is done alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from kubernetes.client import V1Node, V1NodeCondition, V1NodeSpec, V1NodeStatus, V1ObjectMeta, V1Pod, V1Taint

from gameday.activities.draining import company_refused, takes_pods
from gameday.activities.targets import staying


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
