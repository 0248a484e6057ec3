"""What a request asks for: the place in the API, the body, the options, the form of the answer."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from aiohttp import web

from gameday.cluster import resources, selectors
from gameday.cluster.api import protobuf
from gameday.cluster.api.errors import ApiError
from gameday.cluster.api.refusals import REFUSED, unserved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Object = dict[str, Any]

_JSON_TYPES = ("application/json", "application/octet-stream", "text/plain", "*/*", "")
_MAX_DEPTH = 500
"""How deep YAML may nest: its parser, in C, recurses without a bound. JSON's has one, of the same order."""
_MAX_EVENTS = 100_000
"""How many parts YAML may have: each takes a kilobyte while it is read."""
_MAX_DIGITS = 18
_MAX_WARNING, _MAX_WARNINGS = 256, 4096
"""Characters of a warning, and of all in an answer; beyond these the API server too cuts them."""
_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
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
    if resource is None:
        raise unserved(404, f"{'/'.join(parts[:1])} of {group or 'core'}/{version}")
    if subresource not in resource.subresources and any(r.what == f"{resource.name}/{subresource}" for r in REFUSED):
        raise unserved(501, f"{resource.name}/{subresource}")
    if any(more) or (subresource and subresource not in resource.subresources):
        raise missing()
    if not resource.namespaced:
        if namespace is not None:
            raise missing()
        namespace = ""
    if name and namespace is None:
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
        return await asyncio.to_thread(_parsed, _load_yaml, data)  # it may take seconds
    if kind not in _JSON_TYPES and not kind.endswith("+json"):
        raise ApiError(415, "the body of the request was in an unknown format - accepted media types include: "
                            f"application/json, application/yaml; observed {kind}")  # fmt: skip
    return _parsed(_load_json, data)


def _parsed(parse: Any, data: bytes) -> Any:
    try:
        return parse(data.decode("utf-8", "replace"))  # as Go reads what is no UTF-8
    # YAML's tags are functions of Python, which fail in their own ways: `!!bool foo`, `!!int ''`.
    except (AttributeError, LookupError, TypeError, ValueError, yaml.YAMLError) as problem:
        said = " ".join(str(problem).split())
        raise ApiError(400, f"the body of the request does not parse: {said}") from problem


def _load_json(text: str) -> Any:
    value = json.loads(text, parse_constant=_refuse_constant)
    if "\\ud" in text.lower():  # half a surrogate pair is no character
        value = json.loads(
            json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        )
    return value


def _load_yaml(text: str) -> Any:
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_YAML)):
        if count > _MAX_EVENTS:
            raise yaml.YAMLError(f"more than {_MAX_EVENTS} parts: send JSON")
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not supported")  # a few lines of them may mean gigabytes
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise RecursionError
    return _load_json(json.dumps(yaml.load(text, Loader=_YAML), default=str))  # noqa: S506 - it is a safe one


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"invalid character '{word[0]}' looking for beginning of value")


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean parameter, as Go's strconv.ParseBool reads it (`true`, `True`, `1`)."""
    return query.get(name, "").lower() in ("1", "t", "true")


def is_number(text: str) -> bool:
    """Whether a text is a whole number of 64 bits at most, in ASCII digits."""
    return text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS


def whole_number(query: Mapping[str, str], name: str) -> int | None:
    """A parameter that is a whole number of at least 0, or None. Raises ApiError 400."""
    text = query.get(name, "")
    if not text:
        return None
    if not is_number(text):
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


def encode(value: Any) -> bytes:
    """Compact JSON."""
    # Bytes of a header that are no UTF-8 come as surrogates, which cannot be written.
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def answer(value: Any, *, status: int = 200, warnings: Sequence[str] = ()) -> web.Response:
    """A JSON response, with `Warning: 299` headers that kubectl prints."""
    response = web.Response(body=encode(value), status=status, content_type="application/json")
    for text in _in_bounds(warnings):
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{quoted}"')
    return response


def _in_bounds(warnings: Sequence[str]) -> list[str]:
    """Warnings as headers can carry them: no control characters, and in all no more than clients read."""
    texts = ["".join(c if c.isprintable() else " " for c in text) for text in warnings]
    if sum(map(len, texts)) > _MAX_WARNINGS:
        texts = [text[:_MAX_WARNING] for text in texts[: _MAX_WARNINGS // _MAX_WARNING]]
    return texts
