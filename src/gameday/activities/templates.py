"""Faults of what a service renders from: templates, audience rules, links, in a ConfigMap."""

from __future__ import annotations

import hashlib
import itertools
import time
from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed

from gameday import evidence, reach
from gameday.activities.fault import EXPECTED, Fault, activity, attack
from gameday.activities.guard import NotAllowedError
from gameday.activities.targets import ready_endpoints
from gameday.kube import ApiException
from gameday.ledger import ClearAnnotation, Entry, SetConfig
from gameday.ledger.calls import find, said, wait_until
from gameday.ledger.exchange import ExchangeError, exchange
from gameday.ledger.refresh import look_again

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.kube import Kube

__all__ = ["misconfigure"]

MISCONFIGURED = "misconfigure"
_AGAIN_S = 5.0
State = dict[str, Any]


@activity(MISCONFIGURED)
def misconfigure(
    namespace: str,
    config_map: str,
    key: str,
    reported_by: dict[str, str],
    replace: list[dict[str, str]] | None = None,
    value: str | None = None,
    timeout_s: float = 90.0,
) -> dict[str, Any]:
    """Change one key of a ConfigMap, and wait until every pod that reads it reports that it has loaded the change.

    Undone by `gameday.activities.undo.revert_faults`: the old value, and no annotation any more on the pods, which
    had their kubelets look at once (where pods may not be patched it takes their next look, about a minute). Either
    `value` is the whole new value, or `replace` is a list of {find, with}, each `find` occurring in the old one.
    `reported_by`: {service, port?}, the Service whose pods answer `/state` with `config_sha256`. `timeout_s`: for
    them to report. Returns {fault, kind, target, proof: {config_sha256, pods}}.
    """
    kube = attack(namespace)
    found = find(kube.core.read_namespaced_config_map, config_map, namespace)
    old_data: dict[str, str] = dict(found.data or {}) if found is not None else {}
    if found is None or key not in old_data:
        what = "does not exist" if found is None else f"has no key {key!r}, it has {', '.join(sorted(old_data))}"
        raise NotAllowedError(f"configmap {namespace}/{config_map}: {what}")
    new = changed(old_data[key], replace, value)
    sha = config_sha256({**old_data, key: new})
    before = states(kube, namespace, reported_by)
    fault = Fault(kube, namespace, MISCONFIGURED)
    uid = found.metadata.uid
    change = SetConfig(config_map, uid, {key: old_data[key]}, {key: new})
    fault.plan(
        {"kind": "ConfigMap", "name": config_map, "uid": uid, "key": key},
        [
            change,
            ClearAnnotation(ClearAnnotation.prefix + fault.id),
        ],
        matched=len(before),
        ttl_s=timeout_s + 600,
        proof={"reported_by": reported_by, "config_sha256": sha, "events_before": sum(events(s, sha) for s in before)},
    )
    version = {"uid": uid, "resourceVersion": found.metadata.resource_version}
    fault.carry_out((change, {"metadata": version, "data": {key: new}}))
    if not _await_loaded(fault, config_map, lambda: reports(kube, namespace, reported_by, sha), timeout_s):
        raise ActivityFailed(
            f"configmap {namespace}/{config_map}: not every pod behind {reported_by['service']} reports the changed "
            f"{key} after {timeout_s:g} s; see its /state"
        )
    return fault.in_force(config_sha256=sha, pods=len(before))


def _await_loaded(fault: Fault, config_map: str, loaded: Callable[[], bool], timeout_s: float) -> bool:
    """Wait until the pods have loaded the change; have their kubelets look again every few seconds, where we may."""
    deadline = time.monotonic() + timeout_s
    for turn in itertools.count(1):
        left = deadline - time.monotonic()
        try:
            look_again(fault.kube, fault.namespace, config_map, ClearAnnotation.prefix + fault.id, str(turn))
        except ApiException as problem:
            evidence.record(
                "note", text=f"pods cannot be annotated, so their kubelets take their time: {said(problem)}"
            )
            return wait_until(loaded, left)
        if wait_until(loaded, min(_AGAIN_S, left)):
            return True
        if left < _AGAIN_S:
            break
    return False


def changed(old: str, replace: list[dict[str, str]] | None, value: str | None) -> str:
    """The new value. Raises ActivityFailed when it would change nothing, or a text to find is not there. Pure."""
    if (replace is None) == (value is None):
        raise ActivityFailed("misconfigure: give either `replace` or `value`")
    new = old if value is None else value
    for step in replace or []:
        if set(step) != {"find", "with"} or not step["find"]:
            raise ActivityFailed(f"misconfigure: a replacement has {sorted(step)}, expected find (not empty) and with")
        if step["find"] not in new:
            raise ActivityFailed(
                f"misconfigure: {step['find'][:60]!r} is not in the present value; nothing was changed"
            )
        new = new.replace(step["find"], step["with"])
    if new == old:
        raise ActivityFailed("misconfigure: the new value is the old one; it would change nothing")
    return new


def config_sha256(data: dict[str, str]) -> str:
    """The digest that services report for a ConfigMap's data: over its sorted keys, `key NUL value NUL` each. Pure."""
    digest = hashlib.sha256()
    for key in sorted(data):
        digest.update(f"{key}\0{data[key]}\0".encode())
    return digest.hexdigest()


def states(kube: Kube, namespace: str, reported_by: dict[str, str]) -> list[State]:
    """`/state` of each ready pod behind the reporting Service. Raises ActivityFailed when there is none."""
    service = reported_by["service"]
    endpoints = ready_endpoints(kube, namespace, service, reported_by.get("port", "http"))
    if not endpoints:
        raise ActivityFailed(f"service {namespace}/{service}: 0 ready pods, expected at least 1 to report its config")
    addresses = [reach.pod_address(kube, namespace, endpoint) for endpoint in endpoints]
    return [exchange(f"http://{address}:{port}/state") for address, port in addresses]


def reports(kube: Kube, namespace: str, reported_by: dict[str, str], sha: str) -> bool:
    """Whether every ready pod behind the Service reports that it runs by the config with this digest."""
    try:
        return all(state.get("config_sha256") == sha for state in states(kube, namespace, reported_by))
    except (ActivityFailed, ExchangeError):
        return False


def events(state: State, sha: str) -> int:
    """How many events a pod has evaluated under that config."""
    return int(state.get("by_config", {}).get(sha, {}).get("events", 0))


def touched(kube: Kube, namespace: str, entry: Entry) -> None:
    """Record how many events were evaluated under the fault's config since its onset; a note when it cannot be read."""
    sha, reported_by = entry.proof["config_sha256"], entry.proof["reported_by"]
    try:
        seen = states(kube, namespace, reported_by)
    except (ActivityFailed, *EXPECTED) as problem:
        evidence.record("note", fault=entry.id, text=f"what the config touched cannot be read: {said(problem)}")
        return
    count = max(0, sum(events(s, sha) for s in seen) - int(entry.proof.get("events_before", 0)))
    counters = [s.get("by_config", {}).get(sha, {}) for s in seen]
    evidence.record("fault-touched", fault=entry.id, kind=MISCONFIGURED, count=count, by_config=counters)


def is_effective_undone(kube: Kube, namespace: str, entry: Entry) -> bool:
    """Whether the pods report the ConfigMap as it now is, after an undo."""
    found = find(kube.core.read_namespaced_config_map, str(entry.target["name"]), namespace)
    if found is None:
        return True
    return reports(kube, namespace, entry.proof["reported_by"], config_sha256(dict(found.data or {})))
