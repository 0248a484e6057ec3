"""Faults of a Service's manifest: a selector, or a target port, that leads to no pod, or to the wrong one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed

from gameday.activities.fault import Fault, activity, attack
from gameday.activities.guard import NotAllowedError, select_pods
from gameday.activities.targets import is_ready, ready_endpoints
from gameday.ledger import SetSelector, SetServicePorts, objects
from gameday.ledger.calls import find, persist, wait_until
from gameday.ledger.decisions import selector_text
from gameday.ledger.onsets import onset
from gameday.ledger.proxies import PROXY_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.kube import Kube
    from gameday.ledger import Entry

__all__ = ["wrong_port", "wrong_selector"]

SELECTOR, PORT = KINDS = ("wrong-selector", "wrong-port")
_TTL_S = 600.0
Ends = set[tuple[str, int]]
"""The address and port of each endpoint that is ready."""


@activity(SELECTOR)
def wrong_selector(namespace: str, service: str, selector: dict[str, str], timeout_s: float = 30.0) -> dict[str, Any]:
    """Give a Service another `selector`, the whole of it: one that no pod matches, or other pods than those meant.

    Undone by `gameday.activities.undo.revert_faults`: the old selector, and endpoints again. In force once the
    endpoints are those that the wrong selector leads to, within `timeout_s` seconds, else ActivityFailed. What it
    touched are the endpoints that were lost and won. Connections that are open stay open, as after such a mistake
    in earnest: a client that keeps them is not cut off. Returns {fault, kind, target, proof: {lost, gained}}.
    """
    kube = attack(namespace)
    body = _fit(kube, namespace, service)
    before = _ends(kube, namespace, body)
    change = SetSelector(service, body["metadata"]["uid"], dict(body["spec"]["selector"]), dict(selector))
    if not selector or _ready(kube, namespace, selector) == _addresses(before):
        raise NotAllowedError(
            f"service {namespace}/{service}: the selector {objects.brief(selector)} leads where it leads now, or is "
            "empty; it would change nothing"
        )

    def arrived(now: Ends) -> bool:
        return now != before and _addresses(now) == _ready(kube, namespace, selector)

    return _mislead(Fault(kube, namespace, SELECTOR), change, _version(body), (before, arrived, timeout_s))


@activity(PORT)
def wrong_port(
    namespace: str, service: str, target_port: int | str, port: str | None = None, timeout_s: float = 30.0
) -> dict[str, Any]:
    """Point a Service's port at another `target_port` of its pods: a number where nothing listens, or a wrong name.

    `port`: the name of the Service's port, may be left out where it has only one. What clients dial, the Service's own
    number, stays: nothing in the API would prove that a change of it reached anybody. Undone by
    `gameday.activities.undo.revert_faults`: the old ports, and endpoints again. In force once no endpoint of before is
    left, within `timeout_s` seconds, else ActivityFailed; what it touched are those that were lost. Connections that
    are open stay open. Returns {fault, kind, target, proof: {lost, gained}}.
    """
    kube = attack(namespace)
    body = _fit(kube, namespace, service)
    old = body["spec"]["ports"]
    chosen = [one for one in old if port is None or one.get("name") == port]
    if len(chosen) != 1:
        names = ", ".join(str(one.get("name")) for one in old)
        raise NotAllowedError(f"service {namespace}/{service}: port is {port!r}, expected one of {names}")
    name = chosen[0].get("name")
    before = _ends(kube, namespace, body, name)
    new = [{**one, "targetPort": target_port} if one is chosen[0] else one for one in old]
    if new == old:
        raise NotAllowedError(f"service {namespace}/{service}: targetPort is {target_port!r} already")
    change = SetServicePorts(service, body["metadata"]["uid"], old, new)

    def arrived(now: Ends) -> bool:
        return not now & before

    fault = Fault(kube, namespace, PORT)
    return _mislead(fault, change, _version(body), (before, arrived, timeout_s), name)


def _fit(kube: Kube, namespace: str, service: str) -> dict[str, Any]:
    """The Service's JSON. Raises NotAllowedError when its endpoints do not follow from its manifest."""
    found = objects.raw(kube.core.read_namespaced_service, service, namespace)
    where = f"service {namespace}/{service}"
    if found is None:
        raise NotAllowedError(f"{where}: does not exist; see kubectl -n {namespace} get services")
    body: dict[str, Any] = found.body
    selector = body["spec"].get("selector")
    if not selector or body["spec"].get("type") == "ExternalName":
        raise NotAllowedError(f"{where}: has no selector: its endpoints are kept by somebody else")
    if PROXY_LABEL in selector:
        raise NotAllowedError(f"{where}: a fault proxy stands before it; take it out of the control's faultproxies")
    return body


