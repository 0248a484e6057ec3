"""What an object of a snapshot needs to be again what it was, as kubectl lines. Pure."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from gameday.ledger.snapshots import differences

if TYPE_CHECKING:
    from gameday.ledger.snapshots import Snapshot

__all__ = ["left_behind", "mend_commands"]

_PARTS = {"spec": "/spec", "data": "/data", "labels": "/metadata/labels", "annotations": "/metadata/annotations"}


def mend_commands(context: str, namespace: str, before: Snapshot, after: Snapshot) -> list[str]:
    """A kubectl line for each object that differs: put back what it was, or delete what was made."""
    kubectl = f"kubectl --context {shlex.quote(context)} --namespace {shlex.quote(namespace)}"
    names = sorted(before.keys() | after.keys())
    return [line for name in names if (line := _mend(kubectl, name, before.get(name), after.get(name)))]


def left_behind(context: str, namespace: str, before: Snapshot, after: Snapshot) -> list[str]:
    """For each object that differs, the first difference and the command that mends it, in one line."""
    lines = []
    for name in sorted(before.keys() | after.keys()):
        was = {name: before[name]} if name in before else {}
        now = {name: after[name]} if name in after else {}
        if left := differences(was, now):
            how = mend_commands(context, namespace, was, now) or ["apply its manifest"]
            lines.append(f"{left[0]}; mend it with: {how[0]}")
    return lines


def _mend(kubectl: str, name: str, was: Any, now: Any) -> str | None:
    if was is None:
        return f"{kubectl} delete {name}"
    if not isinstance(was, dict) or not isinstance(now, dict) or was == now:
        return None
    patch = [
        {"op": "add", "path": path, "value": was.get(part) or {}}
        for part, path in _PARTS.items()
        if was.get(part) != now.get(part)
    ]
    if not patch:  # a Secret: its content is nowhere kept
        return f"echo 'restore {name} from its source: its content was never copied'"
    return f"{kubectl} patch {name} --type=json --patch {shlex.quote(json.dumps(patch))}"
