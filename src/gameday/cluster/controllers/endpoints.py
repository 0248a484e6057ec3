"""Endpoints and EndpointSlices: which pods a Service sends traffic to, gated by their readiness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gameday.cluster.reconcile import Key, Loop, own_key
from gameday.cluster.records import is_active, is_over, is_ready, owner_reference
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
    if service and not service["spec"].get("selector"):
        return  # its owner writes the endpoints
    slices: list[Object] = []
    if service:
        selected = [p for p in store.list("pods", namespace) if _selects(service, p["metadata"].get("labels"))]
        pods = [p for p in selected if p.get("status", {}).get("podIP") and not is_over(p)]
        slices = _slices(service, pods)
        _put(store, "endpoints", _endpoints(service, [p for p in pods if is_active(p)]))
    elif store.find("endpoints", namespace, name):
        store.delete("endpoints", namespace, name)
    for one in slices:
        _put(store, SLICES, one)
    for old in store.list(SLICES, namespace):
        key, labels = old["metadata"]["name"], old["metadata"].get("labels") or {}
        if _of(name).items() <= labels.items() and key not in [one["metadata"]["name"] for one in slices]:
            store.delete(SLICES, namespace, key)


def _of(name: str) -> dict[str, str]:
    """The labels of a Service's slices."""
    return {"kubernetes.io/service-name": name, "endpointslice.kubernetes.io/managed-by": _MANAGER}


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


def _slices(service: Object, pods: list[Object]) -> list[Object]:
    """One for each set of ports, since pods may have other numbers for a name; an empty one without pods."""
    name, sets = service["metadata"]["name"], {str(ports := _ports(service, pod)): ports for pod in pods}
    return [{
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {**_metadata(service, f"{name}-gameday{number or ''}", **_of(name)),
                     "ownerReferences": [owner_reference("services", service)]},
        "endpoints": [_endpoint(service, pod) for pod in pods if _ports(service, pod) == ports], "ports": ports,
    } for number, (_, ports) in enumerate(sorted(sets.items()) or [("", [])])]  # fmt: skip


def _endpoint(service: Object, pod: Object) -> Object:
    """A pod in a slice, in which it stays while it ends."""
    address, ends = _address(pod), "deletionTimestamp" in pod["metadata"]
    ready = bool(service["spec"].get("publishNotReadyAddresses")) or (is_ready(pod) and not ends)
    return {"addresses": [address["ip"]], "nodeName": address["nodeName"], "targetRef": address["targetRef"],
            "conditions": {"ready": ready, "serving": is_ready(pod), "terminating": ends}}  # fmt: skip
