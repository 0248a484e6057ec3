"""The rules that objects must satisfy, with the messages of a real API server.

Only what a manifest or an experiment can get wrong: names, labels, containers,
selectors, ports, strategies, and the fields that must not change.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gameday.cluster.api.errors import Cause, duplicate, invalid, required, unsupported
from gameday.cluster.defaults import containers
from gameday.cluster.selectors import SelectorError, matches

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_RFC_1123_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
    "end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_DNS_1035_LABEL = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
    "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_RFC_1123_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_NAME_RULES = {
    "label": (63, _LABEL, _RFC_1123_LABEL),
    "service": (63, r"[a-z]([-a-z0-9]*[a-z0-9])?", _DNS_1035_LABEL),
    "subdomain": (253, rf"{_LABEL}(\.{_LABEL})*", _RFC_1123_SUBDOMAIN),
}
_LABEL_KEY = re.compile(rf"({_LABEL}(\.{_LABEL})*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_PORTS = range(1, 65536)
_PORT_NAME = re.compile(r"(?=[-a-z0-9]{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")
_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")

_IMMUTABLE = {
    "deployments.apps": ("spec.selector",),
    "replicasets.apps": ("spec.selector",),
    "services": ("spec.clusterIP",),
    "secrets": ("type",),
    "endpointslices.discovery.k8s.io": ("addressType",),
}


def validate(resource: str, obj: Object) -> list[Cause]:
    """Everything that is wrong with an object that has the right shape and its defaults."""
    causes = list(_metadata(resource, obj["metadata"]))
    spec = obj.get("spec") or {}
    match resource:
        case "pods":
            causes += _pod_spec("spec", spec)
        case "deployments.apps" | "replicasets.apps":
            causes += _workload(resource, spec)
        case "services":
            causes += _service(spec)
        case "configmaps" | "secrets":
            causes += _data(obj)
        case "leases.coordination.k8s.io":
            if spec.get("leaseDurationSeconds", 1) <= 0:
                causes.append(invalid("spec.leaseDurationSeconds", spec["leaseDurationSeconds"],
                                      "must be greater than 0"))  # fmt: skip
        case "poddisruptionbudgets.policy":
            if "minAvailable" in spec and "maxUnavailable" in spec:
                causes.append(invalid("spec", "", "minAvailable and maxUnavailable cannot be both set"))
    return causes


def validate_change(resource: str, old: Object, new: Object) -> list[Cause]:
    """Which fields changed that must not."""
    causes = [
        invalid(path, _get(new, path), "field is immutable")
        for path in _IMMUTABLE.get(resource, ())
        if _get(old, path) not in (None, "") and _get(old, path) != _get(new, path)
    ]
    if resource == "pods" and _fixed(old) != _fixed(new):
        causes.append(Cause("spec", "Forbidden: pod updates may not change fields other than "
                            "`spec.containers[*].image`,`spec.initContainers[*].image`,"
                            "`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
                            "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be "
                            "set to 1 if it was previously negative)", "FieldValueForbidden"))  # fmt: skip
    if resource in ("configmaps", "secrets") and old.get("immutable"):
        causes += [Cause(f, "Forbidden: field is immutable when `immutable` is set", "FieldValueForbidden")
                   for f in ("data", "binaryData", "immutable") if old.get(f) != new.get(f)]  # fmt: skip
    return causes


def _fixed(pod: Object) -> Object:
    """The part of a pod's spec that may not change."""
    spec = {k: v for k, v in pod.get("spec", {}).items() if k not in ("activeDeadlineSeconds", "tolerations")}
    for field in ("containers", "initContainers"):
        spec[field] = [{k: v for k, v in c.items() if k != "image"} for c in spec.get(field) or []]
    return spec


def _get(obj: Any, path: str) -> Any:
    for part in path.split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    return obj


def _name(field: str, name: Any, rule: str) -> Iterator[Cause]:
    longest, pattern, words = _NAME_RULES[rule]
    if not re.fullmatch(pattern, name):
        yield invalid(field, name, words)
    if len(name) > longest:
        yield invalid(field, name, f"must be no more than {longest} characters")


def _metadata(resource: str, meta: Object) -> Iterator[Cause]:
    rule = {"namespaces": "label", "services": "service"}.get(resource, "subdomain")
    if meta.get("name"):
        yield from _name("metadata.name", meta["name"], rule)
    elif not meta.get("generateName"):
        yield required("metadata.name", "name or generateName is required")
    yield from labels("metadata.labels", meta.get("labels"))
    for index, owner in enumerate(meta.get("ownerReferences") or []):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                yield invalid(f"metadata.ownerReferences[{index}].{field}", "", "must not be empty")
    for key in meta.get("annotations") or {}:
        if not _LABEL_KEY.fullmatch(key.lower()):
            yield invalid(
                "metadata.annotations", key, "name part must consist of alphanumeric characters, '-', '_' or '.'"
            )


