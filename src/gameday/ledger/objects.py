"""Reading and patching the one field of an object that an undo operation is about."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from gameday.ledger import containers
from gameday.ledger.calls import find, persist
from gameday.ledger.decisions import selector_change, selector_text
from gameday.ledger.entries import DeleteMade, SetConfig, SetContainer, SetReplicas, SetSelector, SetServicePorts

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.kube import Kube

Field = SetReplicas | SetSelector | SetConfig | SetServicePorts | SetContainer
"""The operations that put one field of an existing object back."""


def label(namespace: str, operation: Field) -> str:
    """The object and field, for messages: `deployment shop/web: spec.replicas`."""
    match operation:
        case SetReplicas():
            return f"deployment {namespace}/{operation.deployment} spec.replicas"
        case SetSelector():
            return f"service {namespace}/{operation.service} spec.selector"
        case SetConfig():
            return f"configmap {namespace}/{operation.config_map} data"
        case SetServicePorts():
            return f"service {namespace}/{operation.service} spec.ports"
        case SetContainer():
            what = f"{operation.field} {operation.variable}" if operation.variable else operation.field
            return f"deployment {namespace}/{operation.deployment} container {operation.container} {what}"


def brief(value: Any) -> str:
    """A value for a message, 80 characters at most."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004


def read(kube: Kube, namespace: str, operation: Field) -> Any | None:
    """The object as it is now, or None."""
    match operation:
        case SetReplicas():
            return find(kube.apps.read_namespaced_deployment, operation.deployment, namespace)
        case SetSelector():
            return find(kube.core.read_namespaced_service, operation.service, namespace)
        case SetConfig():
            return find(kube.core.read_namespaced_config_map, operation.config_map, namespace)
        case SetServicePorts():
            return raw(kube.core.read_namespaced_service, operation.service, namespace)
        case SetContainer():
            return raw(kube.apps.read_namespaced_deployment, operation.deployment, namespace)


def raw(call: Any, *args: Any, **options: Any) -> Any | None:
    """An object as it went over the wire, whatever of it the client knows: {metadata: {uid}, body}; None without it."""
    answer = find(call, *args, _preload_content=False, **options)
    if answer is None:
        return None
    body = json.loads(answer.data)
    return SimpleNamespace(metadata=SimpleNamespace(uid=body["metadata"]["uid"]), body=body)


def label_left(found: Any, operation: Field) -> bool:
    """Whether the object's template still carries the fault's label, which nobody else would have set."""
    return isinstance(operation, SetContainer) and containers.label_of(found.body) == operation.label


def value(found: Any, operation: Field) -> Any:
    """The field's present value, comparable with the operation's `old` and `fault`."""
    match operation:
        case SetReplicas():
            return found.spec.replicas
        case SetSelector():
            return dict(found.spec.selector or {})
        case SetConfig():
            data = found.data or {}
            return {key: data.get(key) for key in operation.old}
        case SetServicePorts():
            return found.body["spec"].get("ports")
        case SetContainer():
            return containers.value_of(found.body, operation.container, operation.field, operation.variable)


def patching(kube: Kube, operation: Field) -> tuple[Callable[..., Any], str]:
    """The call that patches the object, and the object's name."""
    match operation:
        case SetReplicas() | SetContainer():
            return kube.apps.patch_namespaced_deployment, operation.deployment
        case SetSelector() | SetServicePorts():
            return kube.core.patch_namespaced_service, operation.service
        case SetConfig():
            return kube.core.patch_namespaced_config_map, operation.config_map


def undoing(operation: Field, found: Any) -> Any:
    """The body of the patch that puts the field back, provided the object is still as found."""
    match operation:
        case SetServicePorts():
            return containers.ports_undoing(operation)
        case SetContainer():
            return containers.undoing(found.body, operation)
        case SetReplicas():
            body: dict[str, Any] = {"spec": {"replicas": operation.old}}
        case SetSelector():
            body = {"spec": {"selector": selector_change(dict(found.spec.selector or {}), operation.old)}}
        case SetConfig():
            body = {"data": operation.old}
    return {"metadata": {"resourceVersion": found.metadata.resource_version}, **body}


def leads_to(kube: Kube, namespace: str, service: str, selector: dict[str, str]) -> bool:
    """Whether the Service's endpoints still hold a pod that `selector` matches."""
    endpoints = find(kube.core.read_namespaced_endpoints, service, namespace)
    if endpoints is None or not endpoints.subsets:
        return False
    pods = persist(kube.core.list_namespaced_pod, namespace, label_selector=selector_text(selector)).items
    addresses = {pod.status.pod_ip for pod in pods}
    return any(a.ip in addresses for subset in endpoints.subsets for a in subset.addresses or [])


def leads_to_all(kube: Kube, namespace: str, service: str, selector: dict[str, str]) -> bool:
    """Whether the Service's endpoints, ready or not, hold every pod that `selector` matches and that runs."""
    endpoints = find(kube.core.read_namespaced_endpoints, service, namespace)
    subsets = (endpoints.subsets or []) if endpoints is not None else []
    held = {a.ip for subset in subsets for a in [*(subset.addresses or []), *(subset.not_ready_addresses or [])]}
    pods = persist(kube.core.list_namespaced_pod, namespace, label_selector=selector_text(selector)).items
    live = [pod for pod in pods if pod.metadata.deletion_timestamp is None and pod.status.phase == "Running"]
    return all(pod.status.pod_ip in held for pod in live)


def find_made(kube: Kube, namespace: str, operation: DeleteMade) -> Any | None:
    """The object that the operation would delete, or None."""
    calls = {
        "Deployment": kube.apps.read_namespaced_deployment,
        "Service": kube.core.read_namespaced_service,
        "Secret": kube.core.read_namespaced_secret,
    }
    return find(calls[operation.kind], operation.name, namespace)


def delete_made(kube: Kube, namespace: str, operation: DeleteMade, uid: str) -> None:
    """Delete that very object (by UID), its dependents in the background."""
    calls = {
        "Deployment": kube.apps.delete_namespaced_deployment,
        "Service": kube.core.delete_namespaced_service,
        "Secret": kube.core.delete_namespaced_secret,
    }
    body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
    # The answer is a Status on some servers and the object on others, and the client insists on one: leave it unread.
    persist(calls[operation.kind], operation.name, namespace, body=body, _preload_content=False)
