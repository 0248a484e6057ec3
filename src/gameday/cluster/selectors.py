"""Label and field selectors: which objects a query, a Service or a controller means. Pure.

Grammar and meaning are those of k8s.io/apimachinery `labels` and `fields`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]

_NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY = re.compile(rf"(?:[a-z0-9](?:[-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_NAME}")
_VALUE = re.compile(rf"(?:{_NAME})?")
_SET = re.compile(r"(?P<key>\S+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)")
_COMPARE = re.compile(r"(?P<key>[^\s=!<>]+)\s*(?P<op>==|=|!=|>|<)\s*(?P<value>[^\s=!<>]*)")
_PART = re.compile(r"(?:[^,(]|\([^)]*\)?)+")  # what the commas outside of parentheses part
_FIELD = re.compile(r"(?P<path>[^=!]+)(?P<op>==|=|!=)(?P<value>.*)")


class SelectorError(ValueError):
    """The selector does not parse; the message says which part."""


@dataclass(frozen=True)
class Requirement:
    """One condition on a label."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels satisfy the condition; an absent key satisfies NotIn."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value in self.values
            case "NotIn":
                return value not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
            case _:
                return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        try:
            left, right = int(value or ""), int(self.values[0])
        except ValueError:
            return False
        return left > right if self.operator == "Gt" else left < right


@dataclass(frozen=True)
class FieldRequirement:
    """One condition on a field, `status.phase!=Running`."""

    path: str
    equal: bool
    value: str

    def holds(self, obj: Mapping[str, Any]) -> bool:
        """Whether the object's field has (or has not) the value; an absent field is empty."""
        found = value_at(obj, self.path)
        if isinstance(found, bool):
            found = str(found).lower()
        return (str("" if found is None else found) == self.value) == self.equal


def value_at(obj: Any, path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    for part in path.split("."):
        obj = obj.get(part) if isinstance(obj, Mapping) else None
    return obj


def matches(selector: str | Mapping[str, Any] | None, labels: Mapping[str, str] | None) -> bool:
    """Whether labels satisfy a selector.

    Args:
        selector: text (`app in (a,b),!x`), a plain map (Services), or a LabelSelector with
            `matchLabels`/`matchExpressions`. Empty means everything, None nothing.
        labels: the object's labels; None is none.

    Raises SelectorError.
    """
    if selector is None:
        return False
    requirements = parse_labels(selector) if isinstance(selector, str) else from_map(selector)
    return all(r.holds(labels or {}) for r in requirements)


def from_map(selector: Mapping[str, Any]) -> list[Requirement]:
    """The requirements of a plain map or a LabelSelector. Raises SelectorError."""
    if not any(isinstance(selector.get(k), dict | list) for k in ("matchLabels", "matchExpressions")):
        return [Requirement(k, "In", (v,)) for k, v in selector.items() if isinstance(v, str)]
    found = [Requirement(k, "In", (v,)) for k, v in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or []:
        operator, values = expression.get("operator"), tuple(expression.get("values") or ())
        if operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
            raise SelectorError(f'"{operator}" is not a valid label selector operator')
        found.append(Requirement(expression.get("key", ""), operator, values))
    return found


@lru_cache(maxsize=512)
def parse_labels(text: str) -> tuple[Requirement, ...]:
    """The requirements of a `labelSelector` parameter. Raises SelectorError."""
    return tuple(_requirement(part.strip()) for part in _PART.findall(text) if part.strip())


def _requirement(part: str) -> Requirement:
    if found := _SET.fullmatch(part):
        values = tuple(v.strip() for v in found["values"].split(","))
        return _checked(part, Requirement(found["key"], "In" if found["op"] == "in" else "NotIn", values))
    if found := _COMPARE.fullmatch(part):
        operators: dict[str, Operator] = {"=": "In", "==": "In", "!=": "NotIn", ">": "Gt", "<": "Lt"}
        return _checked(part, Requirement(found["key"], operators[found["op"]], (found["value"],)))
    if part.startswith("!"):
        return _checked(part, Requirement(part[1:].strip(), "DoesNotExist"))
    return _checked(part, Requirement(part, "Exists"))


def _checked(part: str, requirement: Requirement) -> Requirement:
    if not _KEY.fullmatch(requirement.key):
        raise SelectorError(f'unable to parse requirement: "{part}": invalid label key "{requirement.key}"')
    for value in requirement.values:
        if not _VALUE.fullmatch(value):
            raise SelectorError(f'unable to parse requirement: "{part}": invalid label value "{value}"')
    return requirement


@lru_cache(maxsize=512)
def parse_fields(text: str) -> tuple[FieldRequirement, ...]:
    """The requirements of a `fieldSelector` parameter. Raises SelectorError."""
    found = []
    for part in filter(None, text.split(",")):
        parsed = _FIELD.fullmatch(part)
        if not parsed:
            raise SelectorError(f"invalid field selector: {part!r}; expected path=value or path!=value")
        found.append(FieldRequirement(parsed["path"].strip(), parsed["op"] != "!=", parsed["value"]))
    return tuple(found)