def labels(field: str, found: Object | None) -> Iterator[Cause]:
    """What is wrong with labels."""
    for key, value in (found or {}).items():
        if not _LABEL_KEY.fullmatch(key):
            yield invalid(field, key, "name part must consist of alphanumeric characters, '-', '_' or '.', and must "
                                      "start and end with an alphanumeric character")  # fmt: skip
        if not _LABEL_VALUE.fullmatch(value):
            yield invalid(field, value, "a valid label must be an empty string or consist of alphanumeric characters, "
                                        "'-', '_' or '.', and must start and end with an alphanumeric character, "
                                        "63 characters at most")  # fmt: skip


def _workload(resource: str, spec: Object) -> Iterator[Cause]:
    template, selector = spec.get("template") or {}, spec.get("selector")
    found = (template.get("metadata") or {}).get("labels") or {}
    if spec.get("replicas", 1) < 0:
        yield invalid("spec.replicas", spec["replicas"], "must be greater than or equal to 0")
    if not selector:
        yield required("spec.selector")
    else:
        try:
            agrees = matches(selector, found)
        except SelectorError as problem:
            yield invalid("spec.selector", str(selector), str(problem))
        else:
            if not agrees:
                yield invalid(
                    "spec.template.metadata.labels", str(found), "`selector` does not match template `labels`"
                )
    yield from labels("spec.template.metadata.labels", found)
    if resource == "deployments.apps":
        yield from _strategy(spec.get("strategy") or {})
    pod = template.get("spec") or {}
    yield from _pod_spec("spec.template.spec", pod)
    if pod.get("restartPolicy") in ("OnFailure", "Never"):
        yield unsupported("spec.template.spec.restartPolicy", pod["restartPolicy"], ["Always"])


def _strategy(strategy: Object) -> Iterator[Cause]:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind not in ("Recreate", "RollingUpdate"):
        yield unsupported("spec.strategy.type", kind, ["Recreate", "RollingUpdate"])
    elif kind == "Recreate" and rolling is not None:
        yield Cause("spec.strategy.rollingUpdate", "Forbidden: may not be specified when strategy `type` is 'Recreate'",
                    "FieldValueForbidden")  # fmt: skip
    elif rolling:
        for field in ("maxSurge", "maxUnavailable"):
            if not re.fullmatch(r"\d+%?", str(rolling.get(field))):
                yield invalid(f"spec.strategy.rollingUpdate.{field}", rolling.get(field),
                              "a valid percent string must be a numeric string followed by an ending '%' "
                              "(e.g. '1%', '93%')")  # fmt: skip
        if {str(rolling.get("maxSurge")), str(rolling.get("maxUnavailable"))} <= {"0", "0%"}:
            yield invalid("spec.strategy.rollingUpdate.maxUnavailable", rolling.get("maxUnavailable"),
                          "may not be 0 when `maxSurge` is 0")  # fmt: skip


def _pod_spec(at: str, spec: Object) -> Iterator[Cause]:
    if not spec.get("containers"):
        yield required(f"{at}.containers")
    if spec.get("restartPolicy") not in ("Always", "OnFailure", "Never"):
        yield unsupported(f"{at}.restartPolicy", spec.get("restartPolicy"), ["Always", "OnFailure", "Never"])
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        yield invalid(f"{at}.terminationGracePeriodSeconds", spec["terminationGracePeriodSeconds"],
                      "must be greater than or equal to 0")  # fmt: skip
    volumes = _Names(f"{at}.volumes")
    for index, volume in enumerate(spec.get("volumes") or []):
        yield from volumes.add(f"{at}.volumes[{index}].name", volume.get("name"))
        if len(set(volume) - {"name"}) > 1:
            yield Cause(f"{at}.volumes[{index}]", "Forbidden: may not specify more than 1 volume type",
                        "FieldValueForbidden")  # fmt: skip
    names = _Names(f"{at}.containers")
    for place, container in containers(spec):
        yield from names.add(f"{at}.{place}.name", container.get("name"))
        yield from _container(f"{at}.{place}", container, volumes.seen)


class _Names:
    """DNS labels that must be there and unique."""

    def __init__(self, field: str) -> None:
        self.field = field
        self.seen: set[str] = set()

    def add(self, field: str, name: str | None) -> Iterator[Cause]:
        if not name:
            yield required(field)
            return
        yield from _name(field, name, "label")
        if name in self.seen:
            yield duplicate(field, name)
        self.seen.add(name)


