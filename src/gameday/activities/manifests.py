"""Faults of a Deployment's manifest: a wrong image, command, variable, probe, port, or resources."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed

from gameday import evidence
from gameday.activities import wrongs
from gameday.activities.fates import Fate, fates, pods_of, shows, told
from gameday.activities.fault import EXPECTED, Fault, activity, attack
from gameday.activities.guard import NotAllowedError, select_pods
from gameday.ledger import DeleteFaultSets, Entry, SetContainer, containers, new_fault_id, objects
from gameday.ledger.calls import find, persist, said, wait_until
from gameday.ledger.decisions import selector_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.kube import Kube

__all__ = [
    "wrong_command",
    "wrong_container_port",
    "wrong_env",
    "wrong_image",
    "wrong_probe",
    "wrong_resources",
]

IMAGE, COMMAND, PROBE, PORT, ENV, RESOURCES = KINDS = (
    "wrong-image",
    "wrong-command",
    "wrong-probe",
    "wrong-container-port",
    "wrong-env",
    "wrong-resources",
)
_PROBES = {"readiness": "readinessProbe", "liveness": "livenessProbe", "startup": "startupProbe"}
_TTL_S = 600.0


@activity(IMAGE)
def wrong_image(
    namespace: str, deployment: str, image: str, container: str | None = None, timeout_s: float = 60.0
) -> dict[str, Any]:
    """Give a container of a Deployment another image: one that does not exist, or another version.

    Undone by `gameday.activities.undo.revert_faults`: the image goes back, the old pods with it, and the ReplicaSet
    with the wrong one is deleted. As a rollout does, it keeps what `maxUnavailable` says of the old pods; whether
    those serve on is what an experiment tests. In force once a pod of the changed template met the change, within
    `timeout_s` seconds, else ActivityFailed. `container`: may be left out where the template has only one.
    Returns {fault, kind, target, proof: {generation, pods: [{pod, uid, state, ready}]}}.
    """
    return _break(IMAGE, (namespace, deployment, container, "image"), lambda _: image, timeout_s=timeout_s)


@activity(COMMAND)
def wrong_command(
    namespace: str,
    deployment: str,
    command: list[str] | None = None,
    args: list[str] | None = None,
    container: str | None = None,
    timeout_s: float = 60.0,
) -> dict[str, Any]:
    """Give a container of a Deployment another command, or other args: one of the two, a list of texts.

    Undone by `gameday.activities.undo.revert_faults`, as `wrong_image` says, and with the same result.
    """
    if (command is None) == (args is None):
        raise NotAllowedError(f"deployment {namespace}/{deployment}: give either command or args")
    field, new = ("command", command) if command is not None else ("args", args)
    return _break(COMMAND, (namespace, deployment, container, field), lambda _: new, timeout_s=timeout_s)


@activity(ENV)
def wrong_env(
    namespace: str,
    deployment: str,
    variable: str,
    value: str | None = None,
    value_from: dict[str, Any] | None = None,
    removed: bool = False,  # noqa: FBT001, FBT002  # an argument in an experiment file
    container: str | None = None,
    timeout_s: float = 60.0,
) -> dict[str, Any]:
    """Give a variable of a container another `value` or `value_from`, or take it away (`removed`); it may be new.

    Undone by `gameday.activities.undo.revert_faults`, as `wrong_image` says, and with the same result. What looks
    like a secret is refused, as it would get into the ledger; a reference to a Secret may be changed into another.
    """
    new = wrongs.variable(variable, value, value_from, removed=removed)
    what = (namespace, deployment, container, "env")
    return _break(ENV, what, lambda _: new, variable=variable, timeout_s=timeout_s)


@activity(PROBE)
def wrong_probe(
    namespace: str,
    deployment: str,
    probe: str = "readiness",
    change: dict[str, Any] | None = None,
    removed: bool = False,  # noqa: FBT001, FBT002  # an argument in an experiment file
    container: str | None = None,
    timeout_s: float = 60.0,
) -> dict[str, Any]:
    """Change a `probe` (readiness, liveness or startup) of a container, or take it away (`removed`).

    `change` is merged into the present one, and null removes a part: `{httpGet: {path: /nothing}}`. Undone by
    `gameday.activities.undo.revert_faults`, as `wrong_image` says, and with the same result.
    """
    where = f"deployment {namespace}/{deployment}"
    if probe not in _PROBES:
        raise NotAllowedError(f"{where}: probe is {probe!r}, expected one of {', '.join(_PROBES)}")
    if (change is not None) + removed != 1:
        raise NotAllowedError(f"{where}: give either change or removed: true")
    what = (namespace, deployment, container, _PROBES[probe])
    return _break(PROBE, what, lambda old: None if removed else wrongs.merged(old, change), timeout_s=timeout_s)


@activity(PORT)
def wrong_container_port(
    namespace: str,
    deployment: str,
    port: str,
    container_port: int,
    container: str | None = None,
    timeout_s: float = 60.0,
) -> dict[str, Any]:
    """Give the container's port that is called `port` another number, where nothing listens.

    Services and probes that name the port follow it. Undone by `gameday.activities.undo.revert_faults`, as
    `wrong_image` says, and with the same result. For a Service's own port see `services.wrong_port`.
    """
    what = (namespace, deployment, container, "ports")
    return _break(PORT, what, lambda old: wrongs.with_port(old, port, container_port), timeout_s=timeout_s)


@activity(RESOURCES)
def wrong_resources(
    namespace: str,
    deployment: str,
    change: dict[str, Any],
    container: str | None = None,
    timeout_s: float = 60.0,
) -> dict[str, Any]:
    """Change the requests or limits of a container; `change` is merged: `{requests: {memory: 1Ti}, limits: null}`.

    Undone by `gameday.activities.undo.revert_faults`, as `wrong_image` says, and with the same result. In force only
    when it shows: no node has room for the pod, its container ran out of memory, or its kubelet says that it has
    these resources. Where limits have no effect, as on the embedded cluster, it fails after `timeout_s` seconds.
    """
    what = (namespace, deployment, container, "resources")
    return _break(RESOURCES, what, lambda old: wrongs.merged(old, change), timeout_s=timeout_s)


def _break(
    kind: str,
    what: tuple[str, str, str | None, str],
    wrong: Callable[[Any], Any],
    *,
    timeout_s: float,
    variable: str | None = None,
) -> dict[str, Any]:
    """Change one field (namespace, deployment, container, field), and wait until a pod has met the change."""
    namespace, name, container, field = what
    kube = attack(namespace)
    body = _changeable(kube, namespace, name)
    container = _container(namespace, name, body, container)
    uid, old = body["metadata"]["uid"], containers.value_of(body, container, field, variable)
    position = containers.position_of(body, container, variable) if variable else 0
    label = new_fault_id(kind)
    change = SetContainer(name, uid, container, field, variable, position, label, old, wrong(old))
    change = _as_kept(kube, namespace, body, change)
    labels = body["spec"]["selector"].get("matchLabels") or {}
    pods = select_pods(kube, namespace, selector_text(labels))
    fault = Fault(kube, namespace, kind, fault_id=label)
    target = {"kind": "Deployment", "name": name, "uid": uid, "container": container, "field": field}
    fault.plan(
        target | ({"variable": variable} if variable else {}),
        [change, DeleteFaultSets(name, label)],
        matched=len(pods),
        ttl_s=timeout_s + _TTL_S,
    )
    fault.carry_out((change, containers.onset(body, change)))
    generation = persist(kube.apps.read_namespaced_deployment, name, namespace).metadata.generation
    met: list[Fate] = []

    def is_met() -> bool:
        met[:] = _met(kube, namespace, change, generation)
        return bool(met)

    if not wait_until(is_met, timeout_s):
        there = len(pods_of(kube, namespace, label))
        raise ActivityFailed(
            f"{objects.label(namespace, change)}: 0 of {there} pods of the changed template show the change after "
            f"{timeout_s:g} s, expected 1 at least; see kubectl -n {namespace} get pods, or raise timeout_s"
        )
    proof = fault.in_force(generation=generation, pods=told(met))
    fault.touched(len(met), pods=told(met))
    return proof


def _changeable(kube: Kube, namespace: str, name: str) -> dict[str, Any]:
    """The Deployment's JSON. Raises NotAllowedError when a change would not be rolled out, or not be undone cleanly."""
    where = f"deployment {namespace}/{name}"
    found = objects.raw(kube.apps.read_namespaced_deployment, name, namespace)
    if found is None:
        raise NotAllowedError(f"{where}: does not exist; see kubectl -n {namespace} get deployments")
    body: dict[str, Any] = found.body
    if body["spec"].get("paused"):
        raise NotAllowedError(f"{where}: is paused, so that no change is rolled out; resume it")
    if not body["spec"].get("replicas", 1):
        raise NotAllowedError(f"{where}: has 0 replicas, expected at least 1 pod to meet the change")
    if other := containers.label_of(body):
        raise NotAllowedError(f"{where}: the fault {other} has changed its template already; undo that one first")
    return body


