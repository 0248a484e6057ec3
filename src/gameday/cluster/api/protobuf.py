"""Bodies in Kubernetes' protobuf, which `kubectl create KIND NAME` and `kubectl drain` send.

kubectl does not fall back to JSON when a server refuses, so the few messages that it
builds are read here. A field that the tables do not know refuses the request: nothing is
lost silently. Field numbers: k8s.io/api `generated.proto`. Answers are always JSON.
"""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gameday.cluster.api.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"

_MAGIC = b"k8s\x00"
_VARINT, _BYTES = 0, 2

_FILE = Path(__file__).with_suffix(".json")
"""Each message's fields by number: "name kind"; kinds are str, int, bool, - (not wanted), {str} and {bytes} (maps), or
a message; [] repeats."""


@cache
def _messages() -> dict[str, dict[str, str]]:
    loaded: dict[str, dict[str, str]] = json.loads(_FILE.read_text())
    return loaded


def decode(data: bytes) -> dict[str, Any]:
    """The object in a protobuf body, as JSON values. Raises ApiError 400, 415."""
    if not data.startswith(_MAGIC):
        raise ApiError(400, "the protobuf body does not begin with the magic of Kubernetes")
    try:
        envelope = _message(data[len(_MAGIC) :], "Unknown")
        kind = envelope["type"]["kind"]
        if kind not in _messages():
            raise _refused(kind)
        return {**envelope["type"], **_message(envelope.get("raw", b""), kind)}
    except (AttributeError, LookupError, TypeError, ValueError) as problem:
        raise ApiError(400, f"the protobuf body does not parse: {type(problem).__name__} {problem}") from problem


def _refused(what: str) -> ApiError:
    return ApiError(415, f"{what} in protobuf is not supported by the embedded cluster: send JSON "
                         "(kubectl create … --dry-run=client -o yaml | kubectl apply -f -)")  # fmt: skip


def _message(data: bytes, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, value in _fields(data):
        field, _, kind = _messages()[name].get(str(number), "").partition(" ")
        if not field:
            raise _refused(f"field {number} of {name}")
        if kind.startswith("[]"):
            found.setdefault(field, []).append(_value(value, kind[2:]))
        elif kind.startswith("{"):
            entry = dict(_fields(value))
            found.setdefault(field, {})[entry.get(1, b"").decode()] = _value(entry.get(2, b""), kind[1:-1])
        elif kind != "-" and value != b"":
            if kind != "bool" or value:  # JSON leaves a false out
                found[field] = _value(value, kind)
        elif kind in _messages():
            found[field] = {}
    if name == "IntOrString":
        return found["strVal"] if found.get("type") else found.get("intVal", 0)  # type: ignore[no-any-return]
    return found


def _value(value: Any, kind: str) -> Any:
    match kind:
        case "str":
            return value.decode()
        case "int":
            return value - (1 << 64) if value >= 1 << 63 else value
        case "bool":
            return bool(value)
        case "bytes":
            return base64.b64encode(value).decode()
        case "raw":
            return value
    return _message(value, kind)


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers and values; numbers are int, all else is bytes."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        value, position = _varint(data, position)
        if tag & 7 == _BYTES:
            end = position + value
            if end > len(data):
                raise IndexError("truncated")
            yield tag >> 3, data[position:end]
            position = end
        elif tag & 7 == _VARINT:
            yield tag >> 3, value
        else:
            raise _refused(f"wire type {tag & 7}")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return result, position
        shift += 7
        if shift > 63:  # noqa: PLR2004
            raise ValueError("a number is longer than 64 bits")
