"""The rules that objects must satisfy, with the messages of a real API server.

Only what a manifest or an experiment can get wrong: names, labels, containers, selectors,
ports, strategies, and the fields that must not change. Most are in tables, by the field's
path, made of `rules`; what concerns several fields is in code.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gameday.cluster import schema
from gameday.cluster.api.errors import ApiError, Cause, duplicate, forbidden, invalid, required, unsupported
from gameday.cluster.api.requests import encode
from gameday.cluster.api.rules import (
    DATA_KEY,
    DNS_LABEL,
    ENV_NAME,
    PORT_NAME,
    SERVICE_NAME,
    SUBDOMAIN,
    Causes,
    Object,
    at_least,
    below_root,
    inside,
    ip_literal,
    is_one,
    labels,
    needed,
    one_kind,
    one_of,
    own_name,
    port_number,
    qualified,
    seconds,
    unique,
    unserved,
)
from gameday.cluster.defaults import containers
from gameday.cluster.selectors import SelectorError, matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Rules = list[tuple[Any, ...]]
"""A field's path, then the rules for it: the first one that is broken tells enough."""

_DATA = ("data", "binaryData", "stringData")
_MAX_DATA_BYTES = 1024 * 1024
_MAX_ANNOTATIONS_BYTES = 256 * 1024
MAX_BYTES = 1536 * 1024
"""The longest object that etcd takes; as JSON, here."""


def _served_volume(field: str, value: Any) -> Causes:
    for kind in sorted((value or {}).keys() - {"name", *_VOLUMES}):
        yield from unserved(f"{kind} volumes")(f"{field}.{kind}", value[kind])


_HANDLERS = one_kind("handler type", ("exec", "httpGet", "tcpSocket", "grpc"), must=True)
_VOLUMES = ("emptyDir", "secret", "downwardAPI", "configMap", "projected")
_PROBE: Rules = [
    ("exec.command", needed),
    ("httpGet.port", port_number),
    ("grpc", unserved("gRPC probes")),
    ("tcpSocket.port", port_number),
    *((f"{name}Seconds", at_least(0)) for name in ("initialDelay", "timeout", "period")),
    *((f"{name}Threshold", at_least(0)) for name in ("success", "failure")),
]
_CONTAINER: Rules = [
    ("name", needed, DNS_LABEL),
    ("image", needed),
    ("imagePullPolicy", one_of("Always", "IfNotPresent", "Never")),
    ("restartPolicy", unserved("sidecars (containers with a restart policy of their own)")),
    ("ports[].containerPort", needed, port_number),
    ("ports[].name", PORT_NAME),
    ("env[].name", needed, ENV_NAME),
    ("volumeMounts[].mountPath", below_root),
    ("volumeMounts[].subPath", inside),
    ("volumeMounts[].subPathExpr", inside),
    ("volumeMounts", unique("mountPath", wrong=lambda field, path: invalid(field, path, "must be unique"))),
    *((f"{kind}Probe", _HANDLERS) for kind in ("liveness", "readiness", "startup")),
    *((f"{kind}Probe.{path}", *rules) for kind in ("liveness", "readiness", "startup") for path, *rules in _PROBE),
    ("livenessProbe.successThreshold", is_one),
    ("startupProbe.successThreshold", is_one),
]  # fmt: skip
_FILES = (*(f"{kind}.items[].path" for kind in ("configMap", "secret", "downwardAPI")), "serviceAccountToken.path")
_POD: Rules = [
    ("containers", needed, unique("name")),
    ("ephemeralContainers", unserved("ephemeral containers")),
    ("initContainers", unique("name")),
    ("restartPolicy", one_of("Always", "OnFailure", "Never")),
    ("activeDeadlineSeconds", seconds),
    ("volumes", unique("name")),
    ("volumes[].name", needed, DNS_LABEL),
    ("volumes[]", one_kind("volume type", _VOLUMES, must=False), _served_volume),
    *((f"{at}.{path}", inside, own_name) for at in ("volumes[]", "volumes[].projected.sources[]") for path in _FILES),
    *((f"{field}[].{path}", *rules) for field in ("containers", "initContainers") for path, *rules in _CONTAINER),
]
_WORKLOAD: Rules = [
    ("spec.replicas", at_least(0)),
    ("spec.minReadySeconds", at_least(0)),
    ("spec.revisionHistoryLimit", at_least(0)),
    ("spec.selector", needed),
    ("spec.template.metadata.labels", labels),
    *((f"spec.template.spec.{path}", *rules) for path, *rules in _POD),
]
_RULES: dict[str, Rules] = {
    "pods": [(f"spec.{path}", *rules) for path, *rules in _POD],
    "deployments.apps": _WORKLOAD,
    "replicasets.apps": _WORKLOAD,
    "services": [
        ("spec.type", one_of("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")),
        ("spec.sessionAffinity", one_of("ClientIP", "None")),
        ("spec.selector", labels),
        ("spec.ports", unique("name")),
        ("spec.ports[].name", DNS_LABEL),
        ("spec.ports[].port", port_number),
        ("spec.ports[].targetPort", port_number),
        ("spec.ports[].protocol", one_of("TCP", "UDP", "SCTP")),
    ],
    "endpoints": [
        *((f"subsets[].{field}[].ip", ip_literal) for field in ("addresses", "notReadyAddresses")),
        ("subsets[].ports[].port", port_number),
    ],
    "leases.coordination.k8s.io": [("spec.leaseDurationSeconds", at_least(1))],
    "networkpolicies.networking.k8s.io": [("spec.podSelector.matchLabels", labels)],
}
_IMMUTABLE = {
    "deployments.apps": ("spec.selector",),
    "replicasets.apps": ("spec.selector",),
    "secrets": ("type",),
    "endpointslices.discovery.k8s.io": ("addressType",),
}
_OWNERS = "metadata.ownerReferences"
_CHECKED = ("metadata", "spec", "subsets", "endpoints", "ports", "addressType")
"""Where a field that must not be empty is looked for: not in a status, which is its writer's business."""


