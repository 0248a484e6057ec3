"""Probe on the request id: is it on the page, in the header and in the log, the same?"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from gameday.activities.probes.error_pages import measure_aspect
from gameday.activities.session import Reading, View, judge
from gameday.activities.waiting import settled
from gameday.kube import ApiException, one_line

if TYPE_CHECKING:
    from gameday.kube import Kube

__all__ = ["error_request_id_is_traceable"]

_MARGIN_S = 5


def error_request_id_is_traceable(
    at_least: int = 50, label_selector: str = "app=edge", within_s: float = 5.0
) -> dict[str, Any]:
    """Had every error page the id of its request, the same as in the header and in the log of the pods selected?

    The log is read by the Kubernetes API at the end of the window; `within_s` is how long a line may take to
    get there. A pod that is gone has taken its log along: then it is undecided.
    """
    measure = partial(measure_ids, at_least=at_least, label_selector=label_selector, within_s=within_s)
    return judge("error_request_id_is_traceable", measure)


def measure_ids(view: View, *, at_least: int, label_selector: str, within_s: float) -> Reading:
    """The ids of failed page views: on the page, and in the log."""
    reading = measure_aspect(view, aspect="request-id", at_least=at_least)
    if reading.verdict != "holds" or view.baseline_phase or not view.final:
        return reading
    failed = [s for s in view.pages() if s.failed and s.request_id]
    ids, last = {s.request_id for s in failed}, max((s.done_at for s in failed), default=view.end)
    kube, namespace = view.session.kube, view.session.namespace

    def look() -> tuple[Reading, bool]:
        try:
            log, lost = _logs(kube, namespace, label_selector, int(time.time() - view.start) + _MARGIN_S)
        except ApiException as problem:
            return Reading("undecided", f"the log cannot be read: {one_line(problem)}", reading.numbers), False
        missing = [ident for ident in ids if ident not in log]
        numbers = {**reading.numbers, "ids": len(ids), "missing": len(missing)}
        if not missing:
            return Reading("holds", f"the ids of all {len(ids)} failed page views are in the log", numbers), False
        said = f"{len(missing)} of {len(ids)} ids, e.g. {missing[0]}, are not in the log of {label_selector}"
        return Reading("undecided" if lost else "violated", said, numbers), True

    return settled(view, max(last, view.end), within_s, look)


def _logs(kube: Kube, namespace: str, label_selector: str, since_s: int) -> tuple[str, bool]:
    """The pods' log of the last `since_s` seconds, and whether some of it may be lost: a container was restarted."""
    pods = kube.core.list_namespaced_pod(namespace, label_selector=label_selector, _request_timeout=5).items
    logs, lost = [], not pods
    for pod in pods:
        lost = lost or any(status.restart_count for status in pod.status.container_statuses or [])
        answer = kube.core.read_namespaced_pod_log(
            pod.metadata.name,
            namespace,
            container=pod.spec.containers[0].name,
            since_seconds=since_s,
            _request_timeout=5,
            _preload_content=False,
        )
        logs.append(answer.data.decode("utf-8", "replace"))
    return "\n".join(logs), lost
