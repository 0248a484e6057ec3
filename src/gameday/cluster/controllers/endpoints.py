"""Endpoints and EndpointSlices: which pods a Service sends traffic to, gated by their readiness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gameday.cluster.reconcile import Key, Loop, own_key
from gameday.cluster.records import is_active, is_ready, owner_reference
from gameday.cluster.selectors import matches

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gameday.cluster.store import Object, Store

SLICES = "endpointslices.discovery.k8s.io"
_MANAGER = "endpointslice-controller.k8s.io"


def make_loop(store: Store) -> Loop:
    """The controller of Endpoints and EndpointSlices."""

    def services(pod: Object) -> Iterable[Key]:
        namespace, labels = pod["metadata"]["namespace"], pod["metadata"].get("labels")
        found = store.list("services", namespace)
        return [(namespace, s["metadata"]["name"]) for s in found if _selects(s, labels)]

    return Loop(store, {"services": own_key, "pods": services}, lambda key: _reconcile(store, *key), "endpoints")


def _selects(service: Object, labels: dict[str, str] | None) -> bool:
    selector = service["spec"].get("selector")
    return bool(selector) and matches(selector, labels)


def _reconcile(store: Store, namespace: str, name: str) -> None:
    service = store.find("services", namespace, name)
    if service is None:
        for resource, key in (("endpoints", name), (SLICES, f"{name}-gameday")):
            if store.find(resource, namespace, key):
                store.delete(resource, namespace, key)
        return
    if not service["spec"].get("selector"):
        return  # its owner writes the endpoints
    selected = [p for p in store.list("pods", namespace) if _selects(service, p["metadata"].get("labels"))]
    pods = [p for p in selected if is_active(p) and p.get("status", {}).get("podIP")]
    _put(store, "endpoints", _endpoints(service, pods))
    _put(store, SLICES, _slice(service, pods))


def _put(store: Store, resource: str, obj: Object) -> None:
    meta = obj["metadata"]
    if store.find(resource, meta["namespace"], meta["name"]):
        store.update(resource, obj)
    else:
        store.create(resource, obj)


def _ports(service: Object, pod: Object) -> list[dict[str, Any]]:
    """The Service's ports as this pod serves them; a named target that it lacks is left out."""
    ports = []
    for port in service["spec"].get("ports", []):
        target = port.get("targetPort", port["port"])
        if isinstance(target, str):
            target = next((p["containerPort"] for c in pod["spec"]["containers"] for p in c.get("ports", [])
                           if p.get("name") == target), None)  # fmt: skip
        if target is not None:
            named = {"name": port["name"]} if port.get("name") else {}
            ports.append({**named, "port": target, "protocol": port.get("protocol", "TCP")})
    return ports


def _address(pod: Object) -> dict[str, Any]:
    meta = pod["metadata"]
    target = {"kind": "Pod", "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]}
    return {"ip": pod["status"]["podIP"], "nodeName": pod["spec"].get("nodeName", ""), "targetRef": target}


def _metadata(service: Object, name: str, **labels: str) -> Object:
    meta = service["metadata"]
    labels = {**(meta.get("labels") or {}), **labels}
    if service["spec"].get("clusterIP") == "None":
        labels["service.kubernetes.io/headless"] = ""
    return {"name": name, "namespace": meta["namespace"], **({"labels": labels} if labels else {})}


def _serving(service: Object, pod: Object) -> bool:
    return is_ready(pod) or bool(service["spec"].get("publishNotReadyAddresses"))


def _endpoints(service: Object, pods: list[Object]) -> Object:
    subsets: dict[str, dict[str, Any]] = {}
    for pod in pods:
        ports = _ports(service, pod)
        if not ports and service["spec"].get("ports"):
            continue  # it has none of the ports that are meant
        subset = subsets.setdefault(str(ports), {"ports": ports} if ports else {})
        field = "addresses" if _serving(service, pod) else "notReadyAddresses"
        subset.setdefault(field, []).append(_address(pod))
    obj: Object = {"apiVersion": "v1", "kind": "Endpoints", "metadata": _metadata(service, service["metadata"]["name"])}
    return {**obj, "subsets": list(subsets.values())} if subsets else obj


def _slice(service: Object, pods: list[Object]) -> Object:
    name, endpoints = service["metadata"]["name"], []
    for pod in pods:
        address = _address(pod)
        serving = _serving(service, pod)
        endpoints.append({
            "addresses": [address["ip"]], "nodeName": address["nodeName"], "targetRef": address["targetRef"],
            "conditions": {"ready": serving, "serving": serving, "terminating": False},
        })  # fmt: skip
    labels = {"kubernetes.io/service-name": name, "endpointslice.kubernetes.io/managed-by": _MANAGER}
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {**_metadata(service, f"{name}-gameday", **labels),
                     "ownerReferences": [owner_reference("services", service)]},
        "endpoints": endpoints, "ports": _ports(service, pods[0]) if pods else [],
    }  # fmt: skip
