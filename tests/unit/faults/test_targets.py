"""Which pods run on and which have ended, as their kubelets tell it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from kubernetes.client import (
    V1ContainerState,
    V1ContainerStateRunning,
    V1ContainerStateTerminated,
    V1ContainerStateWaiting,
    V1ContainerStatus,
    V1ObjectMeta,
    V1Pod,
    V1PodStatus,
)

from gameday.activities.targets import is_over

RUNS = V1ContainerState(running=V1ContainerStateRunning())
ENDED = V1ContainerState(terminated=V1ContainerStateTerminated(exit_code=0))
WAITS = V1ContainerState(waiting=V1ContainerStateWaiting(reason="ContainerCreating"))


def pod(
    *states: V1ContainerState, deleted: bool = True, phase: str = "Running", first: V1ContainerState = ENDED
) -> V1Pod:
    """A pod with containers in these states, after an init container that is in the state `first`."""
    when = datetime(2026, 11, 28, tzinfo=UTC) if deleted else None
    init, *others = [
        V1ContainerStatus(name="c", image="i", image_id="i", ready=False, restart_count=0, state=state)
        for state in (first, *states)
    ]
    status = V1PodStatus(phase=phase, init_container_statuses=[init], container_statuses=others)
    return V1Pod(metadata=V1ObjectMeta(deletion_timestamp=when), status=status)


@pytest.mark.parametrize(
    ("one", "over"),
    [
        (pod(ENDED, ENDED), True),
        (pod(ENDED, WAITS), True),  # as kubelets of 1.20 tell of a container that they have removed
        (pod(ENDED, RUNS), False),
        (pod(WAITS, first=RUNS, phase="Pending"), False),
        (pod(WAITS, deleted=False, phase="Pending"), False),
        (pod(ENDED, deleted=False), False),
        (pod(ENDED, deleted=False, phase="Failed"), True),
    ],
)
def test_a_pod_is_over_when_nothing_of_it_runs_nor_will(one: V1Pod, over: bool) -> None:  # noqa: FBT001
    """It lingers on as an object: of no pod that is being deleted will a container be started."""
    assert is_over(one) is over
