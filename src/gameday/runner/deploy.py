"""A storefront of its own in a fresh namespace, and the wait until every part of it serves."""

from __future__ import annotations

import contextlib
import json
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from gameday.activities.guard import ALLOWED_LABEL
from gameday.ledger.calls import persist, said
from gameday.runner.errors import EnvironmentFailure
from gameday.runner.leftovers import RUN_LABEL, RUNNER_ANNOTATION, this_runner

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.kube import Kube

__all__ = [
    "UP",
    "StopAskedError",
    "apply",
    "await_ready",
    "create_namespace",
    "delete_namespace",
    "not_ready",
]

UP = "up"
"""In place of a run's id: the storefront of `gameday up`, which is meant to stay."""
_POLL_S = 0.1
_POD_SECURITY = "pod-security.kubernetes.io/enforce"
"""Clusters from 1.25 on (1.23 by default) refuse pods in it that do not keep to that standard."""
_CREATE = {  # kind: (which API of the client, its method)
    "ConfigMap": ("core", "create_namespaced_config_map"),
    "Secret": ("core", "create_namespaced_secret"),
    "Service": ("core", "create_namespaced_service"),
    "Deployment": ("apps", "create_namespaced_deployment"),
}
_ORDER = list(_CREATE)  # Services before Deployments: pods learn them from their environment


class StopAskedError(Exception):
    """The game day was told to stop while something was awaited."""


def create_namespace(kube: Kube, name: str, run_id: str) -> None:
    """Make a namespace that takes part in experiments and says which run made it (`up` is none: it stays)."""
    labels = {ALLOWED_LABEL: "true", RUN_LABEL: run_id, _POD_SECURITY: "restricted"}
    meta: dict[str, Any] = {"name": name, "labels": labels}
    if run_id != UP:
        meta["annotations"] = {RUNNER_ANNOTATION: this_runner()}
    kube.core.create_namespace({"metadata": meta}, _request_timeout=10)


def delete_namespace(kube: Kube, name: str, *, wait_s: float) -> None:
    """Delete a namespace we made, and its pods without grace: the next storefront needs their CPU.

    Waits at most `wait_s` for the pods to be gone; nobody depends on a drained shutdown here. Raises ApiException or
    a connection error when the namespace itself cannot be deleted.
    """
    try:
        persist(kube.core.delete_namespace, name, _preload_content=False)
    except ApiException as problem:
        if problem.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):  # gone, or under way already
            raise
    with contextlib.suppress(ApiException, HTTPError, OSError):  # a courtesy: it ends without, only later
        kube.core.delete_collection_namespaced_pod(
            name, grace_period_seconds=0, _request_timeout=10, _preload_content=False
        )
        until = time.monotonic() + wait_s
        while time.monotonic() < until and _items(kube.core.list_namespaced_pod, name):
            time.sleep(_POLL_S)


def apply(kube: Kube, namespace: str, manifests: list[dict[str, Any]]) -> None:
    """Create every object in the namespace. Raises EnvironmentFailure naming the one that is refused."""
    unknown = sorted({str(one.get("kind")) for one in manifests} - _CREATE.keys())
    if unknown:
        raise EnvironmentFailure(
            f"the storefront's manifests hold a kind that is not supported here: {', '.join(unknown)}"
        )
    for manifest in sorted(manifests, key=lambda one: _ORDER.index(one["kind"])):
        api, method = _CREATE[manifest["kind"]]
        try:
            getattr(getattr(kube, api), method)(namespace, manifest, _request_timeout=10, _preload_content=False)
        except ApiException as problem:
            name = f"{manifest['kind'].lower()} {manifest['metadata']['name']}"
            raise EnvironmentFailure(f"{name} in {namespace} is refused: {said(problem)}") from problem


