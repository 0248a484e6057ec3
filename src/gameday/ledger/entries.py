"""What a ledger entry says: a fault, and the typed operations that undo it. No I/O here.

The set of operations is closed. An entry that is not understood to the last field is
refused as a whole, with an error that names it: half an undo is worse than a loud stop.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

FORMAT = 3
"""The version of the entry format that this package writes and reads."""

State = Literal["planned", "in-force"]
Json = Any
"""A JSON value, as the server keeps it; None stands for one that is not there."""

CONTAINER_FIELDS: dict[str, type] = {
    "image": str,
    "command": list,
    "args": list,
    "env": dict,
    "ports": list,
    "resources": dict,
    "readinessProbe": dict,
    "livenessProbe": dict,
    "startupProbe": dict,
}
"""What a fault may change of a container, and of which JSON type that is; of `env` it is one variable."""


class EntryError(ValueError):
    """An entry that is not understood; the message names the entry and what is wrong with it."""


@dataclass(frozen=True)
class SetReplicas:
    """Put a Deployment's `spec.replicas` back from `fault` to `old` (pods)."""

    op: ClassVar[str] = "set-replicas"
    deployment: str
    uid: str
    old: int
    fault: int


@dataclass(frozen=True)
class SetSelector:
    """Put a Service's whole `spec.selector` back from `fault` to `old`, dropping the keys that were added."""

    op: ClassVar[str] = "set-selector"
    service: str
    uid: str
    old: dict[str, str]
    fault: dict[str, str]


@dataclass(frozen=True)
class SetConfig:
    """Put values of a ConfigMap back from `fault` to `old`; None stands for a key that is not there."""

    op: ClassVar[str] = "set-config"
    config_map: str
    uid: str
    old: dict[str, str | None]
    fault: dict[str, str | None]


@dataclass(frozen=True)
class SetServicePorts:
    """Put a Service's whole `spec.ports` back from `fault` to `old`, both as the server keeps them."""

    op: ClassVar[str] = "set-service-ports"
    service: str
    uid: str
    old: Json
    fault: Json

    def __post_init__(self) -> None:
        """Refuse what are no ports."""
        for ports in (self.old, self.fault):
            if not (isinstance(ports, list) and ports and all(isinstance(one, dict) for one in ports)):
                raise EntryError(f"ports are {str(ports)[:60]!r}, expected a list of mappings")


@dataclass(frozen=True)
class SetContainer:
    """Put one field of a Deployment's container back from `fault` to `old`, both as the server keeps them.

    With it goes its template's label `gameday.dev/fault`, where that is `label`, the fault's id. Of the field `env`
    it is the one `variable`, an item of the list, which stood (or came to stand) at `position`.
    """

    op: ClassVar[str] = "set-container"
    deployment: str
    uid: str
    container: str
    field: str
    variable: str | None
    position: int
    label: str
    old: Json
    fault: Json

    def __post_init__(self) -> None:
        """Refuse other fields, and values that the field cannot have."""
        if self.field not in CONTAINER_FIELDS:
            raise EntryError(f"field is {self.field!r}, expected one of {', '.join(CONTAINER_FIELDS)}")
        if (self.field == "env") != bool(self.variable):
            raise EntryError(f"variable is {self.variable!r} for the field {self.field}, expected one for env alone")
        for value in (self.old, self.fault):
            fits = value is None or isinstance(value, CONTAINER_FIELDS[self.field])
            if not fits or (self.variable and value is not None and value.get("name") != self.variable):
                raise EntryError(f"{self.field} is {str(value)[:60]!r}, which that field cannot be")


@dataclass(frozen=True)
class DeleteFaultSets:
    """Delete the ReplicaSets that carry the label `gameday.dev/fault` with that id, once they have no pods.

    Else `kubectl rollout undo` would put the fault back. They have none when `deployment` has rolled on.
    """

    op: ClassVar[str] = "delete-fault-sets"
    deployment: str
    label: str


@dataclass(frozen=True)
class DeleteMade:
    """Delete an object that the fault made: of that kind and name, and labelled with the fault's id."""

    op: ClassVar[str] = "delete"
    kinds: ClassVar[tuple[str, ...]] = ("Deployment", "Service", "Secret")
    kind: str
    name: str

    def __post_init__(self) -> None:
        """Refuse kinds that no fault makes."""
        if self.kind not in self.kinds:
            raise EntryError(f"kind is {self.kind!r}, expected one of {', '.join(self.kinds)}")


