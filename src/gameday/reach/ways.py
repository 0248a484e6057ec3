"""Which way leads to a Service or a pod, and the address to connect to."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError

from gameday.kube import ApiException
from gameday.reach.forward import Forwards, Goal
from gameday.reach.stream import ReachError, tls_context

if TYPE_CHECKING:
    from gameday.kube import Kube

__all__ = ["WAYS", "Endpoint", "ReachError", "described", "is_certain", "nodes_answer", "pod_address"]
__all__ += ["service_address", "service_url", "shop_url", "way"]

WAYS = ("auto", "cluster", "nodeport", "port-forward")
"""What `GAMEDAY_REACH` may say."""

EDGE = "edge"
_TIMEOUT_S = 5.0
_PROBE_S = 1.0
_KUBELET_PORT = 10250
_known: dict[str, str] = {}
_forwards: dict[str, Forwards] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class Endpoint:
    """One ready endpoint of a Service: the pod's address and port, and its name where the API tells it."""

    ip: str
    port: int
    pod: str | None


def service_address(kube: Kube, namespace: str, service: str, port_name: str | None = None) -> tuple[str, int]:
    """Where to connect for a Service's port, by name or its first. Raises LookupError when it has none such."""
    spec = _spec(kube, namespace, service)
    port = _port(spec, namespace, service, port_name)
    if way(kube, spec.get("clusterIP")) == "port-forward":
        return _through(kube).address(Goal(namespace, service=service, port_name=port.get("name")))
    return str(spec["clusterIP"]), int(port["port"])


def pod_address(kube: Kube, namespace: str, endpoint: Endpoint) -> tuple[str, int]:
    """Where to connect for one ready endpoint of a Service. Raises ReachError when only a pod could be reached."""
    if way(kube, endpoint.ip) == "port-forward":
        if endpoint.pod is None:
            raise ReachError(f"endpoint {namespace}/{endpoint.ip} is no pod, and a port-forward leads to pods only")
        return _through(kube).address(Goal(namespace, pod=endpoint.pod, port=endpoint.port))
    return endpoint.ip, endpoint.port


def service_url(kube: Kube, namespace: str, service: str, port_name: str = "http") -> str:
    """`http://address:port` of a Service. Raises LookupError without such a port."""
    address, port = service_address(kube, namespace, service, port_name)
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def shop_url(kube: Kube, namespace: str) -> str:
    """Where shoppers go: the edge of the namespace. Raises ReachError when the way asked for does not lead there."""
    given = os.environ.get("GAMEDAY_SHOP_URL")
    if given:
        return given.rstrip("/")
    if _asked() == "nodeport":
        return _node_url(kube, namespace)
    return service_url(kube, namespace, EDGE)


def described(kube: Kube, namespace: str) -> str:
    """The way to the shop in words. Raises as `shop_url` does, and when a port-forward is the way but none opens."""
    url = shop_url(kube, namespace)
    if os.environ.get("GAMEDAY_SHOP_URL"):
        return f"the URL given ({url})"
    if _asked() == "nodeport":
        return f"NodePort ({url})"
    if way(kube, _spec(kube, namespace, EDGE).get("clusterIP")) == "cluster":
        return "Service addresses"
    _through(kube).check(Goal(namespace, service=EDGE, port_name="http"))
    return "port-forward"


def is_certain() -> bool:
    """Whether `shop_url` leads to the namespace for certain: not when all we have is an address outside of it."""
    return not os.environ.get("GAMEDAY_SHOP_URL") and _asked() != "nodeport"


