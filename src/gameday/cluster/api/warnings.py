"""The one table of fields that are accepted but have no effect here; kubectl prints these warnings."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

_NO_EFFECT: dict[str, dict[str, str]] = {
    "networkpolicies.networking.k8s.io": {
        "spec": "NetworkPolicies are not enforced by the embedded cluster: "
        "on loopback a peer has no address of its own",
    },
    "poddisruptionbudgets.policy": {
        "spec": "PodDisruptionBudgets have no effect in the embedded cluster: it does not serve evictions",
    },
    "pods": {
        "spec.affinity": "affinity has no effect in the embedded cluster: it has one node",
        "spec.hostNetwork": "hostNetwork has no effect in the embedded cluster",
        "spec.nodeSelector": "nodeSelector has no effect in the embedded cluster: it has one node",
        "spec.runtimeClassName": "runtimeClassName has no effect in the embedded cluster",
        "spec.topologySpreadConstraints": "topologySpreadConstraints have no effect in the embedded cluster: "
        "it has one node",
    },
    "services": {
        "spec.loadBalancerIP": "loadBalancerIP has no effect in the embedded cluster",
        "spec.externalIPs": "externalIPs have no effect in the embedded cluster",
    },
}
"""By resource: the field, and what to say when it is set. Pod fields count in templates too.

Resources and securityContext stay quiet: every good manifest has them, and their lack
of effect is in the documentation.
"""


def warnings_for(resource: str, obj: Object) -> list[str]:
    """What to warn about an object that was just accepted."""
    found = [text for path, text in _NO_EFFECT.get(resource, {}).items() if _at(obj, path)]
    template = obj.get("spec", {}).get("template") if resource.endswith(".apps") else None
    if template:
        found += [f"spec.template.{p}: {text}" for p, text in _NO_EFFECT["pods"].items() if _at(template, p)]
    if resource == "services" and obj.get("spec", {}).get("type") in ("NodePort", "LoadBalancer"):
        found.append(
            f"type {obj['spec']['type']} has no effect beyond the cluster IP in the embedded cluster: "
            "cluster IPs are on this machine's loopback, reach them directly"
        )
    return found


def _at(obj: Any, path: str) -> Any:
    for part in path.split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    return obj
