"""The one table of fields that are accepted but have no effect here; kubectl prints these warnings."""

from __future__ import annotations

from typing import Any

from gameday.cluster.selectors import value_at

Object = dict[str, Any]

_ONE_NODE = "has no effect in the embedded cluster: it has one node"
_PLAIN = "has no effect in the embedded cluster"
NO_EFFECT: dict[str, dict[str, str]] = {
    "networkpolicies.networking.k8s.io": {
        "spec": "NetworkPolicies are not enforced by the embedded cluster: "
        "on loopback a peer has no address of its own",
    },
    "pods": {
        **{f"spec.{field}": f"{field} {_ONE_NODE}" for field in ("affinity", "topologySpreadConstraints")},
        **{
            f"spec.{field}": f"{field} {_PLAIN}"
            for field in (
                "dnsConfig", "dnsPolicy", "hostAliases", "hostIPC", "hostNetwork", "hostPID", "priorityClassName",
                "readinessGates", "runtimeClassName", "schedulerName", "schedulingGates", "setHostnameAsFQDN",
                "shareProcessNamespace",
            )
        },
    },
    "poddisruptionbudgets.policy": {"spec.unhealthyPodEvictionPolicy": f"unhealthyPodEvictionPolicy {_PLAIN}"},
    "services": {
        **{
            f"spec.{field}": f"{field} {_PLAIN}"
            for field in ("externalIPs", "externalTrafficPolicy", "internalTrafficPolicy", "loadBalancerIP",
                          "loadBalancerSourceRanges", "trafficDistribution")
        },
        "spec.sessionAffinity": "sessionAffinity has no effect in the embedded cluster: "
        "on loopback all clients are one",
    },
}  # fmt: skip
"""By resource: the field, and what to say when it is set. Pod fields count in templates too.

Resources and securityContext stay quiet: every good manifest has them, and their lack
of effect is in the documentation.
"""
_USUAL = {
    "spec.dnsPolicy": "ClusterFirst",
    "spec.externalTrafficPolicy": "Cluster",
    "spec.internalTrafficPolicy": "Cluster",
    "spec.schedulerName": "default-scheduler",
    "spec.sessionAffinity": "None",
}
"""What a field says when it asks for nothing."""


def warnings_for(resource: str, obj: Object) -> list[str]:
    """What to warn about an object that was just accepted."""
    found = [text for path, text in NO_EFFECT.get(resource, {}).items() if _is_set(obj, path)]
    template = obj.get("spec", {}).get("template") if resource.endswith(".apps") else None
    if template:
        found += [f"spec.template.{p}: {text}" for p, text in NO_EFFECT["pods"].items() if _is_set(template, p)]
    if resource == "services" and obj.get("spec", {}).get("type") == "LoadBalancer":
        found.append(
            "type LoadBalancer is no more than NodePort in the embedded cluster: reach the cluster IP directly"
        )
    if resource == "services":
        spec = obj.get("spec", {})
        found += [f"port {p['port']}: {p['protocol']} is not served by the embedded cluster, which serves TCP alone"
                  for p in spec.get("ports", []) if p.get("protocol") != "TCP"]  # fmt: skip
    return found


def _is_set(obj: Object, path: str) -> bool:
    value = value_at(obj, path)
    return bool(value) and value != _USUAL.get(path)
