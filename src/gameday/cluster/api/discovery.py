"""What the API says it serves: versions, groups, resources, and just enough OpenAPI for kubectl.

kubectl reads OpenAPI v3 to learn whether the server validates fields itself: a PATCH
with a `fieldValidation` parameter says yes, and kubectl leaves validation to the server.
"""

from __future__ import annotations

from typing import Any

from gameday.cluster import resources
from gameday.cluster.api.refusals import unserved
from gameday.cluster.api.requests import missing

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
            return {"paths": {p: {"serverRelativeURL": f"/openapi/v3/{p}"} for p in _prefixes()}}
        case ["openapi", "v3", *prefix] if "/".join(prefix) in _prefixes():
            return _open_api(_prefixes()["/".join(prefix)])
    raise missing()


def _group(group: str) -> Object:
    version = {"groupVersion": f"{group}/v1", "version": "v1"}
    return {"name": group, "versions": [version], "preferredVersion": version}


def _of(group: str, version: str) -> list[resources.Resource]:
    found = [r for r in resources.RESOURCES if (r.group, r.version) == (group, version)]
    if not found:
        raise unserved(404, f"{group}/{version}")
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


_FOREIGN = {
    "scale": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
    "eviction": {"group": "policy", "version": "v1", "kind": "Eviction"},
}
"""Subresources that are of another kind than the resource."""


_VERBS = {"log": ["get"], "finalize": ["update"], "eviction": ["create"], "exec": ["create", "get"]}


def _subresource(r: resources.Resource, name: str) -> Object:
    verbs = _VERBS.get(name, ["get", "patch", "update"])
    return {"name": f"{r.name}/{name}", "singularName": "", "namespaced": r.namespaced, "kind": r.kind, "verbs": verbs,
            **_FOREIGN.get(name, {})}  # fmt: skip


def _prefixes() -> dict[str, str]:
    return {f"apis/{g}/v1" if g else "api/v1": g for g in resources.GROUPS}


def _open_api(group: str) -> Object:
    """Only what kubectl looks for."""
    base, paths = f"/apis/{group}/v1" if group else "/api/v1", {}
    parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in ("dryRun", "fieldValidation")]
    for r in _of(group, "v1"):
        scope = "/namespaces/{namespace}" if r.namespaced else ""
        paths[f"{base}{scope}/{r.name}/{{name}}"] = {"patch": {
            "parameters": parameters, "responses": {"200": {"description": "OK"}}, "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": {"group": r.group, "version": r.version, "kind": r.kind}}}  # fmt: skip
    info = {"title": "Kubernetes", "version": resources.VERSION["gitVersion"]}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}
