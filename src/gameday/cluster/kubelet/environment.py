"""A container's environment and argv: references, Service variables, expansion, mount paths. Reads the store only."""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gameday.cluster.quantities import quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gameday.cluster.store import Object, Store

_VARIABLE = re.compile(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)")
_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_FIELD = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


MAX_VALUE = 128 * 1024
"""The kernel's MAX_ARG_STRLEN: no variable and no argument may be longer."""


class ConfigError(Exception):
    """A reference leads nowhere: becomes CreateContainerConfigError."""


UNUSABLE = (ConfigError, OSError, ValueError, LookupError)
"""What comes of a manifest that passed validation and still cannot be carried out."""


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` becomes the variable's value, an unknown one stays as it is, `$$` is a literal `$`.

    Raises ConfigError rather than to grow without bound: a variable may hold ten of another, and so on.
    """
    length = 0

    def value(found: re.Match[str]) -> str:
        nonlocal length
        text = "$" if found[0] == "$$" else variables.get(found[1], found[0])
        length += len(text)
        if length > MAX_VALUE:
            raise ConfigError(f"{found[0]} makes a value longer than {MAX_VALUE} bytes")
        return text

    return _VARIABLE.sub(value, text)


@dataclass(frozen=True)
class Mounts:
    """Where each mount path of a container really is."""

    places: Mapping[str, str]

    def rewrite(self, text: str) -> str:
        """Replace mount paths, and what is below them, by the real folders."""
        if not self.places or "/" not in text:
            return text
        longest_first = sorted(self.places, key=len, reverse=True)
        pattern = r"(?<![\w.\-/])(" + "|".join(map(re.escape, longest_first)) + r")(?![\w.\-])"
        return re.sub(pattern, lambda m: self.places[m[1]], text)


def service_variables(services: Iterable[Object]) -> dict[str, str]:
    """`{SVC}_SERVICE_HOST` and friends."""
    found: dict[str, str] = {}
    for service in services:
        host = service["spec"].get("clusterIP")
        if host in (None, "", "None"):
            continue
        name = service["metadata"]["name"].upper().replace("-", "_")
        ports = service["spec"].get("ports", [])
        found[f"{name}_SERVICE_HOST"] = host
        for index, port in enumerate(ports):
            protocol = port.get("protocol", "TCP")
            if index == 0:
                found[f"{name}_SERVICE_PORT"] = str(port["port"])
                found[f"{name}_PORT"] = f"{protocol.lower()}://{host}:{port['port']}"
            if port.get("name"):
                found[f"{name}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
            link = f"{name}_PORT_{port['port']}_{protocol}"
            found |= {link: f"{protocol.lower()}://{host}:{port['port']}", f"{link}_PROTO": protocol.lower(),
                      f"{link}_PORT": str(port["port"]), f"{link}_ADDR": host}  # fmt: skip
    return found


def container_variables(store: Store, pod: Object, container: Object, base: Mapping[str, str]) -> dict[str, str]:
    """All variables of a container, in Kubernetes' order of precedence. Raises ConfigError."""
    variables = dict(base)
    namespace = pod["metadata"]["namespace"]
    api = store.find("services", "default", "kubernetes")
    linked = store.list("services", namespace) if pod["spec"].get("enableServiceLinks", True) else []
    variables |= service_variables([*([api] if api else []), *linked])
    for source in container.get("envFrom", []):
        variables |= _all_keys(store, namespace, source)
    for entry in container.get("env", []):
        value = expand(entry.get("value") or "", variables) if "valueFrom" not in entry else None
        if value is None:
            value = _value_from(store, pod, container, entry["valueFrom"])
        if value is not None:
            variables[entry["name"]] = value
    return variables


def data_of(store: Store, namespace: str, resource: str, reference: Mapping[str, Any]) -> dict[str, bytes] | None:
    """The data of a ConfigMap or Secret; None when it is optional and missing. Raises ConfigError."""
    name = reference.get("name") or reference.get("secretName") or ""
    obj = store.find(resource, namespace, name)
    if obj is None:
        if reference.get("optional"):
            return None
        raise ConfigError(f'{resource[:-1]} "{name}" not found')
    if resource == "secrets":
        return {k: base64.b64decode(v or "") for k, v in (obj.get("data") or {}).items()}
    texts = {k: v.encode() for k, v in (obj.get("data") or {}).items()}
    return texts | {k: base64.b64decode(v) for k, v in (obj.get("binaryData") or {}).items()}


def _all_keys(store: Store, namespace: str, source: Object) -> dict[str, str]:
    field, resource = ("secretRef", "secrets") if "secretRef" in source else ("configMapRef", "configmaps")
    data = data_of(store, namespace, resource, source.get(field, {})) or {}
    names = {source.get("prefix", "") + key: value.decode() for key, value in data.items()}
    return {name: value for name, value in names.items() if _NAME.fullmatch(name)}  # the others are left out


def _value_from(store: Store, pod: Object, container: Object, source: Object) -> str | None:
    if "fieldRef" in source:
        return field_value(pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return resource_value(store, pod, source["resourceFieldRef"], container)
    field, resource = ("secretKeyRef", "secrets") if "secretKeyRef" in source else ("configMapKeyRef", "configmaps")
    if field not in source:
        raise ConfigError(f"valueFrom {sorted(source)} is not supported by the embedded cluster")
    reference = source[field]
    data = data_of(store, pod["metadata"]["namespace"], resource, reference)
    if data is None or reference["key"] not in data:
        if reference.get("optional"):
            return None
        kind, where = field.removesuffix("KeyRef"), f"{pod['metadata']['namespace']}/{reference['name']}"
        raise ConfigError(f"couldn't find key {reference['key']} in {kind[0].upper()}{kind[1:]} {where}")
    return data[reference["key"]].decode()


def resource_value(store: Store, pod: Object, reference: Object, container: Object | None = None) -> str:
    """A request or limit of the named container in units of the divisor, rounded up; without one, what the node has.

    `container` is the one that is meant where none is named. Raises ConfigError.
    """
    if named := reference.get("containerName"):
        every = [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]
        container = next((one for one in every if one["name"] == named), None)
    if container is None:
        raise ConfigError(f'container "{named or ""}" not found')
    kind, _, name = reference["resource"].partition(".")
    found = store.find("nodes", "", pod["spec"]["nodeName"]) if kind == "limits" else None
    node = found["status"]["allocatable"] if found else {}
    resources = container.get("resources", {})
    amount = resources.get(kind, {}).get(name) or resources.get("limits", {}).get(name) or node.get(name, "0")
    return str(math.ceil(quantity(amount) / (quantity(reference.get("divisor") or "1") or 1)))


def field_value(pod: Object, path: str) -> str:
    """A field of the pod, as the downward API gives it. Raises ConfigError."""
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
    if path in ("metadata.labels", "metadata.annotations"):
        words = meta.get(path.partition(".")[2]) or {}
        return "\n".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted(words.items()))
    if found := _FIELD.fullmatch(path):
        return str((meta.get(found[1]) or {}).get(found[2], ""))
    fields = {
        "metadata.name": meta["name"], "metadata.namespace": meta["namespace"], "metadata.uid": meta["uid"],
        "spec.nodeName": spec.get("nodeName", ""), "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.podIP": status.get("podIP", ""), "status.podIPs": status.get("podIP", ""),
        "status.hostIP": status.get("hostIP", ""), "status.hostIPs": status.get("hostIP", ""),
    }  # fmt: skip
    if path not in fields:
        raise ConfigError(f"fieldPath {path} is not supported by the embedded cluster")
    return str(fields[path])
