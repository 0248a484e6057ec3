"""The shape of every object the API accepts: field names and types, for validation.

`schema.json` is derived from the official Python client's models, which are derived
from Kubernetes' own OpenAPI: `python -m tests.unit.cluster.pure.models` writes it anew. It is a
file because importing the client costs a third of a second and the daemon does not need it.
"""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gameday.cluster import quantities
from gameday.cluster.quantities import quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = Path(__file__).with_name("schema.json")
"""The types, as data."""
GENERIC = re.compile(r"(list|dict)[\[(](?:str, )?(.*)[\])]", re.IGNORECASE)

Types = dict[str, dict[str, str]]
REQUIRED = "required"
"""The name, among the types, of the list of the fields that each of them must have."""


@cache
def types() -> Types:
    """Every type's fields and their types, by the client's type names (`V1PodSpec`)."""
    loaded: Types = json.loads(FILE.read_text())
    return loaded


def type_of(kind: str, group: str = "") -> str:
    """The type name of a kind: `V1Pod`, `CoreV1Event`."""
    if kind == "Event":
        return "CoreV1Event" if not group else "EventsV1Event"
    return f"V1{kind}"


_WORDS = {"int": "int32", "object": "intstr.IntOrString", "str": "string", "bytes": "base64"}


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


_INT64 = frozenset((
    "activeDeadlineSeconds", "deletionGracePeriodSeconds", "expirationSeconds", "fsGroup", "generation",
    "gracePeriodSeconds", "observedGeneration", "runAsGroup", "runAsUser", "sizeBytes", "supplementalGroups",
    "terminationGracePeriodSeconds", "tolerationSeconds",
))  # fmt: skip
"""Integers of 64 bits; all others have 32."""


def _fits(number: int, path: str) -> bool:
    bits = 63 if path.rpartition(".")[2].partition("[")[0] in _INT64 else 31
    return -(1 << bits) <= number < 1 << bits


_FORMATS = {"bytes": _is_base64, "datetime": _is_time}


MOST = 20
"""How many things that are wrong are told."""


class Found(list[str]):
    """What is wrong: the first of it, and how much more there is."""

    more = 0

    def add(self, what: str) -> None:
        """Tell or count it."""
        if len(self) < MOST:
            self.append(what)
        else:
            self.more += 1
            self[MOST:] = [f"and {self.more} more"]


class Check:
    """One reading of an object: prunes unknown fields and nulls, and collects what is wrong."""

    def __init__(self) -> None:
        self.unknown = Found()
        """Unknown fields, which were dropped, in words."""
        self.mismatched = Found()
        """What has the wrong JSON type, in words."""

    def read(self, value: Any, kind: str, path: str = "") -> Any:
        """The value as the type `kind` holds it."""
        if value is None or path.endswith(".fieldsV1"):
            return value
        if found := GENERIC.fullmatch(kind):
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
                self.unknown.add(f'unknown field "{place}"')
            elif item is not None:
                read = self.read(item, fields[key], place)
                if read not in ({}, []) or not GENERIC.fullmatch(fields[key]):  # Go's omitempty
                    result[key] = read
        return result

    def _collection(self, value: Any, shape: str, inner: str, path: str) -> Any:
        if not isinstance(value, list if shape == "list" else dict):
            return self._mismatch(value, "array" if shape == "list" else "map", path)
        if shape == "list":
            empty: Any = {} if inner in types() else ""  # what Go makes of a null among items
            items = [empty if item is None else item for item in value]
            return [self.read(item, inner, f"{path}[{i}]") for i, item in enumerate(items)]
        if path.rpartition(".")[2] in ("limits", "requests", "capacity", "allocatable"):
            inner = "quantity"
        return {k: "" if v is None else self.read(v, inner, f"{path}.{k}") for k, v in dict(value).items()}

    def _scalar(self, value: Any, kind: str, path: str) -> Any:
        if kind == "quantity" or path.rpartition(".")[2] in ("divisor", "sizeLimit"):
            return self._quantity(value, path)
        expected: dict[str, tuple[type, ...]] = {
            "int": (int,), "float": (int, float), "bool": (bool,), "object": (int, str),  # IntOrString
        }  # fmt: skip
        allowed = expected.get(kind, (str,))
        wrong = not isinstance(value, allowed) or (isinstance(value, bool) and kind != "bool")
        wrong = wrong or (isinstance(value, int) and not _fits(value, path))
        check = _FORMATS.get(kind)
        if wrong or (check and not check(value)):
            return self._mismatch(value, _WORDS.get(kind, kind), path)
        return "".join(value.split()) if kind == "bytes" else value

    def _quantity(self, value: Any, path: str) -> Any:
        """The text of a quantity, which may be written as a number: `cpu: 1`."""
        text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
        try:
            quantity(text)
        except (TypeError, ValueError):
            self.mismatched.add(f"{path}: {quantities.RULE}")
        return text

    def _mismatch(self, value: Any, expected: str, path: str) -> Any:
        names = {dict: "object", list: "array", str: "string", bool: "bool"}
        self.mismatched.add(f"cannot unmarshal {names.get(type(value), 'number')} into {path} of type {expected}")
        return value


def missing(value: Any, kind: str, path: str = "") -> Iterator[str]:
    """The places in an object of the right shape where a field is empty that must not be."""
    if found := GENERIC.fullmatch(kind):
        items = enumerate(value) if isinstance(value, list) else ()
        for index, item in items:
            yield from missing(item, found[2], f"{path}[{index}]")
    elif kind in types():
        at = f"{path}." if path else ""
        yield from (at + field for field in types()[REQUIRED].get(kind, "").split() if value.get(field, "") == "")
        for key, item in value.items():
            if item is not None:
                yield from missing(item, types()[kind].get(key, ""), at + key)
