"""A namespace whose storefront is to be attacked: it takes part, is watched, is free, is clean, and serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gameday.activities.guard import ALLOWED_LABEL
from gameday.ledger import Ledger, LedgerError
from gameday.ledger.calls import find, wait_until
from gameday.ledger.lease import RENEW_EVERY_S, holder_now
from gameday.ledger.mending import kubectl, revert_command
from gameday.runner import deploy, guardians
from gameday.runner.errors import InvalidRequest
from gameday.runner.leftovers import RUN_LABEL, find_leftovers
from gameday.runner.preflight.findings import Finding, lacking, not_allowed, note, ok, refusal
from gameday.runner.preflight.nodes import TIMEOUT_S
from gameday.runner.target import check_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gameday.kube import Kube
    from gameday.runner.preflight.request import Request

__all__ = ["check_allowed", "check_guardian", "check_lease", "check_ledger", "check_leftovers", "check_pulls"]
__all__ += ["check_serving"]

_PULLS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
_PATIENCE_S = RENEW_EVERY_S + 1.0
"""A run that lives renews its Lease in this time."""


def check_allowed(kube: Kube, namespace: str, _request: Request) -> Iterator[Finding]:
    """It exists and carries the label; what it enforces on pods is told."""
    try:
        check_namespace(kube, namespace)
    except InvalidRequest as problem:
        yield refusal("namespace", problem)
        return
    yield ok("namespace", f"{namespace} carries {ALLOWED_LABEL}=true")
    labels = find(kube.core.read_namespace, namespace).metadata.labels or {}  # type: ignore[union-attr]  # it is there
    enforced = labels.get(deploy.POD_SECURITY)
    said = f"{namespace} enforces {enforced}" if enforced else f"{namespace} enforces no standard"
    yield ok("pod security", f"{said}; all pods of Gameday's keep to restricted")


def check_guardian(kube: Kube, namespace: str, request: Request) -> Iterator[Finding]:
    """Somebody undoes the faults should the run die."""
    if guardians.is_watching(kube, namespace):
        yield ok("guardian", f"watches {namespace}")
        return
    image = "" if request.on_this_machine else f" --image {request.image or 'NAME'}"
    install = f"gameday guardian install --context {kube.context} --namespace {namespace}{image}"
    found = find(kube.apps.read_namespaced_deployment, guardians.NAME, namespace)
    observed = (
        f"none in {namespace}" if found is None else f"the one in {namespace} is not ready, or of another version"
    )
    yield not_allowed("guardian", observed, "one that watches", f"{install} (or do without: --without-guardian)")


def check_lease(kube: Kube, namespace: str, _request: Request) -> Iterator[Finding]:
    """No other run is under way: whether one is alive shows by its renewals, never by comparing two clocks."""
    holder, renewed = seen = holder_now(kube, namespace)
    if not holder:
        yield ok("lease", f"no run is under way in {namespace}")
    elif wait_until(lambda: holder_now(kube, namespace) != seen, _PATIENCE_S):
        yield not_allowed("lease", f"the run {holder} is under way in {namespace}", "no other run",
                          "wait until it is over, or use another namespace")  # fmt: skip
    else:
        yield note("lease", f"the run {holder} holds {namespace} and has not renewed that since {renewed}",
                   "it seems dead: the next run takes over after 10 s")  # fmt: skip


def check_ledger(kube: Kube, namespace: str, _request: Request) -> Iterator[Finding]:
    """No fault of an earlier run is on record."""
    try:
        entries, broken = Ledger(kube, namespace).read()
    except LedgerError as problem:
        yield note("ledger", str(problem))
        return
    if not entries and not broken:
        yield ok("ledger", f"no fault is on record in {namespace}")
        return
    names = ", ".join([*(f"{entry.kind} ({entry.id})" for entry in entries), *broken])
    yield not_allowed("ledger", f"faults on record in {namespace}: {names}", "none", revert_command(kube.context, namespace))  # fmt: skip  # noqa: E501


def check_serving(kube: Kube, namespace: str, _request: Request) -> Iterator[Finding]:
    """The storefront is there and serves: without that there is no baseline."""
    if find(kube.apps.read_namespaced_deployment, "edge", namespace) is None:
        yield not_allowed("storefront", f"no Deployment edge in {namespace}", "a storefront",
                          f"leave --namespace out for a fresh one, or: {kubectl(kube.context, namespace, 'apply', '-k', 'k8s/overlays/plain')}")  # fmt: skip  # noqa: E501
        return
    lacks = deploy.not_ready(kube, namespace)
    if not lacks:
        yield ok("storefront", f"all serve in {namespace}")
        return
    observed = "; ".join(f"{app}: {what}" for app, what in lacks.items())
    yield lacking("storefront", observed, "all serving", f"see {kubectl(kube.context, namespace, 'get', 'pods')}")


def check_pulls(kube: Kube, namespace: str | None, _request: Request) -> Iterator[Finding]:
    """Pods whose image cannot be pulled, in the words of their registry: in the namespace, or in those of runs."""
    names = [namespace] if namespace else _of_runs(kube)
    found: dict[tuple[str, str], str] = {}
    for name in names:
        for pod in kube.core.list_namespaced_pod(name, _request_timeout=TIMEOUT_S).items:
            for image, words in _unpulled(pod):
                found.setdefault((name, image), words)
    for (name, image), words in found.items():
        see = f"see {kubectl(kube.context, name, 'get', 'events')}"
        if namespace:
            yield lacking("image", f"{image} in {name}: {words}", "an image that nodes can pull", see)
        else:
            yield note("image", f"{image} in {name}, of an earlier run: {words}", see)


def check_leftovers(_kube: Kube, request: Request) -> Iterator[Finding]:
    """Namespaces that killed runs have left, and how to be rid of them."""
    from gameday.runner.target import Target

    if isinstance(request.target, Target):
        yield from (note("leftover", str(one)) for one in find_leftovers(request.target))


def _of_runs(kube: Kube) -> list[str]:
    found: Any = kube.core.list_namespace(label_selector=RUN_LABEL, _request_timeout=TIMEOUT_S).items
    return [one.metadata.name for one in found]


def _unpulled(pod: Any) -> Iterator[tuple[str, str]]:
    for one in [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]:
        waiting = one.state.waiting if one.state else None
        if waiting is not None and waiting.reason in _PULLS:
            yield one.image, " ".join(f"{waiting.reason}: {waiting.message or 'no more is said'}".split())[:300]
