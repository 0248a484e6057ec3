"""This process's own entries that were planned and never confirmed: their act may land after somebody undid them.

Whoever undoes a planned entry gives the request of its maker a second to land. One that takes longer, because its
connection hung or was tried again, would leave a fault that is on no record. Only its maker knows: so it remembers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gameday.ledger import objects
from gameday.ledger.book import Ledger
from gameday.ledger.force import is_there

if TYPE_CHECKING:
    from collections.abc import Collection

    from gameday.kube import Kube
    from gameday.ledger.entries import Entry, Operation

__all__ = ["confirm", "plan", "reinstate", "withdraw"]

_planned: dict[tuple[str, str, str], Entry] = {}
"""By server, namespace and fault."""


def plan(kube: Kube, namespace: str, entry: Entry) -> None:
    """Write an entry to the ledger, before its fault acts. Raises LedgerError."""
    Ledger(kube, namespace).write(entry)
    _planned[_key(kube, namespace, entry.id)] = entry


def confirm(kube: Kube, namespace: str, fault_id: str) -> None:
    """Mark a fault as in force: nothing of it is on its way any more. Raises LedgerError when its entry is gone."""
    Ledger(kube, namespace).confirm(fault_id)
    _planned.pop(_key(kube, namespace, fault_id), None)


def withdraw(kube: Kube, namespace: str, fault_id: str, operations: Collection[Operation]) -> None:
    """Forget these operations of a fault, which the server refused or was never asked for. Raises LedgerError."""
    Ledger(kube, namespace).withdraw(fault_id, operations)
    key = _key(kube, namespace, fault_id)
    if (entry := _planned.pop(key, None)) and (left := entry.without(operations)):
        _planned[key] = left


def reinstate(kube: Kube, namespace: str) -> list[str]:
    """Put on record again, once, what was planned here, is on record no more, and has come about nevertheless.

    Not for a value that a fault on record has set as well. Whoever undoes next undoes it too. Returns the ids. Raises
    LedgerError.
    """
    mine = [entry for key, entry in list(_planned.items()) if key == _key(kube, namespace, entry.id)]
    if not mine:
        return []
    ledger = Ledger(kube, namespace)
    entries, broken = ledger.read()
    known = {entry.id for entry in entries} | broken.keys()
    undone = [operation for entry in entries for operation in entry.undo]
    late = []
    for entry in reversed(mine):  # newest first: of several that would have set the same, one undoes it
        left = entry.without([operation for operation in undone if isinstance(operation, objects.Field)])
        if entry.id not in known and left and is_there(kube, namespace, left):
            ledger.write(entry)
            del _planned[_key(kube, namespace, entry.id)]
            undone += entry.undo
            late.append(entry.id)
    return late


def _key(kube: Kube, namespace: str, fault_id: str) -> tuple[str, str, str]:
    return str(kube.client.configuration.host), namespace, fault_id
