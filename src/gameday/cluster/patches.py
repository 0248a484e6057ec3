"""The three patches of the Kubernetes API, as pure functions: none edits what it is given."""

from __future__ import annotations

import copy
import json
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Json = Any

_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "env": "name",
    "ownerReferences": "uid",
    "conditions": "type",
    "podIPs": "ip",
    "hostIPs": "ip",
    "taints": "key",
}
"""patchMergeKey of the fields that are merged item by item (k8s.io/api types.go); others are replaced."""

MAX_OPERATIONS = 10_000
"""Of a JSON patch."""
MAX_COPIED_BYTES = 3 * 1024 * 1024
"""What the `copy` operations of a JSON patch may add, in all."""

_ORDER = "$setElementOrder/"
_DELETE_FROM = "$deleteFromPrimitiveList/"


class PatchError(ValueError):
    """The patch cannot be applied; the message says where."""


class TooManyError(ValueError):
    """The patch has more operations than are taken."""


def merge(target: Json, patch: Json) -> Json:
    """JSON merge patch (RFC 7386): null removes, objects merge, all else replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


# --- JSON patch (RFC 6902)


def apply_operations(document: Json, operations: Json) -> Json:
    """JSON patch: all operations or, with PatchError or TooManyError, none."""
    if not isinstance(operations, list):
        raise PatchError("a JSON patch is a list of operations")
    if len(operations) > MAX_OPERATIONS:
        raise TooManyError(f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}")
    holder, copied = {"": copy.deepcopy(document)}, 0
    for operation in operations:
        try:
            copied += _operate(holder, operation)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as problem:
            said = f": {problem}" if isinstance(problem, PatchError) else ""
            raise PatchError(f"operation {operation!r} does not apply{said}") from problem
        if copied > MAX_COPIED_BYTES:
            raise PatchError(f"Unable to complete the copy: in all they copy more than {MAX_COPIED_BYTES} bytes")
    return holder.get("")


def _operate(holder: Json, operation: Json) -> int:
    """Do one operation; returns how many bytes it copied."""
    path = _pointer(operation["path"])
    match operation["op"]:
        case "add":
            _add(holder, path, copy.deepcopy(operation["value"]))
        case "remove":
            _take(holder, path)
        case "replace":
            _take(holder, path)
            _add(holder, path, copy.deepcopy(operation["value"]))
        case "move":
            _add(holder, path, _take(holder, _pointer(operation["from"])))
        case "copy":
            text = json.dumps(_at(holder, _pointer(operation["from"])))
            _add(holder, path, json.loads(text))
            return len(text)
        case "test":
            if _at(holder, path) != operation["value"]:
                raise PatchError("test failed")
        case other:
            raise PatchError(f"unknown op {other!r}")
    return 0


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise PatchError(f"path {text!r} must start with /")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")]


def _index(items: list[Json], part: str, *, inserting: bool = False) -> int:
    index = len(items) if inserting and part == "-" else int(part)
    if not 0 <= index < len(items) + inserting:
        raise PatchError(f"index {part} is out of bounds")
    return index


def _at(document: Json, path: list[str]) -> Json:
    for part in path:
        document = document[_index(document, part)] if isinstance(document, list) else document[part]
    return document


def _add(holder: Json, path: list[str], value: Json) -> None:
    parent = _at(holder, path[:-1])
    if isinstance(parent, list):
        parent.insert(_index(parent, path[-1], inserting=True), value)
    else:
        parent[path[-1]] = value


def _take(holder: Json, path: list[str]) -> Json:
    parent = _at(holder, path[:-1])
    return parent.pop(_index(parent, path[-1]) if isinstance(parent, list) else path[-1])


# --- strategic merge


def strategic_merge(target: Json, patch: Json, path: tuple[str, ...] = ()) -> Json:  # noqa: C901
    """Strategic merge patch: lists with a merge key merge item by item, directives are obeyed.

    Directives: `$patch: replace|delete`, `$retainKeys`, `$setElementOrder/<list>`,
    `$deleteFromPrimitiveList/<list>`. `path` is the field's place, `("spec", "ports")`.
    """
    if not isinstance(patch, dict):
        raise PatchError(f"{'.'.join(path) or 'a strategic merge patch'}: expected an object")
    patch = dict(patch)
    directive = patch.pop("$patch", None)
    if directive == "delete":
        return {}
    if directive not in (None, "replace"):
        raise PatchError(f"unknown $patch directive {directive!r}")
    result = dict(target) if isinstance(target, dict) and directive is None else {}
    retained = patch.pop("$retainKeys", None)
    if retained is not None:
        result = {k: result[k] for k in retained if k in result}
    for key in [k for k in patch if k.startswith(_DELETE_FROM)]:
        field, gone = key.removeprefix(_DELETE_FROM), set(patch.pop(key))
        if field in result:
            result[field] = [v for v in result[field] if v not in gone]
    orders = {k.removeprefix(_ORDER): patch.pop(k) for k in list(patch) if k.startswith(_ORDER)}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge_value(result.get(key), value, (*path, key))
    for key, order in orders.items():
        if result.get(key):
            result[key] = _ordered(result[key], order, merge_key((*path, key)), (target or {}).get(key) or [])
    return result


def merge_key(path: tuple[str, ...]) -> str | None:
    """The key by which a list's items are told apart; None when the list is replaced as a whole."""
    if path[-1:] == ("ports",):
        in_container = path[-2:-1] and path[-2] in ("containers", "initContainers", "ephemeralContainers")
        return "containerPort" if in_container else "port" if path == ("spec", "ports") else None
    if path in (("status", "addresses"), ("secrets",)):
        return "type" if path[0] == "status" else "name"
    return _KEYS.get(path[-1])