def way(kube: Kube, address: str | None = None) -> str:
    """`cluster` or `port-forward`: how addresses of this cluster are reached; of that `address` if it is given.

    Found out once for each process and API server. Nothing is asked when a port-forward is wanted, or when the
    address is on the loopback, where only this machine's own cluster can be. Raises ReachError when Service
    addresses are wanted and not proven to be this cluster's.
    """
    asked = _asked()
    if kube.inside:
        return "cluster"
    if asked == "port-forward":
        return asked
    if address and _is_loopback(address):
        return "cluster"
    host = str(kube.client.configuration.host)
    with _lock:
        if host not in _known:
            _known[host] = "cluster" if _is_routed(kube) else "port-forward"
        found = _known[host]
    if asked == "cluster" and found != asked:
        raise ReachError(
            "--reach cluster: the API does not answer at its own Service address from here with a certificate of its "
            "cluster, so Service addresses may lead to another one; choose --reach port-forward"
        )
    return found


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:  # the `None` of a headless Service
        return False


def _asked() -> str:
    asked = os.environ.get("GAMEDAY_REACH") or "auto"
    if asked not in WAYS:
        raise ReachError(f"GAMEDAY_REACH is {asked!r}, expected one of {', '.join(WAYS)}")
    return asked


def _is_routed(kube: Kube) -> bool:
    """Whether Service addresses lead from here into this very cluster, and not to a stranger of the same address.

    The API server answers at the Service `kubernetes` too, with a certificate that the cluster's own authority
    signed. Where that cannot be checked the answer is no: a port-forward is always right.
    """
    context = tls_context(kube)
    if context is None or context.verify_mode != ssl.CERT_REQUIRED:
        return False
    context.check_hostname = True
    try:
        spec = _spec(kube, "default", "kubernetes")
        with (
            socket.create_connection((spec["clusterIP"], spec["ports"][0]["port"]), timeout=_PROBE_S) as plain,
            context.wrap_socket(plain, server_hostname="kubernetes.default.svc"),
        ):
            return True
    except (ApiException, HTTPError, OSError, LookupError):
        return False


def nodes_answer(kube: Kube) -> bool:
    """Whether a node's kubelet listens at its address from here, so that a NodePort would be reached there too."""
    for host in _node_addresses(kube):
        try:
            with socket.create_connection((host, _KUBELET_PORT), timeout=_PROBE_S):
                return True
        except OSError:
            continue
    return False


def _node_url(kube: Kube, namespace: str) -> str:
    spec = _spec(kube, namespace, EDGE)
    port = _port(spec, namespace, EDGE, "http").get("nodePort")
    if not port:
        raise ReachError(f"service {namespace}/{EDGE} has no NodePort; choose another --reach, or make it a NodePort")
    hosts = [*_node_addresses(kube), urlsplit(str(kube.client.configuration.host)).hostname or ""]
    for host in filter(None, hosts):
        try:
            with socket.create_connection((host, port), timeout=_PROBE_S):
                return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        except OSError:
            continue
    raise ReachError(f"port {port} answers on no node from here ({', '.join(hosts)}); choose another --reach")


def _node_addresses(kube: Kube) -> list[str]:
    try:
        nodes = kube.plain(kube.core.list_node(_request_timeout=_TIMEOUT_S))["items"]
    except ApiException:
        return []  # nodes are nothing that everybody may list
    found = [a for node in nodes for a in node.get("status", {}).get("addresses") or []]
    return [str(a["address"]) for kind in ("ExternalIP", "InternalIP") for a in found if a["type"] == kind]


def _through(kube: Kube) -> Forwards:
    host = str(kube.client.configuration.host)
    with _lock:
        if host not in _forwards:
            _forwards[host] = Forwards(kube)
        return _forwards[host]


def _spec(kube: Kube, namespace: str, service: str) -> dict[str, Any]:
    found = kube.plain(kube.core.read_namespaced_service(service, namespace, _request_timeout=_TIMEOUT_S))
    return dict(found["spec"])


def _port(spec: dict[str, Any], namespace: str, service: str, name: str | None) -> dict[str, Any]:
    ports = spec.get("ports") or []
    found = next((p for p in ports if name is None or p.get("name") == name), None)
    if found is None:
        raise LookupError(f"service {namespace}/{service} has no port named {name}")
    return dict(found)
