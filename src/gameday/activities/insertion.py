"""Putting a fault proxy between a Service and its endpoints, with no fault set and no privilege, and away again."""

from __future__ import annotations

import secrets
import socket
import time
from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed

from gameday import evidence, reach
from gameday.activities import network, proxied
from gameday.activities.fault import EXPECTED, activity, attack
from gameday.activities.guard import NotAllowedError
from gameday.activities.targets import is_available, ready_endpoints
from gameday.kube import connect_from_environment
from gameday.ledger import DeleteMade, Entry, SetSelector, new_fault_id, pending
from gameday.ledger.calls import find, persist, wait_until
from gameday.ledger.lease import holder_of_this_run
from gameday.ledger.proxies import PROXY_LABEL, ProxyControl, ProxyNames

if TYPE_CHECKING:
    from gameday.kube import Kube

__all__ = ["insert_fault_proxy", "remove_fault_proxy"]

INSERTED = "insert-fault-proxy"
_TEST_CONNECTS = 3


@activity(INSERTED)
def insert_fault_proxy(namespace: str, service: str, timeout_s: float = 90.0, ttl_s: float = 1200.0) -> dict[str, Any]:
    """Put a fault proxy, with no fault set, between a Service and its endpoints: before the baseline.

    Undone by `remove_fault_proxy` or `gameday.activities.undo.revert_faults`. A Service that has its proxy
    already keeps it. Refuses by name what is not supported: headless, ExternalName, selectorless, UDP, session
    affinity, traffic policy Local, target ports below 1024. Established connections stay where they are until
    their clients renew them. `timeout_s`: for the proxy to carry the traffic. Returns {fault, service, proof}.
    """
    kube = attack(namespace)
    present = network.entries(kube, namespace, service, INSERTED)
    if present and present[0].state == "in-force":
        return {"fault": present[0].id, "service": service, "proof": present[0].proof}
    found = find(kube.core.read_namespaced_service, service, namespace)
    why = "there is no such Service" if found is None else proxied.refusal(kube.plain(found))
    if why is not None:
        raise NotAllowedError(f"service {namespace}/{service}: no fault proxy can stand before it: {why}")
    plain = kube.plain(found)
    entry = _plan_insertion(plain, ttl_s)
    pending.plan(kube, namespace, entry)
    deadline = time.monotonic() + timeout_s
    _create(kube, namespace, plain, entry.id)
    _await_ready(kube, namespace, service, deadline)
    persist(kube.core.patch_namespaced_service, service, namespace, _patch_now(kube, namespace, plain))
    proof = _await_traffic(kube, namespace, plain, deadline)
    pending.confirm(kube, namespace, entry.id)
    evidence.record("note", text=f"fault proxy {entry.id} stands before {namespace}/{service}, with no fault set")
    return {"fault": entry.id, "service": service, "proof": proof}


@activity("remove-fault-proxy", undoes=True)
def remove_fault_proxy(namespace: str, service: str) -> list[dict[str, Any]]:
    """Lead a Service to its own endpoints again and delete the proxy. Idempotent. Returns the outcomes.

    Undoes `insert_fault_proxy`; faults inside the proxy are undone first.
    """
    outcomes = network.clear_faults(namespace, service)
    kube = connect_from_environment()
    inserted = {entry.id for entry in network.entries(kube, namespace, service, INSERTED)}
    return outcomes + network.undo(kube, namespace, inserted, undone=False)


def _plan_insertion(service: dict[str, Any], ttl_s: float) -> Entry:
    """The entry of the insertion. Its order is the order of the undo: the selector first, then what it led to."""
    name, uid = service["metadata"]["name"], service["metadata"]["uid"]
    names = ProxyNames(name)
    undo = (
        SetSelector(name, uid, dict(service["spec"]["selector"]), proxied.proxy_selector(name)),
        DeleteMade("Deployment", names.proxy),
        DeleteMade("Service", names.control),
        DeleteMade("Service", names.origin),
        DeleteMade("Secret", names.proxy),
    )
    target = {"kind": "Service", "name": name, "uid": uid}
    return Entry(new_fault_id(INSERTED), INSERTED, undo, target, ttl_s=ttl_s, holder=holder_of_this_run())