def _ends(kube: Kube, namespace: str, body: dict[str, Any], port: str | None = None) -> Ends:
    """The ready endpoints before the fault. Raises NotAllowedError when there is none, or too many for a fault."""
    service, selector = body["metadata"]["name"], body["spec"]["selector"]
    select_pods(kube, namespace, selector_text(selector))
    found = _now(kube, namespace, service, port)
    if not found:
        raise NotAllowedError(f"service {namespace}/{service}: 0 ready endpoints, expected 1 at least to lose")
    return found


def _now(kube: Kube, namespace: str, service: str, port: str | None) -> Ends:
    return {(end.ip, end.port) for end in ready_endpoints(kube, namespace, service, port)}


def _addresses(ends: Ends) -> set[str]:
    return {address for address, _ in ends}


def _ready(kube: Kube, namespace: str, selector: dict[str, str]) -> set[str]:
    """The addresses of the ready pods that a selector matches."""
    pods = persist(kube.core.list_namespaced_pod, namespace, label_selector=selector_text(selector)).items
    return {pod.status.pod_ip for pod in pods if is_ready(pod)}


def _version(body: dict[str, Any]) -> str:
    return str(body["metadata"]["resourceVersion"])


def _mislead(
    fault: Fault,
    change: SetSelector | SetServicePorts,
    version: str,
    seen: tuple[Ends, Callable[[Ends], bool], float],
    port: str | None = None,
) -> dict[str, Any]:
    """Try the change without effect, plan the fault, change, and wait until the endpoints have followed."""
    kube, namespace, service, (before, arrived, timeout_s) = fault.kube, fault.namespace, change.service, seen
    tried = persist(
        kube.core.patch_namespaced_service, service, namespace, onset(change), dry_run="All", _preload_content=False
    )
    field = "selector" if isinstance(change, SetSelector) else "ports"
    change = replace(change, fault=json.loads(tried.data)["spec"][field])  # as the server would keep it
    fault.plan(
        {"kind": "Service", "name": service, "uid": change.uid},
        [change],
        matched=len(before),
        ttl_s=timeout_s + _TTL_S,
        proof={"port": port, "ports_before": sorted({number for _, number in before})},
    )
    fault.carry_out((change, onset(change, version)))
    if not wait_until(lambda: arrived(_now(kube, namespace, service, port)), timeout_s):
        raise ActivityFailed(
            f"{objects.label(namespace, change)}: the endpoints have not followed after {timeout_s:g} s; see kubectl "
            f"-n {namespace} describe service {service}, or raise timeout_s"
        )
    after = _now(kube, namespace, service, port)
    lost, gained = _said(before - after), _said(after - before)
    proof = fault.in_force(lost=lost, gained=gained)
    fault.touched(len(lost) + len(gained), lost=lost, gained=gained)
    return proof


def _said(ends: Ends) -> list[str]:
    return [f"{address}:{port}" for address, port in sorted(ends)]


def is_effective_undone(kube: Kube, namespace: str, entry: Entry) -> bool:
    """Whether the Service leads, on the ports of before, to the ready pods that its selector matches, and no others."""
    service, change = str(entry.target["name"]), entry.undo[0]
    found = find(kube.core.read_namespaced_service, service, namespace)
    if found is None:
        return True
    if isinstance(change, SetSelector) and found.spec.selector == change.fault:
        return False
    now = _now(kube, namespace, service, entry.proof["port"])
    ports = sorted({number for _, number in now})
    ready = _ready(kube, namespace, dict(found.spec.selector or {}))
    return bool(now) and ports == entry.proof["ports_before"] and _addresses(now) == ready
