"""What a manifest fault makes of a container's field, and what it will not touch because it may be a secret. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from gameday.activities.guard import NotAllowedError

_SECRET = re.compile(
    r"PASSW|PASSPHRASE|TOKEN|SECRET|KEY|CREDENTIAL|AUTHORIZATION|COOKIE|://[^/\s\"]*:[^/\s\"]*@", re.IGNORECASE
)
"""What names a secret, and a password in a URL."""


def merged(old: Any, change: Any) -> Any:
    """A JSON merge patch (RFC 7386) applied: mappings are merged, null removes, all else replaces.

    >>> merged({"httpGet": {"path": "/readyz", "port": "http"}}, {"httpGet": {"path": "/nothing"}})
    {'httpGet': {'path': '/nothing', 'port': 'http'}}
    """
    if not isinstance(change, dict):
        return change
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def with_port(ports: Any, name: str, number: int) -> Any:
    """A container's ports with another number for the one of that name. Raises NotAllowedError when there is none."""
    names = [one.get("name") for one in ports or []]
    if name not in names:
        raise NotAllowedError(f"the container has the ports {names}, expected one that is called {name!r}")
    return [{**one, "containerPort": number} if one.get("name") == name else one for one in ports]


def variable(name: str, value: str | None, value_from: dict[str, Any] | None, *, removed: bool) -> Any:
    """An item of `env`, or None for one that is removed. Raises NotAllowedError unless exactly one is asked for."""
    if (value is not None) + (value_from is not None) + removed != 1:
        raise NotAllowedError(f"variable {name}: give one of value, value_from and removed: true")
    if removed:
        return None
    return {"name": name, "value": value} if value is not None else {"name": name, "valueFrom": value_from}


def refuse_secrets(what: str, field: str, *values: Any) -> None:
    """Raise NotAllowedError when a value may hold a secret, for it would be copied into the ledger.

    A variable with a literal value is judged by its name too; one that only refers to a Secret is not secret itself.
    """
    for value in values:
        if field == "env" and isinstance(value, dict) and "valueFrom" in value:
            continue
        if found := _SECRET.search(json.dumps(value)):
            raise NotAllowedError(
                f"{what}: {found[0]!r} in it looks like a secret, which must not get into the ledger, so it is not "
                "touched; change what refers to a Secret (value_from), or another field"
            )
