"""What the API server adds to an object before it is stored: addresses, ports of the node, tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gameday.cluster.accounts import missing_account, mount_token
from gameday.cluster.addresses import AddressError
from gameday.cluster.api import AdmissionError
from gameday.cluster.api.errors import ApiError
from gameday.cluster.reconcile import name_of

if TYPE_CHECKING:
    from gameday.cluster.addresses import Addresses
    from gameday.cluster.store import Object, Store

NODE_PORTS = range(30000, 32768)


class Admission:
    """Completes pods and Services; raises AdmissionError or ApiError for those that cannot be."""

    def __init__(self, store: Store, addresses: Addresses) -> None:
        self._store = store
        self._addresses = addresses

    def admit(self, resource: str, obj: Object) -> None:
        """Give a Service its address and ports, and a new pod its service account's token."""
        meta = obj["metadata"]
        if resource == "services":
            self._assign_node_ports(obj)
            self._assign_address(obj)
        elif resource == "pods" and not self._store.find("pods", meta["namespace"], meta["name"]):
            self._check_account(obj)
            mount_token(self._store, obj)

    def release(self, address: str) -> None:
        """Take back a Service's address, unless one still has it."""
        if not any(address == s["spec"].get("clusterIP") for s in self._store.list("services")):
            self._addresses.services.release(address)

    def _assign_address(self, service: Object) -> None:
        spec, meta = service["spec"], service["metadata"]
        if spec.get("type") == "ExternalName":
            return
        if not spec.get("clusterIP"):
            try:
                spec["clusterIP"] = self._addresses.services.take()
            except AddressError as problem:
                raise _full("serviceIP") from problem
            return
        old = self._store.find("services", meta.get("namespace", ""), meta.get("name", ""))
        if spec["clusterIP"] == "None" or (old and old["spec"].get("clusterIP") == spec["clusterIP"]):
            return
        try:
            self._addresses.services.claim(spec["clusterIP"])
        except AddressError as problem:
            raise AdmissionError(f"spec.clusterIPs: Invalid value: {problem}") from problem

    def _assign_node_ports(self, service: Object) -> None:
        ports = service["spec"].get("ports", [])
        if service["spec"]["type"] not in ("NodePort", "LoadBalancer"):
            for port in ports:
                port.pop("nodePort", None)
            return
        others = [s for s in self._store.list("services") if name_of(s) != name_of(service)]
        taken = {port.get("nodePort") for other in others for port in other["spec"].get("ports", [])}
        free = (number for number in NODE_PORTS if number not in taken)
        for port in ports:
            number = port["nodePort"] = port.get("nodePort") or next(free, 0)
            if not number:
                raise _full("nodePort")
            why = "already allocated" if number in taken else ""
            if number not in NODE_PORTS:
                why = "not in the valid range. The range of valid ports is 30000-32767"
            if why:
                raise AdmissionError(f"spec.ports.nodePort: Invalid value: {number}: provided port is {why}")
            taken.add(number)

    def _check_account(self, pod: Object) -> None:
        if why := missing_account(self._store, pod):
            name = pod["metadata"]["name"]
            raise ApiError(403, f'pods "{name}" is forbidden: {why}', details={"name": name, "kind": "pods"})


def _full(what: str) -> ApiError:
    return ApiError(500, f"Internal error occurred: failed to allocate a {what}: range is full")
