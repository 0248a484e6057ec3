"""A connection to a Kubernetes API, as activities and the runner use it.

Wraps the official client with what a chaos tool needs: the context is explicit,
no proxy from the environment ever catches the traffic (loopback least of all),
and a failure says which cluster could not be reached.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError
from yaml import YAMLError

__all__ = [
    "ApiException",
    "ClusterUnreachableError",
    "Kube",
    "connect",
    "connect_from_environment",
    "one_line",
    "spare_from_proxies",
]

HARMLESS = ("gameday-", "kind-")
"""How the contexts of embedded and of kind clusters begin."""


class ClusterUnreachableError(Exception):
    """The kubeconfig cannot be used or the API server does not answer; the message is one line."""


def one_line(problem: BaseException) -> str:
    """What an exception says, or its name when it says nothing."""
    return " ".join(str(problem).split()) or type(problem).__name__


@dataclass(frozen=True)
class Kube:
    """Typed entry points to one cluster, over one connection pool."""

    context: str
    client: Any
    core: client.CoreV1Api
    apps: client.AppsV1Api
    inside: bool = False
    """Whether this is a pod of that cluster: then its addresses lead where they should."""

    def is_harmless(self) -> bool:
        """Whether it is an embedded or a kind cluster: by its context's name, and by an address of this machine."""
        host = urlsplit(str(self.client.configuration.host)).hostname or ""
        try:
            local = host == "localhost" or ip_address(host).is_loopback
        except ValueError:  # a name, wherever that leads
            local = False
        return local and self.context.startswith(HARMLESS)

    def plain(self, obj: Any) -> Any:
        """A client's model object as the JSON-ready dict that went over the wire."""
        return self.client.sanitize_for_serialization(obj)

    def check(self) -> None:
        """Raise ClusterUnreachableError unless the API server answers within 5 s."""
        try:
            self.core.get_api_resources(_request_timeout=5)
        except (ApiException, HTTPError, OSError) as problem:
            said = getattr(problem, "reason", None) or problem
            raise ClusterUnreachableError(
                f"context {self.context}: the API server at {self.client.configuration.host} does not answer: {said}"
            ) from problem


def connect(*, kubeconfig: str | os.PathLike[str] | None = None, context: str | None = None) -> Kube:
    """Connect by a kubeconfig (default: $KUBECONFIG, ~/.kube/config) and a context of it.

    Raises ClusterUnreachableError when the file or the context is unusable. Sends nothing yet.
    """
    settings = client.Configuration()
    path = os.fspath(kubeconfig) if kubeconfig else None
    try:
        config.load_kube_config(config_file=path, context=context, client_configuration=settings)  # type: ignore[no-untyped-call]
        name = context or config.list_kube_config_contexts(config_file=path)[1]["name"]  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError, LookupError, ValueError, TypeError, AttributeError, YAMLError) as problem:
        where, said = path or os.environ.get("KUBECONFIG") or "~/.kube/config", one_line(problem)
        raise ClusterUnreachableError(f"kubeconfig {where}, context {context or '(current)'}: {said}") from problem
    settings.proxy = None
    settings.retries = 3
    api = client.ApiClient(settings)
    return Kube(str(name), api, client.CoreV1Api(api), client.AppsV1Api(api))


def connect_inside(account: str) -> Kube:
    """Connect from a pod, by the folder of its service account (where the embedded cluster has put that).

    Raises ClusterUnreachableError when this is no pod.
    """
    settings = client.Configuration()
    try:
        config.incluster_config.InClusterConfigLoader(  # type: ignore[no-untyped-call]
            token_filename=f"{account}/token", cert_filename=f"{account}/ca.crt"
        ).load_and_set(settings)
    except (config.ConfigException, OSError) as problem:
        raise ClusterUnreachableError(f"no service account in {account}: {one_line(problem)}") from problem
    settings.proxy = None
    settings.retries = 3
    api = client.ApiClient(settings)
    return Kube("in-cluster", api, client.CoreV1Api(api), client.AppsV1Api(api), inside=True)


def connect_from_environment() -> Kube:
    """Connect as Chaos Toolkit's users configure it: $KUBECONFIG and $KUBERNETES_CONTEXT."""
    # Spelled out, as the client reads $KUBECONFIG once only, when it is imported.
    named = os.environ.get
    return connect(kubeconfig=named("KUBECONFIG") or None, context=named("KUBERNETES_CONTEXT") or None)


def spare_from_proxies(kube: Kube) -> None:
    """Keep code that goes by the environment's proxies from sending API calls through them: name the API's host there.

    For chaostoolkit-kubernetes and for WebSockets, which look at $NO_PROXY and $no_proxy by themselves.
    """
    host = urlsplit(kube.client.configuration.host).hostname or ""
    for variable in ("NO_PROXY", "no_proxy"):
        named = [n for n in os.environ.get(variable, "").split(",") if n]
        if host not in named and (variable == "NO_PROXY" or variable in os.environ):
            os.environ[variable] = ",".join([*named, host])