def _merge_value(old: Json, new: Json, path: tuple[str, ...]) -> Json:
    if isinstance(new, dict):
        return strategic_merge(old, new, path)
    if not isinstance(new, list):
        return new
    old = old if isinstance(old, list) else []
    if path == ("metadata", "finalizers"):
        return list(dict.fromkeys([*old, *new]))
    key = merge_key(path)
    if key is None:
        return copy.deepcopy(new)
    return _merge_items(old, new, key, path)


def _merge_items(old: list[Json], new: list[Json], key: str, path: tuple[str, ...]) -> list[Json]:
    if any(isinstance(item, dict) and item.get("$patch") == "replace" and key not in item for item in new):
        old, new = [], [item for item in new if item.get("$patch") != "replace"]
    if not all(isinstance(item, dict) and key in item for item in new):
        raise PatchError(f"{'.'.join(path)}: each item of the patch needs its merge key {key!r}")
    gone = {item[key] for item in new if item.get("$patch") == "delete"}
    result = [existing for existing in old if existing.get(key) not in gone]
    places = _first_places(existing.get(key) for existing in result)
    for item in new:
        if item.get("$patch") == "delete":
            continue
        if (place := places.setdefault(item[key], len(result))) == len(result):
            result.append({})
        result[place] = strategic_merge(result[place], item, path)
    return result


def _first_places(names: Iterable[Json]) -> dict[Json, int]:
    """Where each value comes first."""
    found: dict[Json, int] = {}
    for index, name in enumerate(names):
        found.setdefault(name, index)
    return found


def _ordered(items: list[Json], order: list[Json], key: str | None, before: list[Json]) -> list[Json]:
    """The items that `order` names, in that order, between the server's own ones.

    An item that is new comes before the server's next own one; others keep their place
    among them (`mergeSortedSlice` of k8s.io/apimachinery strategicpatch).
    """

    def name(item: Json) -> Json:
        return item.get(key) if key and isinstance(item, dict) else item

    wanted, places = _first_places(map(name, order)), _first_places(map(name, before))
    named = deque(sorted((i for i in items if name(i) in wanted), key=lambda i: wanted[name(i)]))
    own = deque(i for i in items if name(i) not in wanted)
    result: list[Json] = []
    while named and own:
        known = name(named[0]) in places and name(own[0]) in places
        own_is_next = known and places[name(own[0])] < places[name(named[0])]
        result.append((own if own_is_next else named).popleft())
    return [*result, *named, *own]
