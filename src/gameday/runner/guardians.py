"""The guardian in a namespace: put there, brought up to date, taken away, and whether it watches."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApisApi, RbacAuthorizationV1Api
from kubernetes.client.exceptions import ApiException

from gameday.ledger.calls import find, persist, said
from gameday.ledger.lease import GUARDIAN
from gameday.runner.deploy import StopAskedError
from gameday.runner.errors import EnvironmentFailure
from gameday.runner.rendering import STOREFRONT, kustomize

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.kube import Kube
    from gameday.runner.catalogue import Catalogue
    from gameday.runner.rendering import Manifest

__all__ = ["NAME", "guardian", "install", "is_watching", "uninstall"]

NAME = GUARDIAN
_RBAC = "rbac.authorization.k8s.io"
_POLL_S = 0.2


def guardian(catalogue: Catalogue, image: str | None = None) -> list[Manifest]:
    """Its objects, made of that image of the storefront. Raises EnvironmentFailure when they cannot be rendered."""
    made = kustomize(catalogue.k8s / "guardian")
    for one in made if image else ():
        for container in one["spec"]["template"]["spec"]["containers"] if one["kind"] == "Deployment" else ():
            if container["image"].startswith(STOREFRONT):
                container["image"] = image
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
    """Delete its objects; what is not there is fine. Raises ApiException."""
    for manifest in reversed(manifests):
        delete = getattr(_api(kube, manifest), f"delete_namespaced_{_snake(manifest['kind'])}")
        try:
            persist(delete, manifest["metadata"]["name"], namespace, _preload_content=False)
        except ApiException as problem:
            if problem.status != HTTPStatus.NOT_FOUND:
                raise


def is_watching(kube: Kube, namespace: str) -> bool:
    """Whether the namespace has a guardian that is ready, of its present template."""
    found = find(kube.apps.read_namespaced_deployment, NAME, namespace)
    if found is None or (found.status.observed_generation or 0) < found.metadata.generation:
        return False
    return (found.status.updated_replicas or 0) > 0 and (found.status.available_replicas or 0) > 0


def _apply(kube: Kube, namespace: str, manifest: Manifest) -> None:
    api, kind = _api(kube, manifest), _snake(manifest["kind"])
    try:
        persist(getattr(api, f"create_namespaced_{kind}"), namespace, manifest, _preload_content=False)
    except ApiException as problem:
        if problem.status != HTTPStatus.CONFLICT:
            raise
        patch = getattr(api, f"patch_namespaced_{kind}")
        persist(patch, manifest["metadata"]["name"], namespace, manifest, _preload_content=False)


def _api(kube: Kube, manifest: Manifest) -> Any:
    if manifest["apiVersion"].startswith(_RBAC):
        return RbacAuthorizationV1Api(kube.client)
    return kube.apps if manifest["apiVersion"] == "apps/v1" else kube.core


def _snake(kind: str) -> str:
    """`ServiceAccount` as the client's methods spell it."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in kind).lstrip("_")