def validate(resource: str, obj: Object) -> list[Cause]:
    """Everything that is wrong with an object that has the right shape and its defaults. Raises ApiError 413."""
    check_size(resource, obj)
    causes = [*_lengths(resource, obj), *_metadata(resource, obj["metadata"])]
    for path, *rules in _RULES.get(resource, ()):
        for field, value in _values(obj, path):
            causes += next(filter(None, (list(rule(field, value)) for rule in rules)), [])
    spec = obj.get("spec") or {}
    match resource:
        case "pods":
            causes += _pod("spec", spec)
        case "deployments.apps" | "replicasets.apps":
            causes += _workload(resource, spec)
        case "services":
            causes += _service(spec)
        case "configmaps" | "secrets":
            causes += [
                cause for field in _DATA for key in obj.get(field) or () for cause in DATA_KEY(f"{field}[{key}]", key)
            ]
        case "poddisruptionbudgets.policy":
            causes += _budget(spec)
    said = {cause.field for cause in causes}
    kind = schema.type_of(obj["kind"], resource.partition(".")[2])
    empty = schema.missing({k: v for k, v in obj.items() if k in _CHECKED}, kind)
    return causes + [required(path) for path in empty if path not in said and not path.startswith(_OWNERS)]


def check_size(resource: str, obj: Object) -> None:
    """Refuse what is too long to be stored, unless a part of it is too long by itself. Raises ApiError 413."""
    if len(encode(obj)) > MAX_BYTES and not list(_lengths(resource, obj)):
        raise ApiError(413, "etcdserver: request is too large")


def _lengths(resource: str, obj: Object) -> Causes:
    """The parts that have limits of their own."""
    found = obj["metadata"].get("annotations") or {}
    yield from _bounded("metadata.annotations", [*found, *found.values()], _MAX_ANNOTATIONS_BYTES)
    if resource in ("configmaps", "secrets"):
        texts = [text for field in _DATA for text in (obj.get(field) or {}).values()]
        yield from _bounded("[]", texts, _MAX_DATA_BYTES)