def _container(namespace: str, name: str, body: dict[str, Any], wanted: str | None) -> str:
    names = [str(one["name"]) for one in body["spec"]["template"]["spec"]["containers"]]
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted not in names:
        raise NotAllowedError(
            f"deployment {namespace}/{name}: container is {wanted!r}, expected one of {', '.join(names)}"
        )
    return wanted


def _as_kept(kube: Kube, namespace: str, body: dict[str, Any], change: SetContainer) -> SetContainer:
    """The change with the value that the server would keep, defaults and all: it is asked, and changes nothing."""
    where = objects.label(namespace, change)
    wrongs.refuse_secrets(where, change.field, change.old, change.fault)
    if change.old != change.fault:
        tried = persist(
            kube.apps.patch_namespaced_deployment, change.deployment, namespace, containers.onset(body, change),
            dry_run="All", _preload_content=False,
        )  # fmt: skip
        kept = containers.value_of(json.loads(tried.data), change.container, change.field, change.variable)
        change = replace(change, fault=kept)
    if change.old == change.fault:
        raise NotAllowedError(f"{where}: is {objects.brief(change.old)} already; it would change nothing")
    return change


def _met(kube: Kube, namespace: str, change: SetContainer, generation: int) -> list[Fate]:
    """The pods that show the change; none before the controller has seen it."""
    found = find(kube.apps.read_namespaced_deployment, change.deployment, namespace)
    if found is None or (found.status.observed_generation or 0) < generation:
        return []
    return [one for one in fates(kube, namespace, change) if shows(one, change)]


def touched(kube: Kube, namespace: str, entry: Entry) -> None:
    """Record how many pods show the change, and how they fare; a note when that cannot be read."""
    change = next(one for one in entry.undo if isinstance(one, SetContainer))
    try:
        met = told([one for one in fates(kube, namespace, change) if shows(one, change)])
    except EXPECTED as problem:
        evidence.record("note", fault=entry.id, text=f"the fault's pods cannot be read: {said(problem)}")
        return
    evidence.record("fault-touched", fault=entry.id, kind=entry.kind, count=len(met), pods=met)


def is_effective_undone(kube: Kube, namespace: str, entry: Entry) -> bool:
    """Whether no pod of the changed template is left, those included that still end."""
    return not pods_of(kube, namespace, entry.id)
