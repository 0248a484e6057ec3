"""Objects as rows: the columns that `kubectl get` prints, as the API server words them. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gameday.cluster.selectors import value_at as _at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Object = dict[str, Any]

_NONE = "<none>"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_AGES = (
    (2 * _MINUTE, 1, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (730 * _DAY, _DAY, "d", 0, ""),
)
"""Below so many seconds: the unit, and the smaller unit that is shown beside it."""
_SHOWN = 3
"""How many addresses a cell lists."""


def age(since: str | None, now: datetime) -> str:
    """How long ago an RFC 3339 time is, as kubectl writes it (`duration.HumanDuration`)."""
    if not since:
        return "<unknown>"
    seconds = max(0, int((now - datetime.fromisoformat(since)).total_seconds()))
    for below, large, unit, small, fraction in _AGES:
        if seconds < below:
            rest = seconds % large // small if small else 0
            return f"{seconds // large}{unit}{rest}{fraction}" if rest else f"{seconds // large}{unit}"
    return f"{seconds // _DAY // 365}y"


_COLUMNS: dict[str, str] = json.loads(Path(__file__).with_name("columns.json").read_text())
"""Columns by resource: TITLE=CELL, where `_` is a space, `:i` means an integer, and each `|` toggles those of -o wide.

A cell is a field's path (`<none>` or 0 when it is empty, with `?` nothing), or @ the name, ~ the age, # the number of
items, % a selector, ! one of the functions below.
"""
_OTHERS = "Name=@ Created_At=metadata.creationTimestamp"


def _ago(o: Object, now: datetime, *paths: str) -> str:
    return age(next(filter(None, (_at(o, path) for path in paths)), None), now)


def _restarts(o: Object, now: datetime) -> str:
    statuses = _at(o, "status.containerStatuses") or []
    restarts = sum(c.get("restartCount", 0) for c in statuses)
    ended = max((_at(c, "lastState.terminated.finishedAt") or "" for c in statuses), default="")
    return f"{restarts} ({age(ended, now)} ago)" if restarts and ended else str(restarts)


def pod_phase(o: Object) -> str:
    """A pod's STATUS in `kubectl get pods`: its phase, or what it waits for or died of."""
    status = o.get("status", {})
    shown = str(status.get("reason") or status.get("phase") or "Unknown")
    initialising = _init_phase(status.get("initContainerStatuses", []))
    statuses = [] if initialising else status.get("containerStatuses", [])
    for c in reversed(statuses):
        shown = _state_reason(c) or shown
    if shown == "Completed" and any(c.get("ready") and _at(c, "state.running") for c in statuses):
        shown = "Running"
    return "Terminating" if o["metadata"].get("deletionTimestamp") else initialising or shown


def _state_reason(container_status: Object) -> str:
    state = container_status.get("state", {})
    if reason := _at(state, "waiting.reason"):
        return str(reason)
    if ended := state.get("terminated"):
        signal = ended.get("signal")
        return str(ended.get("reason") or (f"Signal:{signal}" if signal else f"ExitCode:{ended.get('exitCode', 0)}"))
    return ""


def _init_phase(statuses: list[Object]) -> str:
    for index, c in enumerate(statuses):
        ended = _at(c, "state.terminated")
        if ended and ended.get("exitCode") == 0:
            continue
        reason = _state_reason(c)
        return f"Init:{reason}" if reason not in ("", "PodInitializing") else f"Init:{index}/{len(statuses)}"
    return ""


def _templates(o: Object, field: str) -> str:
    return ",".join(c.get(field, "") for c in _at(o, "spec.template.spec.containers") or [])


def _port(p: Object) -> str:
    return f"{p.get('port')}{':' + str(p['nodePort']) if p.get('nodePort') else ''}/{p.get('protocol', 'TCP')}"


def _few(found: list[str], none: str) -> str:
    more = f" + {len(found) - _SHOWN} more..." if len(found) > _SHOWN else ""
    return (",".join(found[:_SHOWN]) + more) or none


def _node_status(o: Object) -> str:
    ready: Object = next((c for c in _at(o, "status.conditions") or [] if c.get("type") == "Ready"), {})
    return {"True": "Ready", "False": "NotReady"}.get(ready.get("status", ""), "Unknown")


def _roles(o: Object) -> str:
    role = "node-role.kubernetes.io/"
    return (
        ",".join(sorted(k.removeprefix(role) for k in o["metadata"].get("labels", {}) if k.startswith(role))) or _NONE
    )


def _source(o: Object) -> str:
    found = (_at(o, "source.component"), _at(o, "source.host"))
    return ", ".join(filter(None, found if any(found) else (o.get("reportingComponent"), o.get("reportingInstance"))))