def validate_change(resource: str, old: Object, new: Object) -> list[Cause]:
    """Which fields changed that must not."""
    causes = [
        invalid(path, after, "field is immutable")
        for path in _IMMUTABLE.get(resource, ())
        for (_, before), (_, after) in zip(_values(old, path), _values(new, path), strict=False)
        if before and before != after
    ]
    if resource == "services" and old["spec"].get("clusterIP") not in (None, "", new["spec"].get("clusterIP")):
        causes.append(invalid("spec.clusterIPs[0]", new["spec"].get("clusterIP"), "may not change once set"))
    late = set(new["metadata"].get("finalizers", ())) - set(old["metadata"].get("finalizers", ()))
    if late and "deletionTimestamp" in old["metadata"]:
        causes.append(forbidden("metadata.finalizers", "no new finalizers can be added if the object is being "
                                                        f"deleted, found new finalizers {sorted(late)}"))  # fmt: skip
    if resource == "pods" and _fixed(old) != _fixed(new):
        causes.append(forbidden("spec", "pod updates may not change fields other than `spec.containers[*].image`,"
                                         "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
                                         "`spec.tolerations` (only additions to existing tolerations),"
                                         "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
                                         "previously negative)"))  # fmt: skip
    if resource in ("configmaps", "secrets") and old.get("immutable"):
        causes += [forbidden(field, "field is immutable when `immutable` is set")
                   for field in ("data", "binaryData", "immutable") if old.get(field) != new.get(field)]  # fmt: skip
    return causes


def _values(obj: Object, path: str, at: str = "") -> Iterator[tuple[str, Any]]:
    """The fields that a rule's path means, `spec.ports[].name`; the last one with None when it is not there."""
    name, _, rest = path.partition(".")
    field, value = at + name.removesuffix("[]"), obj.get(name.removesuffix("[]"))
    found = [(field, value)]
    if name.endswith("[]"):
        found = [(f"{field}[{index}]", item) for index, item in enumerate(value or [])]
    for place, item in found:
        if not rest:
            yield place, item
        elif item is not None:
            yield from _values(item, rest, f"{place}.")


def _fixed(pod: Object) -> Object:
    """The part of a pod's spec that may not change."""
    spec = {k: v for k, v in pod.get("spec", {}).items() if k not in ("activeDeadlineSeconds", "tolerations")}
    for field in ("containers", "initContainers"):
        spec[field] = [{k: v for k, v in c.items() if k != "image"} for c in spec.get(field) or []]
    return spec


def _metadata(resource: str, meta: Object) -> Causes:
    if not meta.get("name"):
        yield required("metadata.name", "name or generateName is required")
    rule = {"namespaces": DNS_LABEL, "services": SERVICE_NAME}.get(resource, SUBDOMAIN)
    yield from rule("metadata.generateName", meta.get("generateName"))
    yield from rule("metadata.name", meta.get("name"))
    yield from labels("metadata.labels", meta.get("labels"))
    yield from labels("metadata.annotations", {key.lower(): "" for key in meta.get("annotations") or {}})
    for name in meta.get("finalizers") or ():
        yield from qualified("metadata.finalizers", name)
        if "/" not in name and name not in ("foregroundDeletion", "kubernetes", "orphan"):
            why = "name is neither a standard finalizer name nor is it fully qualified"
            yield invalid("metadata.finalizers", name, why)
    for owner in meta.get("ownerReferences") or ():  # which of them it is, newer versions say
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                yield invalid(f"{_OWNERS}.{field}", "", f"{field} must not be empty")


