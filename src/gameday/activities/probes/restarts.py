"""Probe on restarts: does a fault elsewhere make a kubelet restart what could only wait?"""

from __future__ import annotations

from functools import partial
from typing import Any

from gameday.activities.session import Reading, View, judge
from gameday.kube import ApiException, one_line

__all__ = ["bystanders_keep_running"]


def bystanders_keep_running(label_selector: str) -> dict[str, Any]:
    """Has no container of the pods selected ended since the baseline, to be restarted?

    For pods that the fault does not touch: a liveness probe that asks for more than life makes an outage elsewhere one
    of theirs. Undecided when the API does not answer, or one of the baseline's pods is gone.
    """
    return judge("bystanders_keep_running", partial(measure_restarts, label_selector=label_selector))


def measure_restarts(view: View, *, label_selector: str) -> Reading:
    """Ends by container, now and in the baseline."""
    if not view.final:
        return Reading("undecided", "restarts are counted at the end of the window")
    kube, namespace = view.session.kube, view.session.namespace
    try:
        pods = kube.core.list_namespaced_pod(namespace, label_selector=label_selector, _request_timeout=5).items
    except ApiException as problem:
        return Reading("undecided", f"the pods cannot be listed: {one_line(problem)}")
    now = {
        f"{pod.metadata.name}/{status.name}": status.restart_count + _waits_for_restart(status)
        for pod in pods
        for status in pod.status.container_statuses or []
    }
    return since_baseline(view, now, label_selector)


def since_baseline(view: View, now: dict[str, int], label_selector: str) -> Reading:
    """Remember them in the baseline; later hold them against it, and without one say nothing."""
    name = view.session.probe_name("bystanders_keep_running")
    if view.baseline_phase:
        view.session.remembered[name] = now
    return compare(view.session.remembered.get(name, {}), now, label_selector)


def _waits_for_restart(status: Any) -> bool:
    """Whether it has ended, and is counted as restarted only when its kubelet does so, after a while."""
    state, last = status.state, status.last_state
    return bool(state and (state.terminated or (state.waiting and last and last.terminated)))


def compare(known: dict[str, int], now: dict[str, int], label_selector: str) -> Reading:
    """Both by pod and container; a pod that is new counts from 0."""
    if not known:
        return Reading("undecided", f"the baseline saw no pod of {label_selector}")
    again = {name: count - known.get(name, 0) for name, count in now.items() if count > known.get(name, 0)}
    numbers = {"containers": len(now), "restarted": again}
    if again:
        name, times = next(iter(again.items()))
        return Reading("violated", f"{len(again)} containers ended, e.g. {name}, {times} times", numbers)
    if gone := sorted(known.keys() - now.keys()):
        reason = f"{len(gone)} containers of {label_selector} that were there in the baseline are not, e.g. {gone[0]}"
        return Reading("undecided", reason, numbers)
    return Reading("holds", f"none of {len(now)} containers of {label_selector} ended", numbers)
