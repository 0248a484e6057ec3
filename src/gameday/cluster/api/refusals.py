"""What a real cluster serves and the embedded one refuses, each by its name; the documentation is made from it too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gameday.cluster.api.errors import ApiError

APPLY = "application/apply-patch+yaml"
"""The Content-Type of server-side apply."""


@dataclass(frozen=True)
class Refused:
    """Something that is not served, and a request that asks for it."""

    what: str
    method: str
    path: str
    code: int
    """The answer's HTTP status; its message begins with `what` or names it."""
    body: Any = None
    kind: str = "application/json"


def unserved(code: int, what: str) -> ApiError:
    """The answer to a request for something that a real cluster serves."""
    return ApiError(code, f"{what}: not served by the embedded cluster; run this on kind or another real cluster",
                    details={})  # fmt: skip


def _resource(what: str, path: str, *, group: str = "") -> Refused:
    return Refused(what, "GET", f"/apis/{group}/{path}" if group else f"/api/{path}", 404)


_POD = "/api/v1/namespaces/default/pods/p"
_NODE = "/api/v1/nodes/n"
REFUSED = (
    Refused("server-side apply", "PATCH", "/api/v1/namespaces/default/configmaps/c", 415, {}, APPLY),
    Refused("pods/portforward", "POST", f"{_POD}/portforward", 501),
    Refused("pods/attach", "POST", f"{_POD}/attach", 501),
    Refused("pods/proxy", "GET", f"{_POD}/proxy", 501),
    Refused("services/proxy", "GET", "/api/v1/namespaces/default/services/s/proxy", 501),
    Refused("nodes/proxy", "GET", f"{_NODE}/proxy", 501),
    *(Refused(f"pods/{part}", "PATCH", f"{_POD}/{part}", 501, {}) for part in ("ephemeralcontainers", "resize")),
    Refused("pods/binding", "POST", f"{_POD}/binding", 501, {}),
    Refused("serviceaccounts/token", "POST", "/api/v1/namespaces/default/serviceaccounts/default/token", 501, {}),
    Refused("cordon and drain", "PATCH", _NODE, 501, {"spec": {"unschedulable": True}}, "application/merge-patch+json"),
    _resource("customresourcedefinitions", "v1/customresourcedefinitions", group="apiextensions.k8s.io"),
    *(_resource(kind, f"v1/{kind}", group="rbac.authorization.k8s.io")
      for kind in ("clusterroles", "clusterrolebindings", "roles", "rolebindings")),
    _resource("persistentvolumes", "v1/persistentvolumes"),
    _resource("persistentvolumeclaims", "v1/namespaces/default/persistentvolumeclaims"),
    _resource("horizontalpodautoscalers", "v2/namespaces/default/horizontalpodautoscalers", group="autoscaling"),
    _resource("statefulsets", "v1/namespaces/default/statefulsets", group="apps"),
    _resource("daemonsets", "v1/namespaces/default/daemonsets", group="apps"),
    _resource("jobs", "v1/namespaces/default/jobs", group="batch"),
    _resource("cronjobs", "v1/namespaces/default/cronjobs", group="batch"),
    _resource("ingresses", "v1/namespaces/default/ingresses", group="networking.k8s.io"),
)  # fmt: skip
"""In the order in which the documentation lists them."""
