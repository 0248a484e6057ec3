"""The control line to the fault proxy before a Service: its names, its token, its faults.

Only the control of proxies that exist; putting them in place is `gameday.activities.insertion`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gameday import reach
from gameday.ledger.calls import find
from gameday.ledger.exchange import ExchangeError, exchange

if TYPE_CHECKING:
    from gameday.kube import Kube

PROXY_LABEL = "gameday.dev/fault-proxy"
"""Label of a proxy's pods and objects; its value is the name of the Service it stands before."""

FAULT_LABEL = "gameday.dev/fault"
"""Label of every object that a fault made; its value is the fault's id."""

TOKEN_KEY = "token"  # noqa: S105  # the name of a key, not a secret


@dataclass(frozen=True)
class ProxyNames:
    """How the objects of the proxy before `service` are called."""

    service: str

    @property
    def origin(self) -> str:
        """The Service that keeps the original selector."""
        return f"{self.service}-gameday-origin"

    @property
    def control(self) -> str:
        """The Service of the control port."""
        return f"{self.service}-gameday-control"

    @property
    def proxy(self) -> str:
        """The Deployment, and the Secret with its token."""
        return f"{self.service}-gameday-proxy"


def origin_of(kube: Kube, namespace: str, service: str) -> str:
    """The Service that leads past a fault proxy before `service`: its origin's, or itself where there is no proxy.

    Whoever only looks on goes there: it is neither delayed, nor taken for traffic that a fault touched.
    """
    origin = ProxyNames(service).origin
    return origin if find(kube.core.read_namespaced_service, origin, namespace) is not None else service


def proxy_exists(kube: Kube, namespace: str, service: str) -> bool:
    """Whether the proxy's Deployment is there and not being deleted."""
    found = find(kube.apps.read_namespaced_deployment, ProxyNames(service).proxy, namespace)
    return found is not None and found.metadata.deletion_timestamp is None


class ProxyControl:
    """Talks to one proxy. Raises ExchangeError when the proxy cannot be reached."""

    def __init__(self, kube: Kube, namespace: str, service: str) -> None:
        self.service = service
        names = ProxyNames(service)
        secret = find(kube.core.read_namespaced_secret, names.proxy, namespace)
        if secret is None or find(kube.core.read_namespaced_service, names.control, namespace) is None:
            raise ExchangeError(f"service {namespace}/{service}: there is no fault proxy before it; insert one first")
        self._token = base64.b64decode(secret.data[TOKEN_KEY]).decode()
        self._base = reach.service_url(kube, namespace, names.control)

    def faults(self) -> dict[str, Any]:
        """The faults that the proxy applies now, by id."""
        answer = exchange(f"{self._base}/fault", token=self._token)
        return dict(answer["faults"])

    def set(self, fault: dict[str, Any]) -> dict[str, Any]:
        """Set a fault as `gameday.faultproxy.faults` reads it; the proxy itself drops it after its `ttl_s` seconds."""
        return dict(exchange(f"{self._base}/fault", method="POST", body=fault, token=self._token))

    def clear(self, fault_id: str) -> None:
        """Take a fault out; one that is not there is fine."""
        exchange(f"{self._base}/fault/{fault_id}", method="DELETE", token=self._token)

    def stats(self) -> dict[str, Any]:
        """What passed through: `connections`, `bytes_up`, `bytes_down`, `requests`, and by fault id what it touched."""
        return dict(exchange(f"{self._base}/stats", token=self._token))
