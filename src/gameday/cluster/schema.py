"""The shape of every object the API accepts: field names and types, for validation.

`schema.json` is derived from the official Python client's models, which are derived
from Kubernetes' own OpenAPI: `python -m gameday.cluster.schema` writes it anew. It is a
file because importing the client costs a third of a second and the daemon does not need it.
"""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from gameday.cluster.resources import RESOURCES

_FILE = Path(__file__).with_name("schema.json")
_GENERIC = re.compile(r"(list|dict)[\[(](?:str, )?(.*)[\])]", re.IGNORECASE)

Types = dict[str, dict[str, str]]


@cache
def types() -> Types:
    """Every type's fields and their types, by the client's type names (`V1PodSpec`)."""
    loaded: Types = json.loads(_FILE.read_text())
    return loaded


def type_of(kind: str, group: str = "") -> str:
    """The type name of a kind: `V1Pod`, `CoreV1Event`."""
    if kind == "Event":
        return "CoreV1Event" if not group else "EventsV1Event"
    return f"V1{kind}"


_WORDS = {"int": "int32", "str": "string", "bytes": "base64"}


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)  # line breaks are fine, as in Go
    except ValueError:
        return False
    return True


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


_FORMATS = {"bytes": _is_base64, "datetime": _is_time}


class Check:
    """One reading of an object: prunes unknown fields and nulls, and collects what is wrong."""

    def __init__(self) -> None:
        self.unknown: list[str] = []
        """Paths of unknown fields, which were dropped."""
        self.mismatched: list[str] = []
        """What has the wrong JSON type, in words."""

    def read(self, value: Any, kind: str, path: str = "") -> Any:
        """The value as the type `kind` holds it."""
        if value is None or kind == "object":
            return value
        if found := _GENERIC.fullmatch(kind):
            return self._collection(value, found[1].lower(), found[2], path)
        if kind in types():
            return self._fields(value, kind, path)
        return self._scalar(value, kind, path)

    def _fields(self, value: Any, kind: str, path: str) -> Any:
        if not isinstance(value, dict):
            return self._mismatch(value, kind, path)
        fields, result = types()[kind], {}
        for key, item in value.items():
            place = f"{path}.{key}" if path else key
            if key not in fields:
                self.unknown.append(place)
            elif item is not None:
                result[key] = self.read(item, fields[key], place)
        return result

    def _collection(self, value: Any, shape: str, inner: str, path: str) -> Any:
        if not isinstance(value, list if shape == "list" else dict):
            return self._mismatch(value, "array" if shape == "list" else "map", path)
        if shape == "list":
            empty: Any = {} if inner in types() else ""  # what Go makes of a null among items
            items = [empty if item is None and inner != "object" else item for item in value]
            return [self.read(item, inner, f"{path}[{i}]") for i, item in enumerate(items)]
        if path.rpartition(".")[2] in ("limits", "requests", "capacity", "allocatable"):
            # A quantity may be written as a number: `cpu: 1`.
            value = {k: str(v) if isinstance(v, int | float) else v for k, v in dict(value).items()}
        return {k: "" if v is None else self.read(v, inner, f"{path}.{k}") for k, v in dict(value).items()}

    def _scalar(self, value: Any, kind: str, path: str) -> Any:
        expected: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,)}
        allowed = expected.get(kind, (str,))
        wrong = not isinstance(value, allowed) or (isinstance(value, bool) and kind != "bool")
        check = _FORMATS.get(kind)
        if wrong or (check and not check(value)):
            return self._mismatch(value, _WORDS.get(kind, kind), path)
        return value

    def _mismatch(self, value: Any, expected: str, path: str) -> Any:
        names = {dict: "object", list: "array", str: "string", bool: "bool"}
        self.mismatched.append(f"cannot unmarshal {names.get(type(value), 'number')} into {path} of type {expected}")
        return value


def derive() -> Types:
    """The types that the served kinds are made of, read off the official client's models."""
    from kubernetes.client import models

    found: Types = {}
    open_types = [type_of(r.kind, r.group) for r in RESOURCES] + ["V1Scale", "V1DeleteOptions"]
    while open_types:
        name = open_types.pop()
        model = getattr(models, name, None)
        if model is None or name in found:
            continue
        found[name] = {model.attribute_map[a]: kind for a, kind in model.openapi_types.items()}
        for kind in found[name].values():
            inner = _GENERIC.fullmatch(kind)
            open_types.append(inner[2] if inner else kind)
    return dict(sorted(found.items()))


if __name__ == "__main__":
    _FILE.write_text(json.dumps(derive(), indent=0, separators=(",", ":")) + "\n")
