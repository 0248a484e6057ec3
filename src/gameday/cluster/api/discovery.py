"""What the API says it serves: versions, groups, resources, and just enough OpenAPI for kubectl.

kubectl reads OpenAPI v3 to learn whether the server validates fields itself: a PATCH
with a `fieldValidation` parameter says yes, and kubectl leaves validation to the server.
"""

from __future__ import annotations

import hashlib
from typing import Any

from gameday.cluster import resources
from gameday.cluster.api.requests import encode, missing

Object = dict[str, Any]


def document(path: str) -> Object:  # noqa: PLR0911
    """The discovery document at a path. Raises ApiError 404."""
    match [p for p in path.split("/") if p]:
        case ["version"]:
            return {**resources.VERSION, "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
                    "goVersion": "none", "compiler": "none"}  # fmt: skip
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["api", "v1"]:
            return _resource_list("", "v1")
        case ["apis"]:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(g) for g in resources.GROUPS if g]}
        case ["apis", group] if group in resources.GROUPS:
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group)}
        case ["apis", group, version]:
            return _resource_list(group, version)
        case ["openapi", "v3"]:
            return {"paths": {p: {"serverRelativeURL": f"/openapi/v3/{p}?hash={_hash(p)}"} for p in _prefixes()}}
        case ["openapi", "v3", *prefix] if "/".join(prefix) in _prefixes():
            return _open_api(_prefixes()["/".join(prefix)])
    raise missing()


def _group(group: str) -> Object:
    version = {"groupVersion": f"{group}/v1", "version": "v1"}
    return {"name": group, "versions": [version], "preferredVersion": version}


def _of(group: str, version: str) -> list[resources.Resource]:
    found = [r for r in resources.RESOURCES if (r.group, r.version) == (group, version)]
    if not found:
        raise missing()
    return found


def _resource_list(group: str, version: str) -> Object:
    entries: list[Object] = []
    for r in _of(group, version):
        entry: Object = {"name": r.name, "singularName": r.singular, "namespaced": r.namespaced, "kind": r.kind,
                         "verbs": list(r.verbs)}  # fmt: skip
        if r.short_names:
            entry["shortNames"] = list(r.short_names)
        if r.categories:
            entry["categories"] = list(r.categories)
        entries.append(entry)
        entries += [_subresource(r, name) for name in r.subresources]
    name = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": entries}


def _subresource(r: resources.Resource, name: str) -> Object:
    verbs = {"log": ["get"], "finalize": ["update"]}.get(name, ["get", "patch", "update"])
    entry: Object = {"name": f"{r.name}/{name}", "singularName": "", "namespaced": r.namespaced, "kind": r.kind,
                     "verbs": verbs}  # fmt: skip
    return {**entry, "group": "autoscaling", "version": "v1", "kind": "Scale"} if name == "scale" else entry


def aggregated(path: str) -> Object:
    """All of `/api` or `/apis` in one document (apidiscovery.k8s.io/v2), which saves kubectl a request a group."""
    groups = [g for g in resources.GROUPS if bool(g) == (path.strip("/") == "apis")]
    items = [
        {"metadata": {"name": g, "creationTimestamp": None},
         "versions": [{"version": "v1", "freshness": "Current", "resources": [_aggregated(r) for r in _of(g, "v1")]}]}
        for g in groups
    ]  # fmt: skip
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _aggregated(r: resources.Resource) -> Object:
    def kind(name: str) -> Object:
        scale = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
        return scale if name == "scale" else {"group": r.group, "version": r.version, "kind": r.kind}

    return {
        "resource": r.name,
        "singularResource": r.singular,
        "scope": "Namespaced" if r.namespaced else "Cluster",
        "responseKind": kind(""),
        "verbs": list(r.verbs),
        "shortNames": list(r.short_names),
        "categories": list(r.categories),
        "subresources": [
            {"subresource": s, "responseKind": kind(s), "verbs": _subresource(r, s)["verbs"]} for s in r.subresources
        ],
    }


def _prefixes() -> dict[str, str]:
    return {f"apis/{g}/v1" if g else "api/v1": g for g in resources.GROUPS}


def _hash(prefix: str) -> str:
    return hashlib.sha256(encode(_open_api(_prefixes()[prefix]))).hexdigest()[:32]


def _open_api(group: str) -> Object:
    paths: Object = {}
    for r in _of(group, "v1"):
        kind = {"group": r.group, "version": r.version, "kind": r.kind}
        base = f"/apis/{group}/v1" if group else "/api/v1"
        collection = f"{base}/namespaces/{{namespace}}/{r.name}" if r.namespaced else f"{base}/{r.name}"
        writes = [{"name": n, "in": "query", "schema": {"type": "string"}} for n in ("dryRun", "fieldValidation")]
        paths[collection] = {"post": _operation("post", kind, writes)}
        paths[f"{collection}/{{name}}"] = {
            "get": _operation("get", kind, []),
            "put": _operation("put", kind, writes),
            "patch": _operation("patch", kind, writes),
        }
    info = {"title": "Kubernetes", "version": resources.VERSION["gitVersion"]}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}


def _operation(action: str, kind: Object, parameters: list[Object]) -> Object:
    return {"parameters": parameters, "responses": {"200": {"description": "OK"}}, "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": kind}  # fmt: skip
