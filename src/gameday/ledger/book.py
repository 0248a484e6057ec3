"""The ledger's ConfigMap: one data key a fault, written with optimistic concurrency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gameday.kube import ApiException, Kube
from gameday.ledger.calls import CONFLICT, CONNECTION_ERRORS, LedgerError, find, persist, said
from gameday.ledger.entries import Entry, EntryError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from gameday.ledger.entries import Operation

LEDGER_NAME = "gameday-ledger"
"""The name of the ConfigMap, one in each namespace that was ever attacked."""

_TRIES = 8
Data = dict[str, str]


class Ledger:
    """The faults recorded in one namespace. Holds nothing itself: every call reads or writes the API."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube = kube
        self.namespace = namespace

    def write(self, entry: Entry) -> None:
        """Record a fault, before it acts. Raises LedgerError when the id is taken or the API refuses."""

        def edit(data: Data) -> dict[str, str | None]:
            if entry.id in data and data[entry.id] != entry.to_json():
                raise LedgerError(f"ledger {self.namespace}: the fault id {entry.id} is taken; use a fresh one")
            return {entry.id: entry.to_json()}

        self._change(edit)

    def confirm(self, fault_id: str) -> None:
        """Mark a fault as in force. Raises LedgerError when its entry is gone: somebody undid it meanwhile."""

        def edit(data: Data) -> dict[str, str | None]:
            if fault_id not in data:
                raise LedgerError(
                    f"ledger {self.namespace}: the entry of {fault_id} is gone, expected it as planned; "
                    "somebody else reverted the fault: run the experiment again, alone in its namespace"
                )
            return {fault_id: Entry.from_json(fault_id, data[fault_id]).in_force().to_json()}

        self._change(edit)

    def remove(self, fault_id: str) -> None:
        """Forget a fault that has been undone; an entry that is not there is fine."""
        self._change(lambda data: {fault_id: None} if fault_id in data else {})

    def withdraw(self, fault_id: str, operations: Collection[Operation]) -> None:
        """Forget these operations of a fault, which never came to what they would undo; with the last the fault."""

        def edit(data: Data) -> dict[str, str | None]:
            if fault_id not in data:
                return {}
            left = Entry.from_json(fault_id, data[fault_id]).without(operations)
            return {fault_id: left.to_json() if left else None}

        self._change(edit)

    def entries(self) -> list[Entry]:
        """All entries, newest first. Raises EntryError on the first that is not understood."""
        entries, broken = self.read()
        if broken:
            raise EntryError(next(iter(broken.values())))
        return entries

    def read(self) -> tuple[list[Entry], dict[str, str]]:
        """The entries that are understood, newest first, and by key what is wrong with the others."""
        entries: list[Entry] = []
        broken: dict[str, str] = {}
        for key, text in self._data().items():
            try:
                entries.append(Entry.from_json(key, text))
            except EntryError as problem:
                broken[key] = str(problem)
        entries.sort(key=lambda e: (e.made_at, e.id), reverse=True)
        return entries, broken

    def _data(self) -> Data:
        found = self._find()
        return dict(found.data or {}) if found is not None else {}

    def _find(self) -> Any | None:
        try:
            return find(self._kube.core.read_namespaced_config_map, LEDGER_NAME, self.namespace)
        except (ApiException, *CONNECTION_ERRORS) as problem:
            raise LedgerError(f"ledger {self.namespace}/{LEDGER_NAME}: cannot be read: {said(problem)}") from problem

    def _change(self, edit: Callable[[Data], dict[str, str | None]]) -> None:
        """Apply an edit to the data as it is now; a lost race reads and edits again."""
        for _ in range(_TRIES):
            found = self._find()
            changes = edit(dict(found.data or {}) if found is not None else {})
            if not changes:
                return
            try:
                self._store(found, changes)
            except ApiException as problem:
                if problem.status == CONFLICT:
                    continue
                raise LedgerError(f"ledger {self.namespace}/{LEDGER_NAME}: {said(problem)}") from problem
            except CONNECTION_ERRORS as problem:
                raise LedgerError(f"ledger {self.namespace}/{LEDGER_NAME}: {said(problem)}") from problem
            return
        raise LedgerError(
            f"ledger {self.namespace}/{LEDGER_NAME}: others kept changing it in {_TRIES} tries; try again"
        )

    def _store(self, found: Any | None, changes: dict[str, str | None]) -> None:
        core = self._kube.core
        if found is None:
            labels = {"app.kubernetes.io/managed-by": "gameday"}
            body = {"metadata": {"name": LEDGER_NAME, "labels": labels}, "data": changes}
            persist(core.create_namespaced_config_map, self.namespace, body)
            return
        version = {"resourceVersion": found.metadata.resource_version}
        persist(core.patch_namespaced_config_map, LEDGER_NAME, self.namespace, {"metadata": version, "data": changes})
