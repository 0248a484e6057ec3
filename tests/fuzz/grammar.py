"""Random requests: real ones, and real ones bent in one to several places. All chance comes from one seeded source."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from gameday.cluster import schema
from tests.fuzz import corpus

if TYPE_CHECKING:
    from random import Random

MONSTERS: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, 2**31, 2**63, 2**64, -(2**63), 1e308, 10**400, "", " ", "a" * 300, "0", "-1",
    "99%", "-1%", "1e9", "é\u202e漢", "\x00", "\ud800", "../../../x", "/", "..", "$(A)", "{}", "2026-01-31T12:00:00Z",
    "9999-99-99", "1Ki", "*", "a/b/c", "localhost:99999", float("nan"), float("inf"), [], [None], [[]], {}, {"": ""},
    {"a": None}, {"$patch": "delete"}, {"$patch": "x"}, [{"$patch": "replace"}], "%00", "\n", "Always", "0.0.0.0",
)  # fmt: skip
BYTES = (b"\x00", b"\xff\xfe", b"\xc3\x28", b'"', b"}", b"[", b"\\u", b"\r\n", b"nan", b"-", b"0" * 50, b"{" * 30)
_SHOWN = 4000
"""Characters of a request that are worth a look; its seed gives the rest."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ODD_METHODS = ("HEAD", "OPTIONS", "TRACE", "CONNECT", "LIST", "get", "PROPFIND", "X" * 40)
ODD_HEADERS = (
    ("Authorization", "Bearer x"), ("Authorization", ""), ("Accept-Encoding", "gzip, br, x"), ("Expect", "x"),
    ("Expect", "100-continue"), ("Content-Encoding", "gzip"), ("Content-Encoding", "deflate"), ("Upgrade", "websocket"),
    ("Connection", "Upgrade"), ("Connection", "close"), ("Sec-WebSocket-Key", "x"), ("X-Long", "a" * 4000),
    ("X-Very-Long", "a" * 40000), ("Host", "x y"), ("If-Match", "*"), ("Range", "bytes=0-1"), ("Content-Length", "5"),
    ("Content-Length", "-1"), ("Transfer-Encoding", "chunked"), ("Cookie", "a=b; c"), ("X-\xe9", "\xe9"),
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One HTTP request, and how it is sent."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    manner: str = "whole"
    """whole; slow: the body comes in pieces; half: the client goes away in the middle; deaf: it does not read the
    answer; piped: twice in one go."""

    def encode(self, token: str) -> bytes:
        """The bytes on the wire, with a token unless a header says otherwise."""
        names = {name.lower() for name, _ in self.headers}
        headers = [("Host", "fuzz"), *self.headers]
        if "authorization" not in names:
            headers.append(("Authorization", f"Bearer {token}"))
        if self.body is not None and not names & {"content-length", "transfer-encoding"}:
            headers.append(("Content-Length", str(len(self.body))))
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
        return head + (self.body or b"")

    def __str__(self) -> str:
        body = repr(self.body)
        if len(body) > _SHOWN:
            body = f"{body[: _SHOWN // 2]} … {body[-_SHOWN // 2 :]} ({len(self.body or b'')} bytes)"
        return f"{self.manner} {self.method} {self.target[:_SHOWN]}\n  {dict(self.headers)}\n  {body}"

    @property
    def streams(self) -> bool:
        """Whether the answer may be endless."""
        return "watch" in self.target or "follow" in self.target

    @property
    def odd(self) -> bool:
        """Whether a server may close the connection over it, or wait for more."""
        odd = {
            "content-length",
            "transfer-encoding",
            "expect",
            "connection",
            "upgrade",
            "host",
            "x-very-long",
            "x-\xe9",
        }
        return (
            self.method not in (*METHODS, "HEAD", "OPTIONS")
            or any(name.lower() in odd for name, _ in self.headers)
            or (len(self.target) > 8000 or not self.target.isascii() or " " in self.target)
            or len(self.body or b"") > 1_000_000
        )


def make(chance: Random, namespace: str) -> Request:
    """A request to the API, mostly about objects of `namespace`."""
    what = chance.random()
    if what < 0.04:
        return Request("GET", chance.choice(corpus.PLACES))
    request = _sane(chance, namespace)
    for _ in range(chance.choice((0, 0, 1, 1, 2))):
        request = chance.choice(_BENDS)(chance, request)
    if chance.random() < 0.06:
        request = replace(request, manner=chance.choice(("slow", "half", "deaf", "piped")))
    return request


def _sane(chance: Random, namespace: str) -> Request:
    """A request as a client would send it."""
    resource = chance.choice(corpus.served())
    root = f"/apis/{resource.api_version}" if resource.group else "/api/v1"
    within = f"/namespaces/{namespace}" if resource.namespaced else ""
    collection = f"{root}{within}/{resource.name}"
    obj = copy.deepcopy(chance.choice(corpus.examples(resource)))
    obj = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
    if resource.namespaced or chance.random() < 0.1:
        obj["metadata"]["name"] = chance.choice(corpus.NAMES)
    name = obj["metadata"]["name"]
    _generate(chance, obj["metadata"])
    part = f"/{chance.choice(corpus.SUBRESOURCES)}" if chance.random() < 0.12 else ""
    match chance.choices(("create", "replace", "patch", "get", "list", "watch", "delete", "clear"),
                         (30, 10, 22, 8, 8, 4, 12, 1))[0]:  # fmt: skip
        case "create":
            return _bend_object(chance, _with_json("POST", collection, obj), resource.kind, resource.group)
        case "replace":
            request = _with_json("PUT", f"{collection}/{name}{part}", obj)
            return _bend_object(chance, request, resource.kind, resource.group)
        case "patch":
            body, kind = chance.choice(corpus.PATCHES)
            if chance.random() < 0.5 and not isinstance(body, list):
                body = {k: v for k, v in obj.items() if chance.random() < 0.7}
            return _with_json("PATCH", f"{collection}/{name}{part}", body, kind)
        case "get":
            return Request("GET", f"{collection}/{name}{part}", (("Accept", chance.choice(corpus.ACCEPTS)),))
        case "list":
            return Request("GET", collection, (("Accept", chance.choice(corpus.ACCEPTS)),))
        case "watch":
            query = {"watch": "1", "timeoutSeconds": "1", "resourceVersion": chance.choice(("", "0", "1", "50"))}
            headers = (("Accept", chance.choice(corpus.ACCEPTS)),)
            return Request("GET", f"{collection}?{urlencode(query)}", headers)
        case "delete":
            return _with_json("DELETE", f"{collection}/{name}", chance.choice(corpus.DELETE_OPTIONS))
    return Request("DELETE", collection + "?gracePeriodSeconds=0")


def _generate(chance: Random, meta: dict[str, Any]) -> None:
    """Now and then ask for a name instead of giving one, or both."""
    if chance.random() < 0.05:
        meta["generateName"] = chance.choice(corpus.GENERATE_NAMES)
        if chance.random() < 0.8:
            del meta["name"]


def _with_json(method: str, target: str, body: Any, kind: str = "application/json") -> Request:
    return Request(method, target, (("Content-Type", kind),), _dump(body))


def _dump(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


# --- bodies


def _bend_object(chance: Random, request: Request, kind: str, group: str) -> Request:
    """Add a field that the kind has, somewhere in the object, with a value of its type or nearly."""
    if chance.random() < 0.4:
        return request
    obj = json.loads(request.body or b"{}")
    _grow(chance, obj, schema.type_of(kind, group))
    return replace(request, body=_dump(obj))


def _grow(chance: Random, obj: dict[str, Any], kind: str) -> None:
    fields = schema.types().get(kind, {})
    if not fields:
        return
    inner = [(k, v) for k, v in obj.items() if isinstance(v, dict) and fields.get(k) in schema.types()]
    if inner and chance.random() < 0.8:
        key, value = chance.choice(inner)
        _grow(chance, value, fields[key])
        return
    items = [(k, v) for k, v in obj.items() if isinstance(v, list) and v and isinstance(v[0], dict)]
    if items and chance.random() < 0.8:
        key, values = chance.choice(items)
        _grow(chance, chance.choice(values), _inner(fields.get(key, "")))
        return
    name = chance.choice(sorted(fields))
    obj[name] = _value(chance, fields[name], 3)


@cache
def _inner(kind: str) -> str:
    return kind.partition("[" if "[" in kind else "(")[2].rstrip("])").removeprefix("str, ")


def _value(chance: Random, kind: str, depth: int) -> Any:
    """A value of a type of the schema; sometimes not quite."""
    if depth < 0 or chance.random() < 0.1:
        return chance.choice(MONSTERS)
    if kind.startswith(("list", "dict")):
        values = [_value(chance, _inner(kind), depth - 1) for _ in range(chance.choice((0, 1, 1, 2)))]
        return values if kind.startswith("list") else {chance.choice(corpus.NAMES): value for value in values}
    if kind in schema.types():
        fields = schema.types()[kind]
        chosen = chance.sample(sorted(fields), min(len(fields), chance.choice((1, 2, 3, 5))))
        return {name: _value(chance, fields[name], depth - 1) for name in chosen}
    match kind:
        case "int":
            return chance.choice((0, 1, 2, 80, 8080, 65536, -1, 2**31 - 1, 2**62))
        case "bool":
            return chance.choice((True, False))
        case "object":
            return chance.choice((1, "50%", "http", 0, "x%", -1, {}, []))
        case "datetime":
            return chance.choice(("2026-01-31T12:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"))
    return chance.choice(("one", "two", "", "http", "a/b", "../x", "/x/y", "1Gi", "é", "a" * 300, "127.1.2.3"))


def _bend_json(chance: Random, request: Request) -> Request:
    """Put a monster, a copy or nothing in a random place of the body."""
    try:
        obj = json.loads(request.body or b"")
    except (ValueError, RecursionError):
        return request
    places = list(_places(obj))
    if not places:
        return request
    parent, key = chance.choice(places)
    match chance.randrange(6):
        case 0:
            del parent[key]
        case 1:
            parent[key] = _many(parent[key], chance.choice((1, 2, 50, 3000 if chance.random() < 0.2 else 50)))
        case 2:
            parent[key] = copy.deepcopy(_at(chance.choice(places)))
        case 3:
            parent[key] = json.loads("[" * (depth := chance.choice((5, 90, 300))) + "]" * depth)
        case 4 if isinstance(parent, dict):
            parent[chance.choice(("", "kind", "name", "\ud800", "$patch", "a.b/c", "x" * 300))] = parent.pop(key)
        case _:
            parent[key] = chance.choice(MONSTERS)
    return replace(request, body=_dump(obj))


def _many(value: Any, count: int) -> list[Any]:
    """The same again and again; objects, or the first of a list of them, with names and numbers of their own."""
    value = value[0] if isinstance(value, list) and value else value
    if not isinstance(value, dict):
        return [value] * count
    numbers = [key for key, item in value.items() if isinstance(item, int)]
    return [{**value, "name": f"n{n}", **dict.fromkeys(numbers, n)} for n in range(count)]


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from _places(item)


def _at(place: tuple[Any, Any]) -> Any:
    parent, key = place
    return parent[key]


def _bend_bytes(chance: Random, request: Request) -> Request:
    """Cut, flip, insert; or a body that is nothing like one."""
    body = request.body or b"{}"
    at = chance.randrange(len(body) + 1)
    match chance.randrange(9):
        case 0:
            body = body[:at]
        case 1:
            body = body[:at] + chance.choice(BYTES) + body[at:]
        case 2:
            body = body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :]
        case 3:
            body = b'{"metadata":' * (depth := chance.choice((50, 2000, 100000))) + b"}" * depth
        case 4:
            body = b"[" * chance.choice((1, 1000, 200000))
        case 5:
            body = chance.randbytes(chance.choice((1, 50, 5000)))
        case 6:
            body = b"k8s\x00" + chance.choice((b"", body, chance.randbytes(40)))
            return replace(request, body=body, headers=(("Content-Type", "application/vnd.kubernetes.protobuf"),))
        case 7 if chance.random() < 0.1:
            body = (
                b'{"metadata":{"name":"one"},"data":{"a":"'
                + b"x" * chance.choice((10**6, 2 * 10**6, 4 * 10**6))
                + b'"}}'
            )
        case _:
            body = b""
    return replace(request, body=body)


# --- the rest of a request


def _bend_method(chance: Random, request: Request) -> Request:
    return replace(request, method=chance.choice(METHODS if chance.random() < 0.7 else ODD_METHODS))


def _bend_query(chance: Random, request: Request) -> Request:
    """Add parameters: known ones, with known values or monsters, or garbage."""
    query = {}
    for name in chance.sample(sorted(corpus.QUERIES), chance.choice((1, 1, 2, 4))):
        text = chance.choice(corpus.QUERIES[name])
        if chance.random() < 0.5:
            text = chance.choice((str(chance.choice(MONSTERS)), _cut(chance, text), "9" * 500, "9" * 5000, "٣", "²"))
        query[name] = text.encode("utf-8", "surrogatepass")
    text = urlencode(query) if chance.random() < 0.9 else chance.choice(("%", "%zz", "&&==", "a=%ff", "watch=%00", "?"))
    return replace(request, target=f"{request.target}{'&' if '?' in request.target else '?'}{text}")


def _cut(chance: Random, text: str) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(("", "(", ",", "!", "=", " in (", "\\", "%")) + text[at + chance.randrange(3) :]


def _bend_path(chance: Random, request: Request) -> Request:
    path, mark, query = request.target.partition("?")
    parts = path.split("/")
    at = chance.randrange(len(parts))
    match chance.randrange(6):
        case 0:
            del parts[at]
        case 1:
            parts.insert(at, chance.choice(("", ".", "..", "namespaces", "status", "%2e%2e", "%2f", "%00", "watch")))
        case 2:
            parts[at] = chance.choice(
                ("pods", "v1beta1", "nodes", "kube-system", "default", "x" * 9000, "%ff", "%", "é")
            )
        case 3:
            parts[at] = quote(str(chance.choice(MONSTERS)).encode("utf-8", "surrogatepass"))
        case 4:
            parts = parts[:at]
        case 5:
            parts += parts[at:]
    return replace(request, target=("/".join(parts) or "/") + mark + query)


def _bend_headers(chance: Random, request: Request) -> Request:
    match chance.randrange(4):
        case 0:
            kept = tuple(h for h in request.headers if h[0] != "Content-Type")
            return replace(request, headers=(*kept, ("Content-Type", chance.choice(corpus.CONTENT_TYPES))))
        case 1:
            return replace(request, headers=(*request.headers, ("Accept", chance.choice(corpus.ACCEPTS))))
        case 2:
            return replace(request, headers=())
    return replace(request, headers=(*request.headers, chance.choice(ODD_HEADERS)))


_BENDS = (_bend_json, _bend_json, _bend_json, _bend_bytes, _bend_method, _bend_query, _bend_query, _bend_path,
          _bend_headers)  # fmt: skip
