"""Faults of the network between a Service and its endpoints, with no privilege: a proxy pod stands between them.

All of them need the fault proxy that the control puts there before the baseline (`faultproxies`), or
`gameday.activities.insertion.insert_fault_proxy`. They are in force at once, on connections that are open already too,
confirmed by the proxy, which counts what each touches: recorded as `fault-touched`. A Service has one at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed

from gameday import evidence
from gameday.activities import proxied
from gameday.activities.fault import EXPECTED, Fault, activity, attack
from gameday.activities.seeds import seed_of
from gameday.activities.standing import record_reverted_in_method
from gameday.activities.targets import is_ready
from gameday.kube import connect_from_environment
from gameday.ledger import ClearFault, Entry, Ledger, revert
from gameday.ledger.calls import find, persist, said
from gameday.ledger.proxies import ProxyControl

if TYPE_CHECKING:
    from gameday.kube import Kube

__all__ = ["abort_requests", "blackhole", "clear_faults", "delay_requests", "reset_connections", "throttle"]

DELAYED, THROTTLED, RESET = "delay-requests", "throttle", "reset-connections"
BLACKHOLED, ABORTED = "blackhole", "abort-requests"
KINDS = (DELAYED, THROTTLED, RESET, BLACKHOLED, ABORTED)


@activity(DELAYED)
def delay_requests(
    namespace: str,
    service: str,
    latency_ms: float,
    jitter_ms: float = 0.0,
    share: float = 1.0,
    clients: str | None = None,
    seed: int | None = None,
    ttl_s: float = 300.0,
) -> dict[str, Any]:
    """Delay what clients send to a Service by `latency_ms`, plus or minus up to `jitter_ms`.

    Undone by `clear_faults` or `gameday.activities.undo.revert_faults`, and by the proxy itself after `ttl_s` seconds.
    With a `share` below 1 only that share of HTTP/1.1 requests is delayed, chosen by `seed` (default $GAMEDAY_SEED).
    `clients`: a label selector of pods that must all be seen by the fault, or it counts as not having touched traffic:
    connections that were open before the proxy came pass it by. To be had only where a pod's connections come from its
    own address, as on most clusters and not on the embedded one, where it makes the verdict inconclusive.
    Returns {fault, kind, target, proof}.
    """
    what = {"kind": "delay", "latency_ms": latency_ms, "jitter_ms": jitter_ms, **_chance(share, seed)}
    return _set(namespace, service, DELAYED, what, clients, ttl_s)


@activity(THROTTLED)
def throttle(
    namespace: str,
    service: str,
    bytes_per_s: float,
    direction: str = "both",
    clients: str | None = None,
    ttl_s: float = 300.0,
) -> dict[str, Any]:
    """Let at most `bytes_per_s` (1 or more) through on each connection to a Service.

    In each `direction`, or in one: `up` is from the clients to the Service, `down` back. What is slow enough by itself
    is not touched by it. Undone by `clear_faults` or `gameday.activities.undo.revert_faults`, and by the proxy itself
    after `ttl_s` seconds; what is still on its way then goes on at once. `clients`: as for `delay_requests`. Returns
    {fault, kind, target, proof}.
    """
    what = {"kind": "throttle", "bytes_per_s": bytes_per_s, "direction": direction}
    return _set(namespace, service, THROTTLED, what, clients, ttl_s)


@activity(RESET)
def reset_connections(
    namespace: str,
    service: str,
    share: float = 1.0,
    clients: str | None = None,
    seed: int | None = None,
    ttl_s: float = 300.0,
) -> dict[str, Any]:
    """Reset (TCP RST) a `share` of the connections to a Service: of those that are open, and of each new one.

    Undone by `clear_faults` or `gameday.activities.undo.revert_faults`, and by the proxy itself after `ttl_s` seconds;
    what was reset is not brought back. `clients`, `seed`: as for `delay_requests`.
    Returns {fault, kind, target, proof}.
    """
    return _set(namespace, service, RESET, {"kind": "reset", **_chance(share, seed)}, clients, ttl_s)


@activity(BLACKHOLED)
def blackhole(namespace: str, service: str, clients: str | None = None, ttl_s: float = 300.0) -> dict[str, Any]:
    """Let nothing through to a Service or back, no end of a connection either; connects succeed, and nobody answers.

    Undone by `clear_faults` or `gameday.activities.undo.revert_faults`, and by the proxy itself after `ttl_s` seconds;
    what was held back then goes on. `clients`: as for `delay_requests`. Returns {fault, kind, target, proof}.
    """
    return _set(namespace, service, BLACKHOLED, {"kind": "blackhole"}, clients, ttl_s)


@activity(ABORTED)
def abort_requests(  # noqa: PLR0913  # an experiment file names each of them
    namespace: str,
    service: str,
    status: int = 503,
    share: float = 1.0,
    *,
    body: str | None = None,
    headers: dict[str, str] | None = None,
    clients: str | None = None,
    seed: int | None = None,
    ttl_s: float = 300.0,
) -> dict[str, Any]:
    """Answer a `share` of the HTTP/1.1 requests to a Service with `status` (400 to 599); they do not reach it.

    Undone by `clear_faults` or `gameday.activities.undo.revert_faults`, and by the proxy itself after `ttl_s` seconds.
    The answer has the header X-Gameday-Fault, the `headers` given (none that say where it ends), and `body`, else
    problem+json. Requests are known by their first line, at the beginning of what a client sends at once: one that is
    sent before the last was answered is not. `clients`, `seed`: as for `delay_requests`.
    Returns {fault, kind, target, proof}.
    """
    what = {"kind": "abort", "status": status, "body": body, "headers": headers, **_chance(share, seed)}
    return _set(namespace, service, ABORTED, what, clients, ttl_s)


@activity("clear-faults", undoes=True)
def clear_faults(namespace: str, service: str) -> list[dict[str, Any]]:
    """Take the faults before a Service out of its proxy. Idempotent: none there is fine. Returns the outcomes."""
    kube = connect_from_environment()
    found = entries(kube, namespace, service, *KINDS)
    for entry in found:
        touched(kube, namespace, entry)
    record_reverted_in_method()
    return undo(kube, namespace, {entry.id for entry in found}, undone=True)


def touched(kube: Kube, namespace: str, entry: Entry) -> None:
    """Record what a fault has touched so far, as the proxy counts it; a note when it cannot be asked.

    Where the fault names its clients and one of them was not seen, the count is 0: it may have gone past the proxy.
    So it is where no pod is ready that it names.
    """
    try:
        counted = ProxyControl(kube, namespace, str(entry.target["name"])).stats()["faults"].get(entry.id, {})
        unseen = _unseen(kube, namespace, entry.proof.get("clients"), counted.get("clients") or {})
    except EXPECTED as problem:
        evidence.record("note", fault=entry.id, text=f"what the fault touched cannot be read: {said(problem)}")
        return
    count = 0 if unseen else int(counted.get("messages", 0))
    details = {key: counted.get(key, 0) for key in ("messages", "requests", "connections", "bytes", "clients")}
    evidence.record("fault-touched", fault=entry.id, kind=entry.kind, count=count, unseen=unseen, **details)


def entries(kube: Kube, namespace: str, service: str, *kinds: str) -> list[Entry]:
    """What the ledger holds of these kinds on a Service, newest first. Raises LedgerError."""
    found, _ = Ledger(kube, namespace).read()
    return [e for e in found if e.kind in kinds and e.target.get("name") == service]


def undo(kube: Kube, namespace: str, ids: set[str], *, undone: bool) -> list[dict[str, Any]]:
    """Undo these entries, and record it for those that are faults (`undone`). Raises ActivityFailed, with the mend."""
    outcomes = revert(kube, namespace, only=lambda entry: entry.id in ids) if ids else []
    ours = [o for o in outcomes if o.fault in ids]
    for outcome in ours:
        if not outcome.ok:
            raise ActivityFailed(f"{outcome.fault}: {outcome.detail}; to mend it: {outcome.mend_command}")
        if undone:
            evidence.record("fault-undone", fault=outcome.fault, detail=outcome.detail)
            evidence.record("fault-effective-undone", fault=outcome.fault)
    return [{"fault": o.fault, "ok": o.ok, "detail": o.detail} for o in ours]


def _set(
    namespace: str, service: str, kind: str, what: dict[str, Any], clients: str | None, ttl_s: float
) -> dict[str, Any]:
    """Set a fault in the proxy before a Service. Raises ActivityFailed when there is none, or it does not take it."""
    kube = attack(namespace)
    found = find(kube.core.read_namespaced_service, service, namespace)
    if found is None or found.spec.selector != proxied.proxy_selector(service):
        raise ActivityFailed(
            f"service {namespace}/{service}: does not lead to a fault proxy, expected one since before the baseline; "
            f"add it to the control's `faultproxies`"
        )
    control = ProxyControl(kube, namespace, service)
    fault = Fault(kube, namespace, kind)
    target = {"kind": "Service", "name": service, "uid": found.metadata.uid}
    proof = {"clients": clients} if clients else {}
    fault.plan(target, [ClearFault(service)], matched=1, ttl_s=ttl_s, proof=proof)
    control.set({"id": fault.id, "ttl_s": ttl_s, **what})
    applied = control.faults().get(fault.id)
    if applied is None:
        raise ActivityFailed(f"service {namespace}/{service}: the fault proxy took {fault.id} but does not apply it")
    return fault.in_force(applied=applied)


def _unseen(kube: Kube, namespace: str, selector: str | None, seen: dict[str, int]) -> list[str]:
    """The ready pods that match the selector and from whose address nothing has come; in words, when there are none."""
    if not selector:
        return []
    pods = [p for p in persist(kube.core.list_namespaced_pod, namespace, label_selector=selector).items if is_ready(p)]
    if not pods:
        return [f"no ready pod matches {selector}"]
    return sorted(pod.metadata.name for pod in pods if pod.status.pod_ip not in seen)


def _chance(share: float, seed: int | None) -> dict[str, Any]:
    """The share that is hit and the seed of its choice, as a proxy takes it: not below 0. Raises SeedError."""
    return {"share": share, "seed": abs(seed_of(seed))}