@dataclass(frozen=True)
class ClearFault:
    """Take the fault of this entry's id out of the fault proxy before a Service."""

    op: ClassVar[str] = "clear-fault"
    service: str


@dataclass(frozen=True)
class ClearAnnotation:
    """Take an annotation off all pods: that makes their kubelets look at their ConfigMaps, as its coming did."""

    op: ClassVar[str] = "clear-annotation"
    prefix: ClassVar[str] = "refresh.gameday.dev/"
    annotation: str

    def __post_init__(self) -> None:
        """Refuse an annotation that is none of ours."""
        if not self.annotation.startswith(self.prefix):
            raise EntryError(f"annotation is {self.annotation[:60]!r}, expected one that begins with {self.prefix}")


@dataclass(frozen=True)
class ClearLabel:
    """Take a label off all pods: the one by which Services were told which pods still to lead to."""

    op: ClassVar[str] = "clear-label"
    prefix: ClassVar[str] = "ready.gameday.dev/"
    label: str

    def __post_init__(self) -> None:
        """Refuse a label that is none of ours."""
        if not self.label.startswith(self.prefix):
            raise EntryError(f"label is {self.label[:60]!r}, expected one that begins with {self.prefix}")


@dataclass(frozen=True)
class Uncordon:
    """Let a node take new pods again (`spec.unschedulable` goes); it took them before."""

    op: ClassVar[str] = "uncordon"
    node: str
    uid: str


@dataclass(frozen=True)
class NoUndo:
    """Nothing to put back: Kubernetes replaces what was taken. `deployments` are those to become available again."""

    op: ClassVar[str] = "none"
    deployments: tuple[str, ...] = ()


Operation = (
    SetReplicas
    | SetSelector
    | SetConfig
    | SetServicePorts
    | SetContainer
    | DeleteFaultSets
    | DeleteMade
    | ClearFault
    | ClearAnnotation
    | ClearLabel
    | Uncordon
    | NoUndo
)
_OPERATIONS: dict[str, type[Operation]] = {kind.op: kind for kind in get_args(Operation)}


def understood() -> str:
    """What tells a ledger that this version can read and undo from one that it cannot, wholly; 12 hex digits."""
    return hashlib.sha256(f"{FORMAT} {' '.join(sorted(_OPERATIONS))}".encode()).hexdigest()[:12]


def _is_texts(value: Any, *, or_none: bool = False) -> bool:
    allowed: tuple[type, ...] = (str, type(None)) if or_none else (str,)
    return isinstance(value, dict) and all(isinstance(k, str) and isinstance(v, allowed) for k, v in value.items())


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "str": (lambda v: isinstance(v, str) and v != "", "a text"),
    "str | None": (lambda v: v is None or (isinstance(v, str) and v != ""), "a text or null"),
    "Json": (lambda _: True, "a JSON value"),
    "int": (lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= 0, "a whole number of at least 0"),
    "dict[str, str]": (_is_texts, "a mapping of texts"),
    "dict[str, str | None]": (lambda v: _is_texts(v, or_none=True), "a mapping of texts or nulls"),
    "tuple[str, ...]": (lambda v: isinstance(v, list) and all(isinstance(x, str) for x in v), "a list of texts"),
}


def operation_to_json(operation: Operation) -> dict[str, Any]:
    """The JSON form: `op` and the operation's fields."""
    values = {f.name: getattr(operation, f.name) for f in fields(operation)}
    return {"op": operation.op, **{k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}}


