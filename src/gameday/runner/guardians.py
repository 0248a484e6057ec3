"""The guardian in a namespace: put there, brought up to date, taken away, and whether it watches."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApisApi, RbacAuthorizationV1Api
from kubernetes.client.exceptions import ApiException

from gameday.ledger.calls import find, persist, said
from gameday.ledger.entries import understood
from gameday.ledger.lease import GUARDIAN
from gameday.runner.deploy import StopAskedError
from gameday.runner.errors import EnvironmentFailure
from gameday.runner.rendering import STOREFRONT, kustomize

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.kube import Kube
    from gameday.runner.catalogue import Catalogue
    from gameday.runner.rendering import Manifest

__all__ = ["NAME", "guardian", "install", "is_watching", "node_rights", "uninstall"]

NAME = GUARDIAN
_RBAC = "rbac.authorization.k8s.io"
_POLL_S = 0.2
_UNDERSTANDS = "gameday.dev/understands"
"""An annotation of its Deployment: which ledgers the version that put it there can undo."""


def guardian(catalogue: Catalogue, image: str | None = None) -> list[Manifest]:
    """Its objects, made of that image of the storefront. Raises EnvironmentFailure when they cannot be rendered."""
    made = kustomize(catalogue.k8s / "guardian")
    for one in made:
        if one["kind"] == "Deployment":
            one["metadata"].setdefault("annotations", {})[_UNDERSTANDS] = understood()
            for container in one["spec"]["template"]["spec"]["containers"]:
                if image and container["image"].startswith(STOREFRONT):
                    container["image"] = image
    return made


def node_rights(catalogue: Catalogue, namespace: str) -> list[Manifest]:
    """The ClusterRole by which the guardian of a namespace may uncordon nodes, and its binding; named after both."""
    made = kustomize(catalogue.k8s / "guardian-nodes")
    for one in made:
        one["metadata"]["name"] = f"{one['metadata']['name']}.{namespace}"
        for subject in one.get("subjects", ()):
            subject["namespace"] = namespace
            one["roleRef"]["name"] = f"{one['roleRef']['name']}.{namespace}"
    return made


def install(
    kube: Kube, namespace: str, manifests: list[Manifest], *, timeout_s: float,
    stopped: Callable[[], bool] = lambda: False,
) -> None:  # fmt: skip
    """Create what is missing, patch what is there, and wait until it watches.

    A cluster that has no roles (the embedded one) gets none. Raises EnvironmentFailure, StopAskedError.
    """
    roles = any(group.name == _RBAC for group in ApisApi(kube.client).get_api_versions(_request_timeout=10).groups)
    for manifest in manifests:
        if roles or not manifest["apiVersion"].startswith(_RBAC):
            try:
                _apply(kube, namespace, manifest)
            except ApiException as problem:
                what = f"{manifest['kind'].lower()} {namespace}/{manifest['metadata']['name']}"
                raise EnvironmentFailure(f"the guardian's {what} is refused: {said(problem)}") from problem
    until = time.monotonic() + timeout_s
    while not is_watching(kube, namespace):
        if stopped():
            raise StopAskedError
        if time.monotonic() > until:
            raise EnvironmentFailure(
                f"the guardian in {namespace} does not watch after {timeout_s:.0f} s; "
                f"see kubectl --context {kube.context} -n {namespace} describe deployment {NAME}"
            )
        time.sleep(_POLL_S)


def uninstall(kube: Kube, namespace: str, manifests: list[Manifest]) -> None:
    """Delete its objects. Raises ApiException; what is not there is fine, and a right that was not ours to give."""
    for manifest in reversed(manifests):
        where = _where(manifest, namespace)
        try:
            persist(_call(kube, "delete", manifest), manifest["metadata"]["name"], *where, _preload_content=False)
        except ApiException as problem:
            if problem.status != HTTPStatus.NOT_FOUND and (where or problem.status != HTTPStatus.FORBIDDEN):
                raise


def is_watching(kube: Kube, namespace: str) -> bool:
    """Whether the namespace has a guardian that is ready, of its present template, and would understand our ledger."""
    found = find(kube.apps.read_namespaced_deployment, NAME, namespace)
    if found is None or (found.metadata.annotations or {}).get(_UNDERSTANDS) != understood():
        return False
    if (found.status.observed_generation or 0) < found.metadata.generation:
        return False
    return (found.status.updated_replicas or 0) > 0 and (found.status.available_replicas or 0) > 0


def _apply(kube: Kube, namespace: str, manifest: Manifest) -> None:
    where = _where(manifest, namespace)
    try:
        persist(_call(kube, "create", manifest), *where, manifest, _preload_content=False)
    except ApiException as problem:
        if problem.status != HTTPStatus.CONFLICT:
            raise
        patch = _call(kube, "patch", manifest)
        persist(patch, manifest["metadata"]["name"], *where, manifest, _preload_content=False)


def _where(manifest: Manifest, namespace: str) -> tuple[str, ...]:
    """The namespace as an argument, or none for what is of the whole cluster."""
    return () if manifest["kind"].startswith("Cluster") else (namespace,)


def _call(kube: Kube, verb: str, manifest: Manifest) -> Any:
    scope = "namespaced_" if _where(manifest, "-") else ""
    return getattr(_api(kube, manifest), f"{verb}_{scope}{_snake(manifest['kind'])}")


def _api(kube: Kube, manifest: Manifest) -> Any:
    if manifest["apiVersion"].startswith(_RBAC):
        return RbacAuthorizationV1Api(kube.client)
    return kube.apps if manifest["apiVersion"] == "apps/v1" else kube.core


def _snake(kind: str) -> str:
    """`ServiceAccount` as the client's methods spell it."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in kind).lstrip("_")
