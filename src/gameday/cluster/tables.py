"""Objects as rows: the columns that `kubectl get` prints, as the API server words them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Object = dict[str, Any]
Cells = list[Any]

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


# --- cells of each resource: name first, age where the columns say so; after "|" only with -o wide


def _pod(o: Object, now: datetime) -> Cells:
    spec, status = o.get("spec", {}), o.get("status", {})
    statuses = status.get("containerStatuses", [])
    ready = sum(1 for c in statuses if c.get("ready"))
    restarts = sum(c.get("restartCount", 0) for c in statuses)
    ended = max((s.get("lastState", {}).get("terminated", {}).get("finishedAt") or "" for s in statuses), default="")
    shown = f"{restarts} ({age(ended, now)} ago)" if restarts and ended else str(restarts)
    gates = spec.get("readinessGates")
    return [o["metadata"]["name"], f"{ready}/{len(spec.get('containers', []))}", pod_phase(o), shown, None,
            status.get("podIP") or _NONE, spec.get("nodeName") or _NONE, status.get("nominatedNodeName") or _NONE,
            f"0/{len(gates)}" if gates else _NONE]  # fmt: skip


def pod_phase(o: Object) -> str:
    """A pod's STATUS in `kubectl get pods`: its phase, or what it waits for or died of."""
    status = o.get("status", {})
    shown = str(status.get("reason") or status.get("phase") or "Unknown")
    initialising = _init_phase(o)
    if initialising:
        shown = initialising
    else:
        running = False
        for c in reversed(status.get("containerStatuses", [])):
            shown = _state_reason(c) or shown
            running = running or bool(c.get("ready") and c.get("state", {}).get("running"))
        if shown == "Completed" and running:
            shown = "Running"
    return "Terminating" if o["metadata"].get("deletionTimestamp") else shown


def _state_reason(container_status: Object) -> str:
    state = container_status.get("state", {})
    if reason := state.get("waiting", {}).get("reason"):
        return str(reason)
    if ended := state.get("terminated"):
        signal = ended.get("signal")
        return str(ended.get("reason") or (f"Signal:{signal}" if signal else f"ExitCode:{ended.get('exitCode', 0)}"))
    return ""


def _init_phase(o: Object) -> str:
    statuses = o.get("status", {}).get("initContainerStatuses", [])
    for index, c in enumerate(statuses):
        ended = c.get("state", {}).get("terminated")
        if ended and ended.get("exitCode") == 0:
            continue
        reason = _state_reason(c)
        return f"Init:{reason}" if reason not in ("", "PodInitializing") else f"Init:{index}/{len(statuses)}"
    return ""


def _workload(o: Object) -> Cells:
    template = o.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
    return [",".join(c.get("name", "") for c in template), ",".join(c.get("image", "") for c in template),
            format_selector(o.get("spec", {}).get("selector", {}))]  # fmt: skip


def _deployment(o: Object, _: datetime) -> Cells:
    status, wanted = o.get("status", {}), o.get("spec", {}).get("replicas", 0)
    return [o["metadata"]["name"], f"{status.get('readyReplicas', 0)}/{wanted}", status.get("updatedReplicas", 0),
            status.get("availableReplicas", 0), None, *_workload(o)]  # fmt: skip


def _replica_set(o: Object, _: datetime) -> Cells:
    status = o.get("status", {})
    return [o["metadata"]["name"], o.get("spec", {}).get("replicas", 0), status.get("replicas", 0),
            status.get("readyReplicas", 0), None, *_workload(o)]  # fmt: skip


def _service(o: Object, _: datetime) -> Cells:
    spec = o.get("spec", {})
    ports = ",".join(
        f"{p.get('port')}{':' + str(p['nodePort']) if p.get('nodePort') else ''}/{p.get('protocol', 'TCP')}"
        for p in spec.get("ports", [])
    )
    external = spec.get("externalName") or ",".join(spec.get("externalIPs", [])) or _NONE
    return [o["metadata"]["name"], spec.get("type", ""), spec.get("clusterIP") or _NONE, external, ports or _NONE,
            None, format_selector({"matchLabels": spec.get("selector") or {}})]  # fmt: skip


def _endpoints(o: Object, _: datetime) -> Cells:
    found = [f"{a.get('ip')}:{p.get('port')}" for s in o.get("subsets", []) for p in s.get("ports", [])
             for a in s.get("addresses", [])]  # fmt: skip
    more = f" + {len(found) - _SHOWN} more..." if len(found) > _SHOWN else ""
    return [o["metadata"]["name"], (",".join(found[:_SHOWN]) + more) or _NONE, None]


def _endpoint_slice(o: Object, _: datetime) -> Cells:
    ports = ",".join(str(p.get("port", "*")) for p in o.get("ports") or [])
    found = [a for e in o.get("endpoints") or [] for a in e.get("addresses", [])]
    more = f" + {len(found) - _SHOWN} more..." if len(found) > _SHOWN else ""
    return [o["metadata"]["name"], o.get("addressType", ""), ports or "<unset>",
            (",".join(found[:_SHOWN]) + more) or "<unset>", None]  # fmt: skip


def _event(o: Object, now: datetime) -> Cells:
    about, source = o.get("involvedObject", {}), o.get("source", {})
    first = o.get("firstTimestamp") or o.get("eventTime")
    last = o.get("series", {}).get("lastObservedTime") or o.get("lastTimestamp") or first
    name = f"{about.get('kind', '').lower()}/{about.get('name', '')}"
    return [age(last, now), o.get("type", ""), o.get("reason", ""), name, about.get("fieldPath", ""),
            source.get("component") or o.get("reportingComponent", ""), str(o.get("message", "")).strip(),
            age(first, now), o.get("count") or 1, o["metadata"]["name"]]  # fmt: skip