def operation_from_json(data: Any) -> Operation:
    """Read an operation. Raises EntryError on an unknown one, and on missing, extra or wrong fields."""
    if not isinstance(data, dict) or not isinstance(data.get("op"), str):
        raise EntryError("an undo operation is not a mapping with a text `op`")
    kind = _OPERATIONS.get(data["op"])
    if kind is None:
        raise EntryError(f"unknown undo operation {data['op']!r}, expected one of {', '.join(sorted(_OPERATIONS))}")
    expected = {f.name: str(f.type) for f in fields(kind)}
    given = {k: v for k, v in data.items() if k != "op"}
    if given.keys() != expected.keys():
        raise EntryError(f"{kind.op} has the fields {sorted(given)}, expected {sorted(expected)}")
    for name, type_name in expected.items():
        check, words = _CHECKS[type_name]
        if not check(given[name]):
            raise EntryError(f"{kind.op}: {name} is {str(given[name])[:60]!r}, expected {words}")
    values: dict[str, Any] = {k: tuple(v) if expected[k].startswith("tuple") else v for k, v in given.items()}
    return kind(**values)


def new_fault_id(kind: str) -> str:
    """A fresh id, readable and unique: `scale-to-zero-3f9a1c20`."""
    return f"{kind}-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True)
class Entry:
    """One fault: what it is, on what, until when, what proves it, and how it is undone.

    `made_at` is in Unix seconds, `ttl_s` the seconds it was meant to last at most, for whoever undoes it.
    `target` and `proof` are for people and for evidence; undoing reads `undo` alone, in its order.
    """

    id: str
    kind: str
    undo: tuple[Operation, ...]
    target: dict[str, Any] = field(default_factory=dict)
    proof: dict[str, Any] = field(default_factory=dict)
    made_at: float = field(default_factory=time.time)
    ttl_s: float = 600.0
    state: State = "planned"
    holder: str = ""
    """The run that set it, as its Lease names it; empty when it held none: then its time to live alone counts."""

    def in_force(self) -> Entry:
        """The same entry once the fault has been proven to be in force."""
        return replace(self, state="in-force")

    def without(self, operations: Collection[Operation]) -> Entry | None:
        """The same entry without these operations; None when it has no other."""
        left = tuple(one for one in self.undo if one not in operations)
        return replace(self, undo=left) if left else None

    def to_json(self) -> str:
        """The text kept in the ConfigMap."""
        head = {"format": FORMAT, "id": self.id, "kind": self.kind, "made_at": self.made_at, "ttl_s": self.ttl_s}
        rest = {"holder": self.holder, "state": self.state, "target": self.target, "proof": self.proof}
        return json.dumps({**head, **rest, "undo": [operation_to_json(o) for o in self.undo]}, sort_keys=True)

    @classmethod
    def from_json(cls, key: str, text: str) -> Entry:
        """Read the entry kept under `key`. Raises EntryError, naming it, unless all of it is understood."""
        try:
            return cls._read(key, json.loads(text))
        except (ValueError, RecursionError) as problem:
            raise EntryError(f"ledger entry {key}: {problem}; nothing of it was executed") from problem

    @classmethod
    def _read(cls, key: str, data: Any) -> Entry:
        if not isinstance(data, dict):
            raise EntryError("is not a mapping")
        if data.get("format") != FORMAT:
            raise EntryError(f"format is {data.get('format')!r}, this gameday reads format {FORMAT}")
        extra = data.keys() - {"format", *(f.name for f in fields(cls))}
        if extra:
            raise EntryError(f"unknown fields {sorted(extra)}")
        if data.get("id") != key or not isinstance(data.get("kind"), str):
            raise EntryError(f"id is {data.get('id')!r} and kind {data.get('kind')!r}, expected {key!r} and a text")
        if data.get("state") not in ("planned", "in-force"):
            raise EntryError(f"state is {data.get('state')!r}, expected planned or in-force")
        if not isinstance(data.get("holder", ""), str):
            raise EntryError(f"holder is {data['holder']!r}, expected a text")
        for name in ("made_at", "ttl_s"):
            if isinstance(data.get(name), bool) or not isinstance(data.get(name), int | float):
                raise EntryError(f"{name} is {data.get(name)!r}, expected a number")
        target, proof, undo = data.get("target", {}), data.get("proof", {}), data.get("undo")
        if not (isinstance(target, dict) and isinstance(proof, dict) and isinstance(undo, list) and undo):
            raise EntryError("target and proof must be mappings, undo a list of at least one operation")
        operations = tuple(operation_from_json(o) for o in undo)
        times = data["made_at"], data["ttl_s"]
        return cls(key, data["kind"], operations, target, proof, *times, data["state"], data.get("holder", ""))