_CELLS: dict[str, Callable[[Object, datetime], Any]] = {
    "ready": lambda o, _: f"{sum(bool(c.get('ready')) for c in _at(o, 'status.containerStatuses') or [])}/"
                          f"{len(_at(o, 'spec.containers') or [])}",
    "phase": lambda o, _: pod_phase(o),
    "restarts": _restarts,
    "gates": lambda o, _: f"0/{len(gates)}" if (gates := _at(o, "spec.readinessGates")) else _NONE,
    "replicas": lambda o, _: f"{_at(o, 'status.readyReplicas') or 0}/{_at(o, 'spec.replicas') or 0}",
    "containers": lambda o, _: _templates(o, "name"),
    "images": lambda o, _: _templates(o, "image"),
    "external": lambda o, _: _at(o, "spec.externalName") or ",".join(_at(o, "spec.externalIPs") or []) or _NONE,
    "ports": lambda o, _: ",".join(map(_port, _at(o, "spec.ports") or [])) or _NONE,
    "selector": lambda o, _: format_selector({"matchLabels": _at(o, "spec.selector")}),
    "endpoints": lambda o, _: _few([f"{a.get('ip')}:{p.get('port')}" for s in o.get("subsets") or []
                                    for p in s.get("ports", []) for a in s.get("addresses", [])], _NONE),
    "slice_ports": lambda o, _: ",".join(str(p.get("port", "*")) for p in o.get("ports") or []) or "<unset>",
    "slice": lambda o, _: _few([a for e in o.get("endpoints") or [] for a in e.get("addresses", [])], "<unset>"),
    "last": lambda o, now: _ago(o, now, "series.lastObservedTime", "lastTimestamp", "firstTimestamp", "eventTime"),
    "first": lambda o, now: _ago(o, now, "firstTimestamp", "eventTime"),
    "about": lambda o, _: f"{str(_at(o, 'involvedObject.kind') or '').lower()}/{_at(o, 'involvedObject.name') or ''}",
    "source": lambda o, _: _source(o),
    "message": lambda o, _: str(o.get("message", "")).strip(),
    "count": lambda o, _: o.get("count") or 1,
    "node": lambda o, _: _node_status(o),
    "roles": lambda o, _: _roles(o),
    "address": lambda o, _: next((a.get("address") for a in _at(o, "status.addresses") or []
                                  if a.get("type") == "InternalIP"), _NONE),
    "least": lambda o, _: str(_at(o, "spec.minAvailable") if "minAvailable" in o.get("spec", {}) else "N/A"),
    "most": lambda o, _: str(_at(o, "spec.maxUnavailable") if "maxUnavailable" in o.get("spec", {}) else "N/A"),
}  # fmt: skip


def columns(resource: str) -> list[dict[str, Any]]:
    """The columnDefinitions of a resource's table."""
    found = []
    for index, part in enumerate(_COLUMNS.get(resource, _OTHERS).split("|")):
        for word in part.split():
            name, _, kind = word.partition("=")[0].replace("_", " ").partition(":")
            found.append({"name": name, "type": "integer" if kind else "string", "priority": index % 2,
                          "format": "name" if name == "Name" else "", "description": ""})  # fmt: skip
    return found


def table(resource: str, objects: Sequence[Object], include: str = "Metadata") -> Object:
    """A meta.k8s.io/v1 Table of objects, without its metadata; `include` is None, Metadata or Object."""
    instant = datetime.now(UTC)
    words = _COLUMNS.get(resource, _OTHERS).replace("|", "").split()
    rows = [
        {
            "cells": [_cell(word, o, instant) for word in words],
            "object": o if include == "Object" else metadata_alone(o),
        }
        for o in objects
    ]
    for row in rows if include == "None" else ():
        del row["object"]
    return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "columnDefinitions": columns(resource), "rows": rows}


def _cell(column: str, o: Object, now: datetime) -> Any:
    title, _, cell = column.partition("=")
    match cell[0], cell[1:]:
        case "@", _:
            return o["metadata"]["name"]
        case "~", _:
            return _ago(o, now, "metadata.creationTimestamp")
        case "#", paths:
            return sum(len(_at(o, path) or ()) for path in paths.split(","))
        case "%", path:
            return format_selector(_at(o, path) or {})
        case "!", name:
            return _CELLS[name](o, now)
    return _at(o, cell.removesuffix("?")) or (0 if title.endswith(":i") else "" if cell.endswith("?") else _NONE)


def metadata_alone(o: Object) -> Object:
    """A PartialObjectMetadata of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": o["metadata"]}


def format_selector(selector: Object) -> str:
    """A LabelSelector as text, `app=x,tier in (a,b)`; `<none>` when it is empty."""
    parts = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    for e in selector.get("matchExpressions") or []:
        key, values = e.get("key", ""), f" ({','.join(e.get('values') or [])})"
        words = {"In": f"{key} in{values}", "NotIn": f"{key} notin{values}", "Exists": key}
        parts.append(words.get(e.get("operator", ""), f"!{key}"))
    return ",".join(parts) or _NONE
