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
from gameday.ledger.calls import find, persist, said
from gameday.runner.errors import EnvironmentFailure
from gameday.runner.leftovers import RUN_LABEL, RUNNER_ANNOTATION, this_runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gameday.kube import Kube

__all__ = [
    "POD_SECURITY",
    "UP",
    "StopAskedError",
    "apply",
    "await_ready",
    "create_namespace",
    "delete_namespace",
    "ensure_namespace",
    "not_ready",
    "update",
]

UP = "up"
"""In place of a run's id: the storefront of `gameday up`, which is meant to stay."""
_POLL_S = 0.1
POD_SECURITY = "pod-security.kubernetes.io/enforce"
"""Clusters from 1.25 on (1.23 by default) refuse pods in it that do not keep to that standard."""
_KINDS = {  # kind: (which API of the client, how its methods spell it)
    "ConfigMap": ("core", "config_map"),
    "Secret": ("core", "secret"),
    "Service": ("core", "service"),
    "Deployment": ("apps", "deployment"),
}
_ORDER = list(_KINDS)  # Services before Deployments: pods learn them from their environment
_KEPT = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
"""What the server has given a Service, and takes back from nobody."""


class StopAskedError(Exception):
    """The game day was told to stop while something was awaited."""


def create_namespace(kube: Kube, name: str, run_id: str) -> None:
    """Make a namespace that takes part in experiments and says which run made it (`up` is none: it stays)."""
    labels = {ALLOWED_LABEL: "true", RUN_LABEL: run_id, POD_SECURITY: "restricted"}
    meta: dict[str, Any] = {"name": name, "labels": labels}
    if run_id != UP:
        meta["annotations"] = {RUNNER_ANNOTATION: this_runner()}
    kube.core.create_namespace({"metadata": meta}, _request_timeout=10)


def ensure_namespace(kube: Kube, name: str, run_id: str) -> bool:
    """Make a namespace as `create_namespace` does, unless it is there; returns whether it was made just now."""
    try:
        create_namespace(kube, name, run_id)
    except ApiException as problem:
        if problem.status != HTTPStatus.CONFLICT:
            raise
        return False
    return True


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
    for manifest in _in_order(manifests):
        with _named(manifest, namespace):
            _method(kube, "create", manifest)(namespace, manifest, _request_timeout=10, _preload_content=False)


def update(kube: Kube, namespace: str, manifests: list[dict[str, Any]]) -> None:
    """Have every object in the namespace be as its manifest says: create it, or replace it. Raises EnvironmentFailure.

    Objects of an earlier version that no manifest names any more stay.
    """
    for manifest in _in_order(manifests):
        name = manifest["metadata"]["name"]
        with _named(manifest, namespace):
            there = find(_method(kube, "read", manifest), name, namespace)
            if there is None:
                _method(kube, "create", manifest)(namespace, manifest, _request_timeout=10, _preload_content=False)
                continue
            was = kube.plain(there)
            new = {
                **manifest,
                "metadata": {**manifest["metadata"], "resourceVersion": was["metadata"]["resourceVersion"]},
            }
            if manifest["kind"] == "Service":
                new["spec"] = {**{key: was["spec"][key] for key in _KEPT if key in was["spec"]}, **manifest["spec"]}
            _method(kube, "replace", manifest)(name, namespace, new, _request_timeout=10, _preload_content=False)


def _in_order(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    unknown = sorted({str(one.get("kind")) for one in manifests} - _KINDS.keys())
    if unknown:
        raise EnvironmentFailure(
            f"the storefront's manifests hold a kind that is not supported here: {', '.join(unknown)}"
        )
    return sorted(manifests, key=lambda one: _ORDER.index(one["kind"]))


def _method(kube: Kube, verb: str, manifest: dict[str, Any]) -> Callable[..., Any]:
    api, noun = _KINDS[manifest["kind"]]
    method: Callable[..., Any] = getattr(getattr(kube, api), f"{verb}_namespaced_{noun}")
    return method


@contextlib.contextmanager
def _named(manifest: dict[str, Any], namespace: str) -> Iterator[None]:
    """Say which object was refused."""
    try:
        yield
    except ApiException as problem:
        name = f"{manifest['kind'].lower()} {manifest['metadata']['name']}"
        raise EnvironmentFailure(f"{name} in {namespace} is refused: {said(problem)}") from problem


def await_ready(
    kube: Kube, namespace: str, *, timeout_s: float = 60.0, stopped: Callable[[], bool] = lambda: False,
    told: Callable[[str], None] = lambda _line: None,
) -> None:  # fmt: skip
    """Wait until every Deployment is fully available and every Service has an endpoint.

    `told` hears what is waited for, whenever that changes. Raises EnvironmentFailure naming what lacks, with its last
    event or log line; StopAskedError when `stopped` says so.
    """
    until, before = time.monotonic() + timeout_s, ""
    while True:
        lacking = not_ready(kube, namespace)
        if not lacking:
            return
        if (waiting := f"waiting for {', '.join(lacking)}") != before:
            told(before := waiting)
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
