"""The ledger: the durable list of faults in force, and how each is undone.

A ConfigMap in the attacked namespace holds one entry a fault, written *before* the
fault acts, so that whoever comes later (the experiment's rollback, the runner, another
machine) can undo it. Entries are data of a closed set of operations; nothing in them is
ever executed that this package does not know by name, and no secret is copied into one.
"""

from gameday.ledger.book import LEDGER_NAME, Ledger
from gameday.ledger.calls import LedgerError
from gameday.ledger.entries import (
    ClearAnnotation,
    ClearFault,
    ClearLabel,
    DeleteFaultSets,
    DeleteMade,
    Entry,
    EntryError,
    NoUndo,
    Operation,
    SetConfig,
    SetContainer,
    SetReplicas,
    SetSelector,
    SetServicePorts,
    Uncordon,
    new_fault_id,
)
from gameday.ledger.force import still_in_force
from gameday.ledger.snapshots import differences, snapshot
from gameday.ledger.strays import free_nodes, stray_nodes
from gameday.ledger.undoing import Outcome, revert

__all__ = [
    "LEDGER_NAME",
    "ClearAnnotation",
    "ClearFault",
    "ClearLabel",
    "DeleteFaultSets",
    "DeleteMade",
    "Entry",
    "EntryError",
    "Ledger",
    "LedgerError",
    "NoUndo",
    "Operation",
    "Outcome",
    "SetConfig",
    "SetContainer",
    "SetReplicas",
    "SetSelector",
    "SetServicePorts",
    "Uncordon",
    "differences",
    "free_nodes",
    "new_fault_id",
    "revert",
    "snapshot",
    "still_in_force",
    "stray_nodes",
]
