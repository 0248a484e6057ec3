"""Whether a fault proxy can stand before a Service, and the objects that put it there. Pure."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gameday.ledger.decisions import selector_change
from gameday.ledger.proxies import FAULT_LABEL, PROXY_LABEL, TOKEN_KEY, ProxyNames

if TYPE_CHECKING:
    from collections.abc import Iterable

CONTROL_PORT_NAME = "gameday-control"
FIRST_UNPRIVILEGED_PORT = 1024
MAX_NAME = 63
STOREFRONT = "gameday/storefront"
"""How the name of an image ends that has the fault proxy in it; its registry may be any."""
DEFAULT_IMAGE = f"{STOREFRONT}:dev"

Object = dict[str, Any]


def refusal(service: Object) -> str | None:
    """Why a fault proxy cannot stand before this Service, in words; None when it can."""
    spec, name = service["spec"], service["metadata"]["name"]
    selector = spec.get("selector") or {}
    checks = (
        (spec.get("type") == "ExternalName", "its type is ExternalName: it leads out of the cluster"),
        (spec.get("clusterIP") in (None, "", "None"), "it is headless: clients reach its pods by themselves"),
        (not selector, "it has no selector: its endpoints are kept by somebody else"),
        (PROXY_LABEL in selector, "a fault proxy stands before it already"),
        (spec.get("sessionAffinity", "None") != "None", "it has session affinity: the proxy would merge all clients"),
        (
            "Local" in (spec.get("externalTrafficPolicy"), spec.get("internalTrafficPolicy")),
            "its traffic policy is Local: clients on other nodes than the proxy's would get nothing",
        ),
        (len(ProxyNames(name).control) > MAX_NAME, "its name is too long to derive the proxy's names from"),
    )
    return next((why for bad, why in checks if bad), None) or _port_refusal(spec["ports"])


def _port_refusal(ports: list[Object]) -> str | None:
    for port in ports:
        if port.get("protocol", "TCP") != "TCP":
            return f"port {port['port']} is {port['protocol']}, only TCP is supported"
        target = port.get("targetPort", port["port"])
        if isinstance(target, int) and target < FIRST_UNPRIVILEGED_PORT:
            return f"targetPort {target} is below {FIRST_UNPRIVILEGED_PORT}: the proxy has no privilege to listen there"
    return None


@dataclass(frozen=True)
class Route:
    """One port of the proxy: what it listens on, under which container port name, and the origin's port."""

    listen: int
    upstream: int
    name: str | None


def routes(ports: list[Object]) -> list[Route]:
    """A route for each distinct targetPort: a numbered one keeps its number, a named one its name."""
    made: list[Route] = []
    targets = [p.get("targetPort", p["port"]) for p in ports]
    numbered: set[int] = {t for t in targets if isinstance(t, int)}
    named: set[str] = set()
    used: set[int] = set(numbered)
    for port, target in zip(ports, targets, strict=True):
        if isinstance(target, int):
            if target in numbered:
                numbered.discard(target)
                made.append(Route(target, port["port"], None))
        elif isinstance(target, str) and target not in named:
            named.add(target)
            listen = _free(port["port"] if port["port"] >= FIRST_UNPRIVILEGED_PORT else 20_000, used)
            made.append(Route(listen, port["port"], target))
    return made


def control_port(made: list[Route]) -> int:
    """A port for the control line that no route uses."""
    return _free(9900, {route.listen for route in made})


def _free(first: int, used: set[int]) -> int:
    port = next(p for p in range(first, 65_536) if p not in used)
    used.add(port)
    return port


def proxy_selector(service: str) -> dict[str, str]:
    """The selector that leads to the proxy before `service`, and to nothing else."""
    return {PROXY_LABEL: service}


def selector_patch(service: Object) -> Object:
    """The patch that leads a Service to its proxy: the old keys become null, or a merge would keep them."""
    name, old = service["metadata"]["name"], dict(service["spec"]["selector"])
    meta = {"uid": service["metadata"]["uid"], "resourceVersion": service["metadata"]["resourceVersion"]}
    return {"metadata": meta, "spec": {"selector": selector_change(old, proxy_selector(name))}}


def _meta(name: str, service: str, fault_id: str) -> Object:
    labels = {PROXY_LABEL: service, FAULT_LABEL: fault_id, "app.kubernetes.io/managed-by": "gameday"}
    return {"name": name, "labels": labels}


def secret_object(service: str, fault_id: str, token: str) -> Object:
    """The Secret with the token of the control line."""
    names = ProxyNames(service)
    return {"metadata": _meta(names.proxy, service, fault_id), "type": "Opaque", "stringData": {TOKEN_KEY: token}}


def origin_object(service: Object, fault_id: str) -> Object:
    """The Service that keeps the original selector and ports, under another name and address."""
    name = service["metadata"]["name"]
    kept = ("name", "port", "protocol", "targetPort", "appProtocol")
    ports = [{k: p[k] for k in kept if k in p} for p in service["spec"]["ports"]]
    spec = {"type": "ClusterIP", "selector": service["spec"]["selector"], "ports": ports}
    return {"metadata": _meta(ProxyNames(name).origin, name, fault_id), "spec": spec}


def control_object(service: str, fault_id: str, port: int) -> Object:
    """The Service of the control line."""
    ports = [{"name": "http", "port": port, "targetPort": CONTROL_PORT_NAME}]
    spec = {"type": "ClusterIP", "selector": proxy_selector(service), "ports": ports}
    return {"metadata": _meta(ProxyNames(service).control, service, fault_id), "spec": spec}


def proxy_image(deployments: Iterable[Object]) -> str:
    """The image that a proxy is made of: the one given, or that of the storefront beside it."""
    images = (c["image"] for d in deployments for c in d["spec"]["template"]["spec"]["containers"])
    ours = (image for image in images if image.partition("@")[0].rpartition(":")[0].endswith(STOREFRONT))
    return os.environ.get("GAMEDAY_IMAGE") or next(ours, DEFAULT_IMAGE)


def deployment_object(
    service: str, fault_id: str, made: list[Route], upstream: str, image: str = DEFAULT_IMAGE
) -> Object:
    """The proxy itself: one pod, no privilege, a port for each route and one for control."""
    names, control = ProxyNames(service), control_port(made)
    labels = proxy_selector(service)
    route_ports = [{"containerPort": r.listen, **({"name": r.name} if r.name else {})} for r in made]
    token = {"secretKeyRef": {"name": names.proxy, "key": TOKEN_KEY}}
    container = {
        "name": "proxy",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", "gameday.faultproxy"],
        "env": [
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "ROUTES", "value": ",".join(f"{r.listen}={r.upstream}" for r in made)},
            {"name": "UPSTREAM_HOST", "value": upstream},
            {"name": "CONTROL_PORT", "value": str(control)},
            {"name": "CONTROL_TOKEN", "valueFrom": token},
        ],
        "ports": [*route_ports, {"containerPort": control, "name": CONTROL_PORT_NAME}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": CONTROL_PORT_NAME}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    pod = {
        "terminationGracePeriodSeconds": 5,
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65_532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    template = {"metadata": {"labels": {**labels, FAULT_LABEL: fault_id}}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": _meta(names.proxy, service, fault_id), "spec": spec}
