"""What a cluster is: its version, the APIs that it serves, its network plugin, and the nodes' room."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApisApi, VersionApi

from gameday.runner.preflight.findings import Finding, lacking, note, ok
from gameday.runner.preflight.nodes import TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gameday.kube import Kube
    from gameday.runner.preflight.request import Request

__all__ = ["NOT_EMBEDDED", "check_apis", "check_policies", "check_version", "enforces"]

NOT_EMBEDDED = "the embedded cluster accepts and does not enforce them; no verdict rests on one"
_OLDEST = (1, 20)
_GROUPS = ("apps/v1", "coordination.k8s.io/v1", "networking.k8s.io/v1")
_EVICTION = ("policy/v1", "policy/v1beta1")
_RBAC = "rbac.authorization.k8s.io/v1"
_EVICTING = {"evict_pods", "drain_node"}

_ENFORCING = (
    "anetd", "antrea-agent", "azure-npm", "calico-node", "canal", "cilium", "kube-router", "ovnkube-node", "weave-net",
)  # fmt: skip
_NOT_ENFORCING = ("kube-flannel-ds", "kube-flannel")
_KINDNET = "kindnet"
_KINDNET_ENFORCES = 20240813
"""The date in the tag of kindnetd's first image that enforces policies: that of kind 0.24."""


def check_version(kube: Kube, _request: Request) -> Iterator[Finding]:
    """The server is not older than the oldest that Gameday knows."""
    code: Any = VersionApi(kube.client).get_code(_request_timeout=TIMEOUT_S)
    numbers = tuple(
        int(digits[0]) for digits in (re.findall(r"\d+", part) for part in (code.major, code.minor)) if digits
    )
    oldest = ".".join(map(str, _OLDEST))
    if numbers < _OLDEST:
        yield lacking("Kubernetes", code.git_version, f"{oldest} or later", "upgrade the cluster, or use another")
    else:
        yield ok("Kubernetes", code.git_version)


def check_apis(kube: Kube, request: Request) -> Iterator[Finding]:
    """Every API group and version that a run uses is served."""
    groups: Any = ApisApi(kube.client).get_api_versions(_request_timeout=TIMEOUT_S).groups
    served = {version.group_version for group in groups for version in group.versions}
    missing = [one for one in _GROUPS if one not in served]
    if request.calls() & _EVICTING and not served & set(_EVICTION):
        missing.append(" or ".join(_EVICTION))
    if missing:
        see = f"kubectl --context {kube.context} api-versions"
        yield lacking("APIs", f"{', '.join(missing)} not served", "these among them", f"see {see}")
    else:
        yield ok("APIs", f"v1, {', '.join(_GROUPS)}")
    if _RBAC not in served and not request.on_this_machine:
        yield note("roles", f"the cluster does not serve {_RBAC}, so the guardian gets no Role of its own")


def check_policies(kube: Kube, request: Request) -> Iterator[Finding]:
    """Whether NetworkPolicies do anything. The API does not say: the network plugin's DaemonSets hint at it."""
    if request.on_this_machine:
        yield note("NetworkPolicy", NOT_EMBEDDED)
        return
    sets: Any = kube.apps.list_daemon_set_for_all_namespaces(_request_timeout=TIMEOUT_S).items
    images = {one.metadata.name: [container.image for container in one.spec.template.spec.containers] for one in sets}
    plugin, enforced = enforces(images)
    if enforced:
        yield ok("NetworkPolicy", f"enforced by {plugin}")
    elif enforced is None:
        yield note("NetworkPolicy", "no network plugin that is known here, so whether they are enforced cannot be told")
    else:
        yield note(
            "NetworkPolicy", f"{plugin} does not enforce them; no verdict rests on one, the shop's own do nothing"
        )


def enforces(daemon_sets: dict[str, list[str]]) -> tuple[str, bool | None]:
    """The network plugin among DaemonSets (images by name), and whether it enforces policies; None: not known. Pure.

    >>> enforces({"kindnet": ["docker.io/kindest/kindnetd:v20230511-dc714da8"]})
    ('kindnet', False)
    """
    for name in daemon_sets:
        if name in _ENFORCING:
            return name, True
    for name, images in daemon_sets.items():
        if name in _NOT_ENFORCING:
            return name, False
        dated = re.search(r"kindnetd:v(\d{8})\b", " ".join(images))
        if name == _KINDNET and dated:
            return name, int(dated[1]) >= _KINDNET_ENFORCES
    return "", None
