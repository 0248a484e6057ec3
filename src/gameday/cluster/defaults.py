"""What the API server fills in before it stores an object, as far as clients see it. Pure; edits in place."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]

_STATUS: dict[str, Object] = {
    "namespaces": {"phase": "Active"},
    "nodes": {},
    "pods": {"phase": "Pending"},
    "services": {"loadBalancer": {}},
    "deployments.apps": {},
    "replicasets.apps": {"replicas": 0},
    "poddisruptionbudgets.policy": {
        "currentHealthy": 0,
        "desiredHealthy": 0,
        "disruptionsAllowed": 0,
        "expectedPods": 0,
    },
}
"""The status of a new object; resources that are not here have none."""


def has_status(resource: str) -> bool:
    """Whether a resource keeps its status apart from its spec."""
    return resource in _STATUS


def reset_status(resource: str, obj: Object) -> None:
    """Give a new object the status it starts with, whatever the client sent."""
    if resource in _STATUS:
        obj["status"] = dict(_STATUS[resource])
    if resource == "pods":
        obj["status"]["qosClass"] = qos_class(obj.get("spec", {}))


def apply_defaults(resource: str, obj: Object) -> None:
    """Fill in what the client left out of an object that has the right shape."""
    meta = obj.setdefault("metadata", {})
    spec = obj.setdefault("spec", {}) if has_status(resource) else obj.get("spec", {})
    match resource:
        case "namespaces":
            spec.setdefault("finalizers", ["kubernetes"])
            meta.setdefault("labels", {})["kubernetes.io/metadata.name"] = meta.get("name", "")
        case "pods":
            spec.setdefault("enableServiceLinks", True)
            spec.setdefault("serviceAccountName", "default")
            spec["serviceAccount"] = spec["serviceAccountName"]
            spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
            spec.setdefault("priority", 0)
            default_pod_spec(spec)
            _default_requests(spec)
        case "deployments.apps":
            _default_deployment(spec)
        case "replicasets.apps":
            spec.setdefault("replicas", 1)
            default_pod_spec(spec.setdefault("template", {}).setdefault("spec", {}))
        case "services":
            _default_service(spec)
        case "events":
            obj.setdefault("involvedObject", {})
        case "secrets":
            obj.setdefault("type", "Opaque")
            for key, value in obj.pop("stringData", {}).items():
                obj.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()


def _default_requests(spec: Object) -> None:
    """What has a limit and no request, requests its limit; in pods, not in templates."""
    for _, container in containers(spec):
        resources = container["resources"]
        if resources.get("limits"):
            resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}


def _default_deployment(spec: Object) -> None:
    spec.setdefault("replicas", 1)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxSurge", "25%")
        rolling.setdefault("maxUnavailable", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    default_pod_spec(spec.setdefault("template", {}).setdefault("spec", {}))


def _default_service(spec: Object) -> None:
    kind = spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if kind != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
    if kind in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    for port in spec.get("ports", []):
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))


def default_pod_spec(spec: Object) -> None:
    """Defaults of a pod's spec or of a template's, containers and volumes included."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    if spec.get("serviceAccountName"):
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
    for container in spec.get("initContainers", []) + spec.get("containers", []):
        _default_container(container)
    for volume in spec.get("volumes", []):
        _default_volume(volume)


def _default_container(container: Object) -> None:
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("resources", {})
    container.setdefault("imagePullPolicy", _pull_policy(container.get("image", "")))
    for port in container.get("ports", []):
        port.setdefault("protocol", "TCP")
    for variable in container.get("env", []):
        if reference := variable.get("valueFrom", {}).get("fieldRef"):
            reference.setdefault("apiVersion", "v1")
    lifecycle = container.get("lifecycle", {})
    for hook in ("postStart", "preStop"):
        _default_http_get(lifecycle.get(hook, {}))
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe in container:
            _default_probe(container[probe])


def _pull_policy(image: str) -> str:
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return "Always" if not digest and tag in ("", "latest") else "IfNotPresent"


def _default_probe(probe: Object) -> None:
    for field, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1),
                         ("failureThreshold", 3)):  # fmt: skip
        probe[field] = probe.get(field) or value
    _default_http_get(probe)
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def _default_http_get(handler: Object) -> None:
    if get := handler.get("httpGet"):
        get.setdefault("path", "/")
        get.setdefault("scheme", "HTTP")


def _default_volume(volume: Object) -> None:
    if set(volume) <= {"name"}:
        volume["emptyDir"] = {}
    for source in ("configMap", "secret", "projected", "downwardAPI"):
        if source in volume:
            volume[source].setdefault("defaultMode", 0o644)


def containers(spec: Object) -> Iterator[tuple[str, Object]]:
    """A pod spec's containers, each with its path within the spec, init containers first."""
    for field in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(field) or []):
            yield f"{field}[{index}]", container


def qos_class(spec: Object) -> str:
    """BestEffort, Burstable or Guaranteed, by the requests and limits of the containers."""
    resources = [c.get("resources") or {} for _, c in containers(spec)]
    if not any(r.get("limits") or r.get("requests") for r in resources):
        return "BestEffort"
    for of_one in resources:
        limits = of_one.get("limits") or {}
        if not {"cpu", "memory"} <= set(limits) or (of_one.get("requests") or limits) != limits:
            return "Burstable"
    return "Guaranteed"
