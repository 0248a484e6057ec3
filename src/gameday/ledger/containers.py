"""One field of a container in a Deployment's template: reading it, and the JSON patches that change it and back. Pure.

A JSON patch says what must still be so (`test`): where somebody else has changed it, the server refuses the whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gameday.ledger.proxies import FAULT_LABEL

if TYPE_CHECKING:
    from gameday.ledger.entries import SetContainer, SetServicePorts

Object = dict[str, Any]
Patch = list[dict[str, Any]]
TEMPLATE = "/spec/template"
_LABEL_PATH = f"{TEMPLATE}/metadata/labels/{FAULT_LABEL.replace('/', '~1')}"


def container_at(deployment: Object, name: str) -> tuple[int, Object] | None:
    """Where a container stands in the template, and what it is; None when there is none of that name."""
    found = deployment["spec"]["template"]["spec"]["containers"]
    return next(((at, one) for at, one in enumerate(found) if one["name"] == name), None)


def label_of(deployment: Object) -> str | None:
    """The id of the fault whose label the template carries."""
    labels = deployment["spec"]["template"].get("metadata", {}).get("labels") or {}
    return labels.get(FAULT_LABEL)


def value_of(deployment: Object, container: str, field: str, variable: str | None = None) -> Any:
    """The present value of a container's field, or of one variable of its `env`; None when it is not there."""
    found = container_at(deployment, container)
    value = found[1].get(field) if found else None
    if variable is None:
        return value
    return next((one for one in value or [] if one["name"] == variable), None)


def position_of(deployment: Object, container: str, variable: str) -> int:
    """Where a variable stands in a container's `env`, or would stand when it is added at the end."""
    found = container_at(deployment, container)
    names = [one["name"] for one in (found[1].get("env") or [])] if found else []
    return names.index(variable) if variable in names else len(names)


def onset(deployment: Object, change: SetContainer) -> Patch:
    """The patch that makes `change.fault` of `change.old` and sets the fault's label, if all is as it was read."""
    return [
        {"op": "test", "path": "/metadata/uid", "value": change.uid},
        *_set(deployment, change, change.old, change.fault),
        {"op": "add", "path": _LABEL_PATH, "value": change.label},
    ]


def undoing(deployment: Object, change: SetContainer) -> Patch:
    """The patch that puts back what of the fault is left: the value, the label, or both."""
    current = value_of(deployment, change.container, change.field, change.variable)
    patch = _set(deployment, change, current, change.old) if current != change.old else []
    if label_of(deployment) == change.label:
        patch += [
            {"op": "test", "path": _LABEL_PATH, "value": change.label},
            {"op": "remove", "path": _LABEL_PATH},
        ]
    return patch


def _set(deployment: Object, change: SetContainer, current: Any, wanted: Any) -> Patch:
    found = container_at(deployment, change.container)
    if found is None:  # it was renamed: nothing of it can be put back, and the caller has compared before
        return []
    at, container = found
    base = f"{TEMPLATE}/spec/containers/{at}"
    same = {"op": "test", "path": f"{base}/name", "value": change.container}
    if change.variable is None:
        return [same, *_swap(f"{base}/{change.field}", current, wanted)]
    listed = container.get("env") or []
    if not listed or (wanted is None and len(listed) == 1):  # the list comes and goes with its only variable
        whole = None if wanted is None else [wanted]
        return [same, *_swap(f"{base}/env", listed or None, whole)]
    place = position_of(deployment, change.container, change.variable)
    if current is None:
        return [same, {"op": "add", "path": f"{base}/env/{min(change.position, len(listed))}", "value": wanted}]
    return [same, *_swap(f"{base}/env/{place}", current, wanted)]


def _swap(path: str, current: Any, wanted: Any) -> Patch:
    """Make one value of another; None stands for none."""
    test = [{"op": "test", "path": path, "value": current}] if current is not None else []
    change: Patch = [{"op": "remove", "path": path}]
    if wanted is not None:
        change = [{"op": "add" if current is None else "replace", "path": path, "value": wanted}]
    return [*test, *change]


def ports_undoing(change: SetServicePorts) -> Patch:
    """The patch that puts a Service's ports back."""
    return _swap("/spec/ports", change.fault, change.old)


def strategic(change: SetContainer) -> Object:
    """The strategic merge patch that puts the old value back by names alone, as a person may type it."""
    old: Any = change.old
    if change.variable is not None:
        one = {"name": change.variable}
        old = [{**one, "$patch": "delete"}] if old is None else [{"value": None, "valueFrom": None, **old}]
    elif isinstance(old, dict):
        old = {**old, "$patch": "replace"}
    elif change.field == "ports" and old is not None:
        old = [*old, {"$patch": "replace"}]
    template = {
        "metadata": {"labels": {FAULT_LABEL: None}},
        "spec": {"containers": [{"name": change.container, change.field: old}]},
    }
    return {"spec": {"template": template}}