def _node(o: Object, _: datetime) -> Cells:
    info, labels = o.get("status", {}).get("nodeInfo", {}), o["metadata"].get("labels", {})
    ready: Object = next((c for c in o.get("status", {}).get("conditions", []) if c.get("type") == "Ready"), {})
    shown = {"True": "Ready", "False": "NotReady"}.get(ready.get("status", ""), "Unknown")
    if o.get("spec", {}).get("unschedulable"):
        shown += ",SchedulingDisabled"
    role = "node-role.kubernetes.io/"
    roles = ",".join(sorted(k.removeprefix(role) for k in labels if k.startswith(role))) or _NONE
    addresses = {a.get("type"): a.get("address") for a in o.get("status", {}).get("addresses", [])}
    address = addresses.get("InternalIP", _NONE)
    return [o["metadata"]["name"], shown, roles, None, info.get("kubeletVersion", ""), address, _NONE,
            info.get("osImage", ""), info.get("kernelVersion", ""),
            info.get("containerRuntimeVersion", "")]  # fmt: skip


def _disruption_budget(o: Object, _: datetime) -> Cells:
    spec = o.get("spec", {})
    return [o["metadata"]["name"], str(spec.get("minAvailable", "N/A")), str(spec.get("maxUnavailable", "N/A")),
            o.get("status", {}).get("disruptionsAllowed", 0), None]  # fmt: skip


_COLUMNS: dict[str, tuple[str, Callable[[Object, datetime], Cells]]] = {
    "pods": ("Name Ready Status Restarts Age|IP Node Nominated_Node Readiness_Gates", _pod),
    "deployments.apps": ("Name Ready Up-to-date:i Available:i Age|Containers Images Selector", _deployment),
    "replicasets.apps": ("Name Desired:i Current:i Ready:i Age|Containers Images Selector", _replica_set),
    "services": ("Name Type Cluster-IP External-IP Port(s) Age|Selector", _service),
    "endpoints": ("Name Endpoints Age", _endpoints),
    "endpointslices.discovery.k8s.io": ("Name AddressType Ports Endpoints Age", _endpoint_slice),
    "events": ("Last_Seen Type Reason Object|Subobject Source|Message|First_Seen Count:i Name", _event),
    "nodes": ("Name Status Roles Age Version|Internal-IP External-IP OS-Image Kernel-Version Container-Runtime", _node),
    "namespaces": ("Name Status Age", lambda o, _: [o["metadata"]["name"], o.get("status", {}).get("phase", ""), None]),
    "configmaps": (
        "Name Data:i Age",
        lambda o, _: [o["metadata"]["name"], len(o.get("data", {})) + len(o.get("binaryData", {})), None],
    ),
    "secrets": (
        "Name Type Data:i Age",
        lambda o, _: [o["metadata"]["name"], o.get("type", ""), len(o.get("data", {})), None],
    ),
    "serviceaccounts": (
        "Name Secrets:i Age",
        lambda o, _: [o["metadata"]["name"], len(o.get("secrets", [])), None],
    ),
    "leases.coordination.k8s.io": (
        "Name Holder Age",
        lambda o, _: [o["metadata"]["name"], o.get("spec", {}).get("holderIdentity", ""), None],
    ),
    "networkpolicies.networking.k8s.io": (
        "Name Pod-Selector Age",
        lambda o, _: [o["metadata"]["name"], format_selector(o.get("spec", {}).get("podSelector", {})), None],
    ),
    "poddisruptionbudgets.policy": (
        "Name Min_Available Max_Unavailable Allowed_Disruptions:i Age",
        _disruption_budget,
    ),
}
"""Columns by resource: `_` is a space, `:i` an integer, each `|` toggles columns of -o wide alone."""


def columns(resource: str) -> list[dict[str, Any]]:
    """The columnDefinitions of a resource's table."""
    text = _COLUMNS[resource][0] if resource in _COLUMNS else "Name Created_At"
    found = []
    for index, part in enumerate(text.split("|")):
        for word in part.split():
            name, _, kind = word.partition(":")
            name = name.replace("_", " ")
            found.append({
                "name": name,
                "type": "integer" if kind else "string",
                "format": "name" if name == "Name" else "",
                "description": "",
                "priority": index % 2,
            })  # fmt: skip
    return found


def table(resource: str, objects: Sequence[Object], *, revision: str, include: str = "Metadata") -> Object:
    """A meta.k8s.io/v1 Table of objects; `include` is None, Metadata or Object."""
    instant = datetime.now(UTC)
    rows = [
        {"cells": _cells(resource, o, instant), **({} if include == "None" else {"object": _included(o, include)})}
        for o in objects
    ]
    return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": revision},
            "columnDefinitions": columns(resource), "rows": rows}  # fmt: skip


def _cells(resource: str, o: Object, instant: datetime) -> Cells:
    if resource not in _COLUMNS:
        return [o["metadata"]["name"], o["metadata"].get("creationTimestamp")]
    created = age(o["metadata"].get("creationTimestamp"), instant)
    return [created if cell is None else cell for cell in _COLUMNS[resource][1](o, instant)]


def _included(o: Object, include: str) -> Object:
    if include == "Object":
        return o
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": o["metadata"]}


def format_selector(selector: Object) -> str:
    """A LabelSelector as text, `app=x,tier in (a,b)`; `<none>` when it is empty."""
    parts = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    for e in selector.get("matchExpressions") or []:
        key, values = e.get("key", ""), f" ({','.join(e.get('values') or [])})"
        words = {"In": f"{key} in{values}", "NotIn": f"{key} notin{values}", "Exists": key}
        parts.append(words.get(e.get("operator", ""), f"!{key}"))
    return ",".join(parts) or _NONE