def _workload(resource: str, spec: Object) -> Causes:
    template, selector = spec.get("template") or {}, spec.get("selector")
    found, pod = (template.get("metadata") or {}).get("labels") or {}, template.get("spec") or {}
    try:
        if selector and not matches(selector, found):
            yield invalid("spec.template.metadata.labels", str(found), "`selector` does not match template `labels`")
    except SelectorError as problem:
        yield invalid("spec.selector", str(selector), str(problem))
    if resource == "deployments.apps":
        yield from _strategy(spec.get("strategy") or {})
        if spec["progressDeadlineSeconds"] <= spec.get("minReadySeconds", 0):
            yield invalid("spec.progressDeadlineSeconds", spec["progressDeadlineSeconds"],
                          "must be greater than minReadySeconds")  # fmt: skip
    yield from _pod("spec.template.spec", pod)
    if pod.get("restartPolicy") in ("OnFailure", "Never"):
        yield unsupported("spec.template.spec.restartPolicy", pod["restartPolicy"], ["Always"])


def _strategy(strategy: Object) -> Causes:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    yield from one_of("Recreate", "RollingUpdate")("spec.strategy", kind)
    at = "spec.strategy.rollingUpdate"
    if kind == "Recreate" and rolling is not None:
        yield forbidden(at, "may not be specified when strategy `type` is 'Recreate'")
    elif kind == "RollingUpdate" and rolling:
        yield from _amount(f"{at}.maxSurge", rolling.get("maxSurge"), capped=False)
        yield from _amount(f"{at}.maxUnavailable", rolling.get("maxUnavailable"))
        if {str(rolling.get("maxSurge")), str(rolling.get("maxUnavailable"))} <= {"0", "0%"}:
            yield invalid(f"{at}.maxUnavailable", rolling.get("maxUnavailable"), "may not be 0 when `maxSurge` is 0")


def _amount(field: str, value: Any, *, capped: bool = True) -> Causes:
    """A number of pods or a percentage, of 100% at most if it is capped."""
    if not re.fullmatch(r"\d{1,9}%" if isinstance(value, str) else r"\d{1,9}", str(value)):
        yield invalid(field, value, "must be greater than or equal to 0, or a valid percent string, which must be a "
                                    "numeric string followed by an ending '%' (e.g. '1%', '93%')")  # fmt: skip
    elif capped and isinstance(value, str) and int(value[:-1]) > 100:  # noqa: PLR2004
        yield invalid(field, value, "must not be greater than 100%")


def _budget(spec: Object) -> Causes:
    if "minAvailable" in spec and "maxUnavailable" in spec:
        yield invalid("spec", "", "minAvailable and maxUnavailable cannot be both set")
    for field in ("minAvailable", "maxUnavailable"):
        if field in spec:
            yield from _amount(f"spec.{field}", spec[field])
    try:
        matches(spec.get("selector"), {})
    except SelectorError as problem:
        yield invalid("spec.selector", str(spec["selector"]), str(problem))


def _pod(at: str, spec: Object) -> Causes:
    volumes = {volume.get("name") for volume in spec.get("volumes") or []}
    for place, container in containers(spec):
        for index, mount in enumerate(container.get("volumeMounts") or []):
            if mount.get("name") not in volumes:
                field, name = f"{at}.{place}.volumeMounts[{index}].name", mount.get("name", "")
                yield Cause(field, f'Not found: "{name}"', "FieldValueNotFound")
        for index, variable in enumerate(container.get("env") or []):
            if variable.get("value") and "valueFrom" in variable:
                yield invalid(f"{at}.{place}.env[{index}].valueFrom", "",
                              "may not be specified when `value` is not empty")  # fmt: skip


def _service(spec: Object) -> Causes:
    ports = spec.get("ports") or []
    if spec.get("type") == "ExternalName":
        yield from needed("spec.externalName", spec.get("externalName"))
    elif spec.get("clusterIP") != "None":
        yield from needed("spec.ports", ports)
    for index, port in enumerate(ports if len(ports) > 1 else []):
        yield from needed(f"spec.ports[{index}].name", port.get("name"))
    seen = set()
    for index, port in enumerate(ports):
        used = (port.get("port"), port.get("protocol"))
        if used in seen:
            yield duplicate(f"spec.ports[{index}]", used[0])
        seen.add(used)


def _bounded(field: str, texts: Iterable[str], most: int) -> Causes:
    if sum(len(text.encode()) for text in texts) > most:
        yield Cause(field, f"Too long: must have at most {most} bytes", "FieldValueTooLong")
