"""The rules that one value must satisfy, with the messages of a real API server.

Which field must satisfy which is in `validation`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

from gameday.cluster.api.errors import Cause, duplicate, forbidden, invalid, required, unsupported

Object = dict[str, Any]
Causes = Iterator[Cause]
Rule = Callable[[str, Any], Causes]
"""What is wrong with a value, given the field's path; None where the field is not there."""

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_WORD = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"


def needed(field: str, value: Any) -> Causes:
    """Not empty."""
    if not value:
        yield required(field)


def one_of(*allowed: str) -> Rule:
    """One of these words."""

    def check(field: str, value: Any) -> Causes:
        if value not in allowed:
            yield unsupported(field, value or "", allowed)

    return check


def at_least(least: int) -> Rule:
    """Not below a number, which is 0 or 1."""
    words = "must be greater than or equal to 0" if least == 0 else "must be greater than 0"

    def check(field: str, value: Any) -> Causes:
        if value is not None and value < least:
            yield invalid(field, value, words)

    return check


def is_one(field: str, value: Any) -> Causes:
    """1, or left out."""
    if value not in (None, 1):
        yield invalid(field, value, "must be 1")


def matching(pattern: str, words: str, longest: int = 253) -> Rule:
    """Empty, or a text of a form; `words` say which, `longest` is in characters."""

    def check(field: str, value: Any) -> Causes:
        # The beginning of a name may end with a dash.
        whole = re.sub(".-$", "a", value) if value and field.endswith("generateName") else value
        if value and not re.fullmatch(pattern, whole):
            yield invalid(field, value, words)
        if value and len(value) > longest:
            yield invalid(field, value, f"must be no more than {longest} characters")

    return check


def unique(key: str, *, wrong: Callable[[str, Any], Cause] = duplicate) -> Rule:
    """A list whose items differ in a field."""

    def check(field: str, value: Any) -> Causes:
        seen = set()
        for index, item in enumerate(value or []):
            if (found := item.get(key)) in seen:
                yield wrong(f"{field}[{index}].{key}", found)
            elif found:
                seen.add(found)

    return check


def one_kind(words: str, kinds: tuple[str, ...], *, must: bool) -> Rule:
    """One of these fields at most; with `must` exactly one."""

    def check(field: str, value: Any) -> Causes:
        found = [kind for kind in kinds if kind in (value or {})]
        if must and value is not None and not found:
            yield required(field, f"must specify a {words}")
        for extra in found[1:]:
            yield forbidden(f"{field}.{extra}", f"may not specify more than 1 {words}")

    return check


def port_number(field: str, value: Any) -> Causes:
    """A port by number or by name."""
    if isinstance(value, str):
        yield from PORT_NAME(field, value)
    elif not 1 <= (value or 0) <= 65535:  # noqa: PLR2004
        yield invalid(field, value or 0, "must be between 1 and 65535, inclusive")


def seconds(field: str, value: Any) -> Causes:
    """A span that a pod is given."""
    if value is not None and not 1 <= value < 1 << 31:
        yield invalid(field, value, f"must be between 1 and {(1 << 31) - 1}, inclusive")


def ip_literal(field: str, value: Any) -> Causes:
    """An IP address."""
    try:
        ip_address(value or "")
    except ValueError:
        yield invalid(field, value or "", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")


def unserved(what: str) -> Rule:
    """Left out, since the embedded cluster does not serve it."""

    def check(field: str, value: Any) -> Causes:
        if value:
            yield forbidden(field, f"{what} are not served by the embedded cluster")

    return check


def inside(field: str, value: Any) -> Causes:
    """A path below a volume."""
    if (value or "").startswith("/"):
        yield invalid(field, value, "must be a relative path")
    if ".." in (value or "").split("/"):
        yield invalid(field, value, "must not contain '..'")


def own_name(field: str, value: Any) -> Causes:
    """Names that begin so are the kubelet's in a volume."""
    if (value or "").startswith(".."):
        yield invalid(field, value, "must not start with '..'")


def below_root(field: str, value: Any) -> Causes:
    """A path that stays in the pod's own folder."""
    yield from unserved("mount paths with '..'")(field, ".." in (value or "").split("/"))


def qualified(field: str, name: str) -> Causes:
    """A name with a domain before it, or none."""
    if not re.fullmatch(rf"({_LABEL}(\.{_LABEL})*/)?{_WORD}", name):
        yield invalid(field, name, "name part must consist of alphanumeric characters, '-', '_' or '.', and must "
                                   "start and end with an alphanumeric character")  # fmt: skip


def labels(field: str, found: Object | None) -> Causes:
    """What is wrong with labels."""
    for key, value in (found or {}).items():
        yield from qualified(field, key)
        if not re.fullmatch(f"({_WORD})?", value):
            yield invalid(field, value, "a valid label must be an empty string or consist of alphanumeric characters, "
                                        "'-', '_' or '.', and must start and end with an alphanumeric character, "
                                        "63 characters at most")  # fmt: skip


DNS_LABEL = matching(_LABEL, (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
    "end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"), 63)  # fmt: skip
SERVICE_NAME = matching(r"[a-z]([-a-z0-9]*[a-z0-9])?", (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
    "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"), 63)  # fmt: skip
SUBDOMAIN = matching(rf"{_LABEL}(\.{_LABEL})*", (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"))  # fmt: skip
PORT_NAME = matching(r"(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*", (
    "must be 15 characters at most of lower case alphanumerics or '-', with a letter in it"), 15)  # fmt: skip
ENV_NAME = matching(r"[-._a-zA-Z][-._a-zA-Z0-9]*", (
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', "
    "or '.', and must not start with a digit"))  # fmt: skip
DATA_KEY = matching(r"(?!\.$|\.\.)[-._a-zA-Z0-9]+", (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"))  # fmt: skip
