"""When an object that is being deleted is to be gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from gameday.cluster.store import Store


def deleted(grace_s: int | None, *, usual_s: int = 30, **status: Any) -> tuple[Store, dict[str, Any]]:
    """A store with a pod of a node, and that pod's metadata after a deletion."""
    store = Store()
    spec = {"nodeName": "n", "terminationGracePeriodSeconds": usual_s}
    store.create("pods", {"metadata": {"name": "p", "namespace": "shop"}, "spec": spec, "status": status})
    return store, store.delete("pods", "shop", "p", grace_s=grace_s)["metadata"]


def end_of(meta: dict[str, Any]) -> datetime:
    """The deletionTimestamp."""
    return datetime.fromisoformat(meta["deletionTimestamp"])


def test_a_pod_is_to_be_gone_when_its_grace_is_over() -> None:
    """The deletionTimestamp is that time, not the one of the request."""
    before = datetime.now(UTC)
    _, meta = deleted(60)
    assert end_of(meta) - timedelta(seconds=60) <= datetime.now(UTC)
    assert end_of(meta) - timedelta(seconds=60) > before - timedelta(seconds=1)


def test_a_second_deletion_can_only_be_sooner() -> None:
    """It counts from the first one on; one that says nothing, or more, changes nothing."""
    store, first = deleted(60)
    for grace_s in (None, 60, 90):
        assert store.delete("pods", "shop", "p", grace_s=grace_s)["metadata"] == first
    sooner = store.delete("pods", "shop", "p", grace_s=5)["metadata"]
    assert end_of(first) - end_of(sooner) == timedelta(seconds=55)
    assert sooner["deletionGracePeriodSeconds"] == 5


def test_a_grace_may_be_longer_than_time_is_counted() -> None:
    """Kubernetes takes 64 bits of seconds."""
    store, meta = deleted(None, usual_s=2**63 - 1)
    assert meta["deletionGracePeriodSeconds"] == 2**63 - 1
    sooner = store.delete("pods", "shop", "p", grace_s=5)["metadata"]
    assert end_of(sooner) <= datetime.now(UTC) + timedelta(seconds=5)


def test_a_pod_that_is_over_is_gone_at_once() -> None:
    """It has no processes that need time."""
    for phase in ("Succeeded", "Failed"):
        store, _ = deleted(None, phase=phase)
        assert store.find("pods", "shop", "p") is None