def _container(at: str, container: Object, volumes: set[str]) -> Iterator[Cause]:
    if not container.get("image"):
        yield required(f"{at}.image")
    if container.get("imagePullPolicy") not in ("Always", "IfNotPresent", "Never"):
        yield unsupported(
            f"{at}.imagePullPolicy", container.get("imagePullPolicy"), ["Always", "IfNotPresent", "Never"]
        )
    for index, port in enumerate(container.get("ports") or []):
        yield from _port(f"{at}.ports[{index}].containerPort", port.get("containerPort"))
        if "name" in port:
            yield from _port_name(f"{at}.ports[{index}].name", port["name"])
    yield from _environment(at, container)
    yield from _mounts(at, container, volumes)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            yield from _probe(f"{at}.{name}", container[name])


def _environment(at: str, container: Object) -> Iterator[Cause]:
    for index, variable in enumerate(container.get("env") or []):
        if not variable.get("name"):
            yield required(f"{at}.env[{index}].name")
        elif not _ENV_NAME.fullmatch(variable["name"]):
            yield invalid(f"{at}.env[{index}].name", variable["name"],
                          "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', "
                          "or '.', and must not start with a digit")  # fmt: skip
        if "value" in variable and "valueFrom" in variable and variable["value"]:
            yield invalid(f"{at}.env[{index}].valueFrom", "", "may not be specified when `value` is not empty")


def _mounts(at: str, container: Object, volumes: set[str]) -> Iterator[Cause]:
    paths: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or []):
        place = f"{at}.volumeMounts[{index}]"
        if mount.get("name") not in volumes:
            yield Cause(f"{place}.name", f'Not found: "{mount.get("name", "")}"', "FieldValueNotFound")
        if not mount.get("mountPath"):
            yield required(f"{place}.mountPath")
        elif mount["mountPath"] in paths:
            yield invalid(f"{place}.mountPath", mount["mountPath"], "must be unique")
        paths.add(mount.get("mountPath", ""))


def _probe(at: str, probe: Object) -> Iterator[Cause]:
    handlers = [h for h in ("exec", "httpGet", "tcpSocket", "grpc") if h in probe]
    if not handlers:
        yield required(at, "must specify a handler type")
    for extra in handlers[1:]:
        yield Cause(f"{at}.{extra}", "Forbidden: may not specify more than 1 handler type", "FieldValueForbidden")
    for handler in handlers[:1]:
        if handler in ("httpGet", "tcpSocket"):
            yield from _port(f"{at}.{handler}.port", probe[handler].get("port"), named=True)
    for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        if probe.get(field, 0) < 0:
            yield invalid(f"{at}.{field}", probe[field], "must be greater than or equal to 0")


def _port(field: str, port: Any, *, named: bool = False) -> Iterator[Cause]:
    if port is None:
        yield required(field)
    elif isinstance(port, str) and named:
        yield from _port_name(field, port)
    elif not isinstance(port, int) or port not in _PORTS:
        yield invalid(field, port, "must be between 1 and 65535, inclusive")


def _port_name(field: str, name: str) -> Iterator[Cause]:
    if not _PORT_NAME.fullmatch(name):
        yield invalid(
            field, name, "must be 15 characters at most of lower case alphanumerics or '-', with a letter in it"
        )


def _service(spec: Object) -> Iterator[Cause]:
    kinds, ports = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"], spec.get("ports") or []
    if spec.get("type") not in kinds:
        yield unsupported("spec.type", spec.get("type"), kinds)
    if spec.get("sessionAffinity") not in ("ClientIP", "None"):
        yield unsupported("spec.sessionAffinity", spec.get("sessionAffinity"), ["ClientIP", "None"])
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    if spec.get("type") == "ExternalName" and not spec.get("externalName"):
        yield required("spec.externalName")
    names: set[str] = set()
    for index, port in enumerate(ports):
        at, name = f"spec.ports[{index}]", port.get("name", "")
        if not name and len(ports) > 1:
            yield required(f"{at}.name")
        elif name:
            yield from _name(f"{at}.name", name, "label")
            if name in names:
                yield duplicate(f"{at}.name", name)
        names.add(name)
        yield from _port(f"{at}.port", port.get("port"))
        yield from _port(f"{at}.targetPort", port.get("targetPort"), named=True)
        if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
            yield unsupported(f"{at}.protocol", port.get("protocol"), ["SCTP", "TCP", "UDP"])
    yield from labels("spec.selector", spec.get("selector"))


def _data(obj: Object) -> Iterator[Cause]:
    for field in ("data", "binaryData"):
        for key in obj.get(field) or {}:
            at = f"{field}[{key}]"
            if not _DATA_KEY.fullmatch(key) or key in (".", ".."):
                yield invalid(at, key, "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
                                       "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
                                       "'[-._a-zA-Z0-9]+')")  # fmt: skip