def await_ready(
    kube: Kube, namespace: str, *, timeout_s: float = 60.0, stopped: Callable[[], bool] = lambda: False
) -> None:
    """Wait until every Deployment is fully available and every Service has an endpoint.

    Raises EnvironmentFailure naming what lacks, with its last event or log line; StopAskedError
    when `stopped` says so.
    """
    until = time.monotonic() + timeout_s
    while True:
        lacking = not_ready(kube, namespace)
        if not lacking:
            return
        if stopped():
            raise StopAskedError
        if time.monotonic() > until:
            app, what = next(iter(lacking.items()))
            more = f"; {len(lacking) - 1} more not ready: {', '.join(list(lacking)[1:])}" if len(lacking) > 1 else ""
            raise EnvironmentFailure(
                f"storefront {namespace}: {app}: {what} after {timeout_s:.0f} s{last_words(kube, namespace, app)}{more}"
            )
        time.sleep(_POLL_S)


def not_ready(kube: Kube, namespace: str) -> dict[str, str]:
    """What each Deployment or Service still lacks, by name; empty when all serve."""
    lacking: dict[str, str] = {}
    for item in _items(kube.apps.list_namespaced_deployment, namespace):
        wanted, status = item["spec"].get("replicas", 1), item.get("status", {})
        ready = status.get("availableReplicas", 0)
        seen = status.get("observedGeneration", 0) >= item["metadata"].get("generation", 1)
        if not seen or status.get("updatedReplicas", 0) < wanted or ready < wanted:
            lacking[item["metadata"]["name"]] = f"{ready} of {wanted} pods available"
    if lacking:
        return lacking
    for item in _items(kube.core.list_namespaced_endpoints, namespace):
        if not any(subset.get("addresses") for subset in item.get("subsets") or []):
            lacking[item["metadata"]["name"]] = "its Service has no endpoint"
    return lacking


def images(kube: Kube, namespace: str) -> dict[str, list[str]]:
    """By an image's name, what its containers really run (`imageID`): a tag may have been pushed anew."""
    found: dict[str, set[str]] = {}
    for pod in _items(kube.core.list_namespaced_pod, namespace):
        for one in pod.get("status", {}).get("containerStatuses") or []:
            found.setdefault(one["image"], set()).add(one.get("imageID", ""))
    return {name: sorted(ids) for name, ids in sorted(found.items())}


def last_words(kube: Kube, namespace: str, app: str) -> str:
    """The last warning or the last log line of an app, as the tail of an error message; may be empty."""
    try:
        events = _items(kube.core.list_namespaced_event, namespace)
        about = [one for one in events if str(one.get("involvedObject", {}).get("name", "")).startswith(app + "-")]
        warnings = [one["message"] for one in about if one.get("type") == "Warning" and one.get("message")]
        log = _last_log_line(kube, namespace, app)
    except (ApiException, HTTPError, OSError):
        return ""
    told = ([f"last log line: {log}"] if log else []) + ([f"last event: {warnings[-1]}"] if warnings else [])
    return "; " + "; ".join(" ".join(one.split())[:300] for one in told) if told else ""


def _last_log_line(kube: Kube, namespace: str, app: str) -> str:
    for pod in _items(kube.core.list_namespaced_pod, namespace, label_selector=f"app={app}"):
        for previous in (False, True):
            try:
                answer = kube.core.read_namespaced_pod_log(
                    pod["metadata"]["name"], namespace, tail_lines=5, previous=previous,
                    _request_timeout=5, _preload_content=False,
                )  # fmt: skip
            except ApiException:
                continue
            lines = [one for one in answer.data.decode("utf-8", "replace").splitlines() if one.strip()]
            if lines:
                return str(lines[-1])
    return ""


def _items(method: Callable[..., Any], namespace: str, **query: Any) -> list[dict[str, Any]]:
    """A list as plain dicts: the client's models cost ten times the call itself."""
    answer = method(namespace, _request_timeout=10, _preload_content=False, **query)
    return list(json.loads(answer.data).get("items") or [])