def _create(kube: Kube, namespace: str, service: dict[str, Any], fault_id: str) -> None:
    name, made = service["metadata"]["name"], proxied.routes(service["spec"]["ports"])
    core = kube.core
    secret = proxied.secret_object(name, fault_id, secrets.token_urlsafe(24))
    core.create_namespaced_secret(namespace, secret, _request_timeout=5)
    origin = core.create_namespaced_service(namespace, proxied.origin_object(service, fault_id), _request_timeout=5)
    control = proxied.control_object(name, fault_id, proxied.control_port(made))
    core.create_namespaced_service(namespace, control, _request_timeout=5)
    beside = kube.plain(persist(kube.apps.list_namespaced_deployment, namespace))["items"]
    image = proxied.proxy_image(beside)
    deployment = proxied.deployment_object(name, fault_id, made, origin.spec.cluster_ip, image)
    kube.apps.create_namespaced_deployment(namespace, deployment, _request_timeout=5)


def _await_ready(kube: Kube, namespace: str, service: str, deadline: float) -> None:
    """Wait for the proxy's pod and its control line, and for the origin to have endpoints."""
    names = ProxyNames(service)

    def ready() -> bool:
        deployment = find(kube.apps.read_namespaced_deployment, names.proxy, namespace)
        return (
            deployment is not None
            and is_available(deployment)
            and bool(ready_endpoints(kube, namespace, names.control))
            and bool(ready_endpoints(kube, namespace, names.origin))
        )

    if not wait_until(ready, deadline - time.monotonic()):
        image = _image(kube, namespace, names.proxy)
        raise ActivityFailed(
            f"deployment {namespace}/{names.proxy}: the fault proxy (image {image}) is not ready in time, or {service} "
            f"has no ready pod behind it; see kubectl -n {namespace} describe pods -l {PROXY_LABEL}={service}"
        )
    control = ProxyControl(kube, namespace, service)
    if not wait_until(lambda: _answers(control), deadline - time.monotonic()):
        control.stats()  # says by its exception what is wrong


def _image(kube: Kube, namespace: str, proxy: str) -> str:
    found = find(kube.apps.read_namespaced_deployment, proxy, namespace)
    return found.spec.template.spec.containers[0].image if found is not None else "unknown: it is gone"


def _answers(control: ProxyControl) -> bool:
    try:
        control.stats()
    except EXPECTED:
        return False
    return True


def _patch_now(kube: Kube, namespace: str, planned: dict[str, Any]) -> dict[str, Any]:
    """The selector's patch against the Service as it is now; ActivityFailed when its selector is not as planned."""
    now = kube.plain(persist(kube.core.read_namespaced_service, planned["metadata"]["name"], namespace))
    if now["spec"].get("selector") != planned["spec"]["selector"]:
        raise ActivityFailed(
            f"service {namespace}/{planned['metadata']['name']}: its selector was changed by somebody else; run again"
        )
    return proxied.selector_patch(now)


def _await_traffic(kube: Kube, namespace: str, service: dict[str, Any], deadline: float) -> dict[str, Any]:
    """Wait until only the proxy is behind the Service and a row of connects through it all reach the proxy."""
    name = service["metadata"]["name"]
    control = ProxyControl(kube, namespace, name)
    proxies = {one.ip for one in ready_endpoints(kube, namespace, ProxyNames(name).control)}

    def through() -> bool:
        if {one.ip for one in ready_endpoints(kube, namespace, name)} != proxies:
            return False
        return all(_passes(control, reach.service_address(kube, namespace, name)) for _ in range(_TEST_CONNECTS))

    if not wait_until(through, deadline - time.monotonic()):
        raise ActivityFailed(
            f"service {namespace}/{name}: its traffic does not go through the fault proxy in time; connections to "
            f"it must be possible from where this runs (by {reach.way(kube, service['spec']['clusterIP'])})"
        )
    return {"test_connects": _TEST_CONNECTS, "proxy_addresses": sorted(proxies)}


def _passes(control: ProxyControl, address: tuple[str, int]) -> bool:
    """Whether a connect to the Service makes the proxy's count of connections rise."""
    before = control.stats()["connections"]
    try:
        with socket.create_connection(address, timeout=2):
            return wait_until(lambda: control.stats()["connections"] > before, 0.5, every_s=0.02)
    except OSError:
        return False
