"""Whether this user may do what a run does, asked of the cluster one right at a time (SelfSubjectAccessReview)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kubernetes.client import AuthorizationV1Api

from gameday import reach
from gameday.runner.preflight.findings import Finding, not_allowed, note, ok
from gameday.runner.preflight.nodes import TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gameday.kube import Kube
    from gameday.runner.preflight.request import Request

__all__ = ["Right", "check_rights", "needed"]

_AT_ONCE = 8
_CHANGE = ("get", "list", "create", "patch", "delete")


@dataclass(frozen=True)
class Right:
    """What may be done with a resource: `pods`, `pods/log`, `deployments.apps`. `of_cluster`: it has no namespace."""

    resource: str
    verbs: tuple[str, ...]
    of_cluster: bool = False

    def attributes(self, verb: str, namespace: str | None) -> dict[str, str]:
        """As a SelfSubjectAccessReview asks for it; no namespace means all of them."""
        name, _, subresource = self.resource.partition("/")
        name, _, group = name.partition(".")
        asked = {"verb": verb, "group": group, "resource": name, "subresource": subresource}
        return asked if self.of_cluster or namespace is None else asked | {"namespace": namespace}


_IN_THE_NAMESPACE = (
    *(Right(one, _CHANGE) for one in ("deployments.apps", "services", "configmaps", "secrets", "pods")),
    Right("replicasets.apps", ("list", "delete")),
    Right("endpoints", ("get", "list")),
    Right("events", ("list",)),
    Right("networkpolicies.networking.k8s.io", ("list",)),
    Right("pods/log", ("get",)),
    Right("leases.coordination.k8s.io", ("get", "create", "patch")),
)
_FRESH = (
    Right("namespaces", ("get", "create", "delete"), of_cluster=True),
    *(Right(one, ("create",)) for one in ("serviceaccounts", "roles.rbac.authorization.k8s.io")),
    Right("rolebindings.rbac.authorization.k8s.io", ("create",)),
)
_FORWARD = Right("pods/portforward", ("get", "create"))
_OF_ACTIONS = {
    "evict_pods": (Right("pods/eviction", ("create",)),),
    "crash_pods": (Right("pods/exec", ("get",)),),
    "drain_node": (
        Right("nodes", ("get", "list", "patch"), of_cluster=True),
        Right("pods/eviction", ("create",)),
    ),
}


def needed(calls: set[str], *, fresh: bool, forward: bool) -> list[Right]:
    """The rights of a run whose experiments call these functions, in namespaces of its own or in one given. Pure."""
    place = _FRESH if fresh else (Right("namespaces", ("get",)),)
    extra = [right for name in sorted(calls) for right in _OF_ACTIONS.get(name, ())]
    return list(dict.fromkeys([*place, *_IN_THE_NAMESPACE, *([_FORWARD] if forward else []), *extra]))


def check_rights(kube: Kube, request: Request) -> Iterator[Finding]:
    """Every right that a run uses is granted; one finding for each resource that lacks some."""
    if request.on_this_machine:
        yield ok("rights", "the embedded cluster has no roles: whoever has its token may do everything")
        return
    namespace = request.target_namespace
    forward = reach.way(kube) == "port-forward"
    rights = needed(request.calls(), fresh=namespace is None, forward=forward)
    asked = [(right, verb) for right in rights for verb in right.verbs]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        granted = list(pool.map(lambda one: _is_granted(kube, one[0], one[1], namespace), asked))
    lacks: dict[Right, list[str]] = {}
    for (right, verb), yes in zip(asked, granted, strict=True):
        if not yes:
            lacks.setdefault(right, []).append(verb)
    for right, verbs in lacks.items():
        yield _lacking(right, verbs, namespace)
    if not lacks:
        where = f"in namespace {namespace}" if namespace else "in any namespace"
        yield ok("rights", f"all {len(asked)} granted {where}")
        if namespace is None:
            yield note("rights", "in a namespace that does not exist yet they are as told for all namespaces")


def _is_granted(kube: Kube, right: Right, verb: str, namespace: str | None) -> bool:
    review: Any = {"spec": {"resourceAttributes": right.attributes(verb, namespace)}}
    answer: Any = AuthorizationV1Api(kube.client).create_self_subject_access_review(review, _request_timeout=TIMEOUT_S)
    return bool(answer.status.allowed)


def _lacking(right: Right, verbs: list[str], namespace: str | None) -> Finding:
    """With the commands by which somebody who may grants it."""
    inside = namespace is not None and not right.of_cluster
    role, place = ("role", ["-n", str(namespace)]) if inside else ("clusterrole", [])
    name = f"gameday-{right.resource.partition('.')[0].replace('/', '-')}"
    kubectl = " ".join(["kubectl", "--context", "ADMIN", *place, "create"])
    grant = (
        f"{kubectl} {role} {name} --verb={','.join(verbs)} --resource={right.resource} && "
        f"{kubectl} {role}binding {name} --{role}={name} --user=YOU"
    )
    where = f" in namespace {namespace}" if inside else ""
    return not_allowed(f"right to {right.resource}", f"this user may not {', '.join(verbs)}{where}",
                       ", ".join(right.verbs), f"an administrator grants it: {grant}")  # fmt: skip
