"""What a namespace's objects are, to prove afterwards that they are again what they were."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from kubernetes.client import NetworkingV1Api

from gameday.ledger.book import LEDGER_NAME
from gameday.ledger.calls import persist
from gameday.ledger.proxies import FAULT_LABEL, PROXY_LABEL

if TYPE_CHECKING:
    from gameday.kube import Kube

Snapshot = dict[str, Any]
"""By `kind name`: the labels, annotations and content that users set; secrets as hashes."""

_SERVER_ANNOTATIONS = ("deployment.kubernetes.io/revision",)
_SERVER_CONFIG_MAPS = (LEDGER_NAME, "kube-root-ca.crt")
_SHOWN = 60


def snapshot(kube: Kube, namespace: str) -> Snapshot:
    """The Deployments, Services, ConfigMaps, Secrets and NetworkPolicies of a namespace, as JSON-ready data.

    And the ReplicaSets that bear a fault's label: they keep its template, for a rollout back to it. Left out: status
    and other fields that the server keeps, the ledger, and what Kubernetes itself puts into each namespace. Raises
    ApiException or a connection error after 5 s of trying.
    """
    core, apps = kube.core, kube.apps
    taken: Snapshot = {}
    for kind, call in (
        ("deployment", apps.list_namespaced_deployment),
        ("service", core.list_namespaced_service),
        ("configmap", core.list_namespaced_config_map),
        ("secret", core.list_namespaced_secret),
        ("networkpolicy", NetworkingV1Api(kube.client).list_namespaced_network_policy),
    ):
        for item in persist(call, namespace).items:
            obj = kube.plain(item)
            if not _is_servers(kind, obj):
                taken[f"{kind} {obj['metadata']['name']}"] = _essence(kind, obj)
    # A fault proxy's goes with its Deployment, which is compared, but a moment later.
    of_faults = f"{FAULT_LABEL},!{PROXY_LABEL}"
    for item in persist(apps.list_namespaced_replica_set, namespace, label_selector=of_faults).items:
        taken[f"replicaset {item.metadata.name}"] = _essence("replicaset", kube.plain(item))
    return taken


def _is_servers(kind: str, obj: dict[str, Any]) -> bool:
    if kind == "configmap":
        return obj["metadata"]["name"] in _SERVER_CONFIG_MAPS
    return kind == "secret" and obj.get("type") == "kubernetes.io/service-account-token"


def _essence(kind: str, obj: dict[str, Any]) -> dict[str, Any]:
    meta = obj["metadata"]
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if k not in _SERVER_ANNOTATIONS}
    essence: dict[str, Any] = {"labels": meta.get("labels") or {}, "annotations": annotations}
    if kind == "secret":
        content = json.dumps(obj.get("data") or {}, sort_keys=True).encode()
        return {**essence, "type": obj.get("type"), "sha256": hashlib.sha256(content).hexdigest()}
    return essence | {k: obj[k] for k in ("spec", "data", "binaryData", "immutable") if obj.get(k) is not None}


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """What is not the same, one line each, by object and field; empty when all is restored. Pure."""
    lines: list[str] = []
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            lines.append(f"{name}: is gone")
        elif name not in before:
            lines.append(f"{name}: was not there before")
        else:
            lines.extend(f"{name}: {line}" for line in _compare("", before[name], after[name]))
    return lines


def _compare(path: str, before: Any, after: Any) -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(before.keys() | after.keys())
        return [line for k in keys for line in _compare(f"{path}.{k}" if path else k, before.get(k), after.get(k))]
    return [] if before == after else [f"{path} was {_show(before)}, is {_show(after)}"]


def _show(value: Any) -> str:
    if value is None:
        return "absent"
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
