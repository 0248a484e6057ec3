"""What a request asks for: the place in the API, the body, the options, the form of the answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from aiohttp import web

from gameday.cluster import resources, selectors
from gameday.cluster.api import protobuf
from gameday.cluster.api.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Object = dict[str, Any]

_JSON_TYPES = ("application/json", "application/octet-stream", "text/plain", "*/*", "")
_YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml")


@dataclass(frozen=True)
class Place:
    """A resource, or one of its objects, or a part of one."""

    resource: resources.Resource
    namespace: str | None = None
    """None: all namespaces; empty for resources that have none."""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> str:
        """The resource's name in the store."""
        return self.resource.key


def parse_place(group: str, version: str, path: Sequence[str]) -> Place:
    """The place that the path after `/api/v1` or `/apis/GROUP/VERSION` means. Raises ApiError 404."""
    parts = [p for p in path if p]
    namespace: str | None = None
    match parts:
        case ["namespaces", owner, inner, *_] if group or inner not in ("status", "finalize"):
            namespace, parts = owner, parts[2:]
    resource = resources.find(group, version, parts[0]) if parts else None
    name, subresource, *more = (*parts[1:], "", "")
    if resource is None or any(more):
        raise missing()
    if not resource.namespaced:
        if namespace is not None:
            raise missing()
        namespace = ""
    if name and namespace is None:
        raise missing()
    if subresource and subresource not in resource.subresources:
        if subresource in resources.REFUSED.get(resource.name, ()):
            raise ApiError(501, f"{resource.name}/{subresource} is not supported by the embedded cluster: "
                                "run the experiment on a real cluster (kind) for it")  # fmt: skip
        raise missing()
    return Place(resource, namespace, name, subresource)


def missing() -> ApiError:
    """404: the API has no such place."""
    return ApiError(404, "the server could not find the requested resource", details={})


async def read_body(request: web.Request, *, required: bool = True) -> Any:
    """The body as JSON values; `{}` when it may be empty. Raises ApiError 400, 415.

    A body without Content-Type is JSON: the official Python client sends such.
    """
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    data = await request.read()
    if not data:
        if required:
            raise ApiError(400, "the request needs a body: expected a JSON or YAML object")
        return {}
    if kind == protobuf.MEDIA_TYPE:
        return protobuf.decode(data)
    if kind in _YAML_TYPES:
        return _parsed(yaml.safe_load, data)
    if kind not in _JSON_TYPES and not kind.endswith("+json"):
        raise ApiError(415, "the body of the request was in an unknown format - accepted media types include: "
                            f"application/json, application/yaml; observed {kind}")  # fmt: skip
    return _parsed(json.loads, data)


def _parsed(parse: Any, data: bytes) -> Any:
    try:
        return parse(data)
    except (ValueError, yaml.YAMLError) as problem:
        said = " ".join(str(problem).split())
        raise ApiError(400, f"the body of the request does not parse: {said}") from problem


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean parameter, as Go's strconv.ParseBool reads it (`true`, `True`, `1`)."""
    return query.get(name, "").lower() in ("1", "t", "true")


def whole_number(query: Mapping[str, str], name: str) -> int | None:
    """A parameter that is a whole number of at least 0, or None. Raises ApiError 400."""
    text = query.get(name, "")
    if not text:
        return None
    if not text.isdecimal():
        raise ApiError(400, f'{name}: Invalid value: "{text}": expected a whole number of at least 0')
    return int(text)


@dataclass(frozen=True)
class Filter:
    """The selectors of a list, a watch or a deletecollection."""

    labels: tuple[selectors.Requirement, ...] = ()
    fields: tuple[selectors.FieldRequirement, ...] = ()

    def accepts(self, obj: Object) -> bool:
        """Whether the object is selected."""
        labels = obj["metadata"].get("labels") or {}
        return all(r.holds(labels) for r in self.labels) and all(f.holds(obj) for f in self.fields)


def parse_filter(place: Place, query: Mapping[str, str]) -> Filter:
    """The filter that a query's selectors mean. Raises ApiError 400."""
    try:
        labels = selectors.parse_labels(query.get("labelSelector", ""))
        fields = selectors.parse_fields(query.get("fieldSelector", ""))
    except selectors.SelectorError as problem:
        raise ApiError(400, str(problem)) from problem
    for field in fields:
        if field.path not in ("metadata.name", "metadata.namespace", *place.resource.fields):
            raise ApiError(400, f'field label not supported: "{field.path}"')
    if place.name:
        fields = (*fields, selectors.FieldRequirement("metadata.name", equal=True, value=place.name))
    return Filter(labels, fields)


def wanted_form(request: web.Request) -> str:
    """What the client wants objects turned into: `Table`, `PartialObjectMetadata`, or nothing.

    Anything that cannot be served (protobuf) is passed over: the answer is JSON.
    """
    for offer in request.headers.get("Accept", "").split(","):
        options = dict(p.strip().partition("=")[::2] for p in offer.split(";")[1:])
        wanted = options.get("as", "").removesuffix("List")
        if options.get("g") == "meta.k8s.io" and options.get("v") == "v1":
            return wanted
        if "json" in offer and not wanted:
            return ""
    return ""


def encode(value: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def answer(value: Any, *, status: int = 200, warnings: Sequence[str] = ()) -> web.Response:
    """A JSON response, with `Warning: 299` headers that kubectl prints."""
    response = web.Response(body=encode(value), status=status, content_type="application/json")
    for text in warnings:
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{quoted}"')
    return response
