"""What is missing for a run, found out before it is started. Nothing on the cluster is changed.

Each check yields findings; they come as they are made, so that a slow cluster does not hide what is known already.
"""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from gameday.ledger.calls import said
from gameday.runner.errors import EnvironmentFailure, GamedayError
from gameday.runner.preflight import clusters, engines, experiments, machine, namespaces, nodes, rights
from gameday.runner.preflight.findings import Finding, exit_code, lacking, last_line, note, ok, refusal
from gameday.runner.preflight.request import Request
from gameday.runner.proof import UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gameday.runner.target import Target

__all__ = ["Finding", "Request", "exit_code", "findings", "last_line"]

_OF_CLUSTER = {
    "Kubernetes": clusters.check_version,
    "APIs": clusters.check_apis,
    "rights": rights.check_rights,
    "nodes": nodes.check_nodes,
    "NetworkPolicy": clusters.check_policies,
}
_OF_FRESH = {"room": nodes.check_room, "images": nodes.check_images, "leftovers": namespaces.check_leftovers}
_OF_NAMESPACE = {
    "guardian": namespaces.check_guardian,
    "lease": namespaces.check_lease,
    "ledger": namespaces.check_ledger,
    "storefront": namespaces.check_serving,
    "images": namespaces.check_pulls,
}


def findings(request: Request) -> Iterator[Finding]:
    """Every finding on the experiments, this machine and the cluster, in that order. Raises nothing of theirs."""
    yield from experiments.check_experiments(request)
    yield from machine.check_kubectl(request)
    if request.cluster == "kind":
        yield from engines.check_kind(request)
    if request.on_this_machine:
        yield from machine.check_state_folder(request)
        if request.target is None or not request.target_namespace:
            yield from machine.check_embedded(request)
            yield from machine.check_memory(request)
    yield from machine.check_busy(request)
    if isinstance(request.target, EnvironmentFailure):
        yield refusal("cluster", request.target)
    elif request.target is not None:
        yield from _of_target(request.target, request)
    elif request.on_this_machine:
        yield note("NetworkPolicy", clusters.NOT_EMBEDDED)


def _of_target(target: Target, request: Request) -> Iterator[Finding]:
    kube = target.connect()
    yield ok("cluster", f"{kube.context} at {kube.client.configuration.host} answers")
    for what, check in _OF_CLUSTER.items():
        yield from _asked(what, partial(check, kube, request))
    if target.namespace is None:
        for what, of_fresh in _OF_FRESH.items():
            yield from _asked(what, partial(of_fresh, kube, request))
        yield from _asked("images", partial(namespaces.check_pulls, kube, None, request))
        return
    allowed = list(_asked("namespace", partial(namespaces.check_allowed, kube, target.namespace, request)))
    yield from allowed
    if exit_code(allowed) == 0:  # of a namespace that is not there nothing more can be said
        for what, of_namespace in _OF_NAMESPACE.items():
            yield from _asked(what, partial(of_namespace, kube, target.namespace, request))


def _asked(what: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What a check finds. One that may not look finds out nothing, and says so; a cluster in trouble is missing."""
    try:
        yield from check()
    except GamedayError as problem:
        yield refusal(what, problem)
    except UNREACHABLE as problem:
        if getattr(problem, "status", None) == HTTPStatus.FORBIDDEN:
            yield note(what, f"cannot be told: {said(problem)}")
        else:
            yield lacking(what, said(problem), "an answer of the cluster", "try again; see that its API server is well")
