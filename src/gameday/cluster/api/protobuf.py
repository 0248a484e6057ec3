"""Bodies in Kubernetes' protobuf, which `kubectl create` sends for the kinds it has flags for.

kubectl does not fall back to JSON when a server refuses, so the few messages that it
builds are read here. A field that the tables do not know refuses the request: nothing is
lost silently. Field numbers: k8s.io/api `generated.proto`. Answers are always JSON.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from gameday.cluster.api.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"

_MAGIC = b"k8s\x00"
_VARINT, _BYTES = 0, 2

_MESSAGES: dict[str, dict[int, str]] = {
    # Each field: "name kind"; kinds are str, int, bool, -, {str}, {bytes} (maps) or a message; [] repeats.
    "Unknown": {1: "type TypeMeta", 2: "raw raw", 3: "contentEncoding str", 4: "contentType str"},
    "TypeMeta": {1: "apiVersion str", 2: "kind str"},
    "ObjectMeta": {1: "name str", 2: "generateName str", 3: "namespace str", 4: "selfLink -", 5: "uid str",
                   6: "resourceVersion str", 7: "generation -", 8: "creationTimestamp -", 11: "labels {str}",
                   12: "annotations {str}", 14: "finalizers []str", 17: "managedFields -"},
    "Namespace": {1: "metadata ObjectMeta", 2: "spec NamespaceSpec", 3: "status -"},
    "NamespaceSpec": {1: "finalizers []str"},
    "ConfigMap": {1: "metadata ObjectMeta", 2: "data {str}", 3: "binaryData {bytes}", 4: "immutable bool"},
    "Secret": {1: "metadata ObjectMeta", 2: "data {bytes}", 3: "type str", 4: "stringData {str}", 5: "immutable bool"},
    "ServiceAccount": {1: "metadata ObjectMeta", 4: "automountServiceAccountToken bool"},
    "DeleteOptions": {1: "gracePeriodSeconds int", 2: "preconditions Preconditions", 3: "orphanDependents bool",
                      4: "propagationPolicy str"},
    "Preconditions": {1: "uid str", 2: "resourceVersion str"},
    "Deployment": {1: "metadata ObjectMeta", 2: "spec DeploymentSpec", 3: "status -"},
    "DeploymentSpec": {1: "replicas int", 2: "selector LabelSelector", 3: "template PodTemplateSpec", 4: "strategy -",
                       5: "minReadySeconds int", 7: "paused bool"},
    "LabelSelector": {1: "matchLabels {str}"},
    "PodTemplateSpec": {1: "metadata ObjectMeta", 2: "spec PodSpec"},
    "PodSpec": {2: "containers []Container", 3: "restartPolicy str", 6: "dnsPolicy str", 8: "serviceAccountName str",
                9: "serviceAccount str", 10: "nodeName str", 11: "hostNetwork bool", 12: "hostPID bool",
                13: "hostIPC bool", 16: "hostname str", 17: "subdomain str", 19: "schedulerName str",
                24: "priorityClassName str"},
    "Container": {1: "name str", 2: "image str", 3: "command []str", 4: "args []str", 5: "workingDir str",
                  6: "ports []ContainerPort", 7: "env []EnvVar", 8: "resources -", 13: "terminationMessagePath str",
                  14: "imagePullPolicy str", 16: "stdin bool", 17: "stdinOnce bool", 18: "tty bool",
                  20: "terminationMessagePolicy str"},
    "ContainerPort": {1: "name str", 2: "hostPort -", 3: "containerPort int", 4: "protocol str", 5: "hostIP str"},
    "EnvVar": {1: "name str", 2: "value str"},
    "Service": {1: "metadata ObjectMeta", 2: "spec ServiceSpec", 3: "status -"},
    "ServiceSpec": {1: "ports []ServicePort", 2: "selector {str}", 3: "clusterIP str", 4: "type str",
                    7: "sessionAffinity str", 8: "loadBalancerIP str", 10: "externalName str",
                    11: "externalTrafficPolicy str", 12: "healthCheckNodePort -", 13: "publishNotReadyAddresses bool"},
    "ServicePort": {1: "name str", 2: "protocol str", 3: "port int", 4: "targetPort IntOrString", 5: "nodePort -"},
    "IntOrString": {1: "type int", 2: "intVal int", 3: "strVal str"},
}  # fmt: skip


def decode(data: bytes) -> dict[str, Any]:
    """The object in a protobuf body, as JSON values. Raises ApiError 400, 415."""
    if not data.startswith(_MAGIC):
        raise ApiError(400, "the protobuf body does not begin with the magic of Kubernetes")
    try:
        envelope = _message(data[len(_MAGIC) :], "Unknown")
        kind = envelope["type"]["kind"]
        if kind not in _MESSAGES:
            raise _refused(kind)
        return {**envelope["type"], **_message(envelope["raw"], kind)}
    except (IndexError, KeyError, UnicodeDecodeError) as problem:
        raise ApiError(400, f"the protobuf body does not parse: {type(problem).__name__} {problem}") from problem


def _refused(what: str) -> ApiError:
    return ApiError(415, f"{what} in protobuf is not supported by the embedded cluster: send JSON "
                         "(kubectl create … --dry-run=client -o yaml | kubectl apply -f -)")  # fmt: skip


def _message(data: bytes, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, value in _fields(data):
        field, _, kind = _MESSAGES[name].get(number, "").partition(" ")
        if not field:
            raise _refused(f"field {number} of {name}")
        if kind.startswith("[]"):
            found.setdefault(field, []).append(_value(value, kind[2:]))
        elif kind.startswith("{"):
            entry = dict(_fields(value))
            found.setdefault(field, {})[entry.get(1, b"").decode()] = _value(entry.get(2, b""), kind[1:-1])
        elif kind != "-" and value != b"":
            if kind != "bool" or value:  # JSON leaves a false out
                found[field] = _value(value, kind)
        elif kind in _MESSAGES:
            found[field] = {}
    if name == "IntOrString":
        return found["strVal"] if found.get("type") else found.get("intVal", 0)  # type: ignore[no-any-return]
    return found


def _value(value: Any, kind: str) -> Any:
    match kind:
        case "str":
            return value.decode()
        case "int":
            return value - (1 << 64) if value >= 1 << 63 else value
        case "bool":
            return bool(value)
        case "bytes":
            return base64.b64encode(value).decode()
        case "raw":
            return value
    return _message(value, kind)


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers and values; numbers are int, all else is bytes."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        value, position = _varint(data, position)
        if tag & 7 == _BYTES:
            end = position + value
            if end > len(data):
                raise IndexError("truncated")
            yield tag >> 3, data[position:end]
            position = end
        elif tag & 7 == _VARINT:
            yield tag >> 3, value
        else:
            raise _refused(f"wire type {tag & 7}")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return result, position
        shift += 7
