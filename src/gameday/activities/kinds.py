"""What a kind of fault needs beside its ledger entry: how its touch is counted, and when its undo shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gameday.activities import insertion, manifests, network, services, templates, unready

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.kube import Kube
    from gameday.ledger import Entry

__all__ = ["Kind", "kind_of"]


def _nothing_to_record(_kube: Kube, _namespace: str, _entry: Entry) -> None:
    """For kinds that record their touch while they act."""


def _at_once(_kube: Kube, _namespace: str, _entry: Entry) -> bool:
    """For kinds whose undo has its effect with the objects: nobody else has to notice."""
    return True


@dataclass(frozen=True)
class Kind:
    """What is special about one kind.

    `touched` records as `fault-touched` what an entry's fault has touched so far, and never raises what a cluster
    may do; `is_effective_undone` says whether an undo shows; `is_fault` is False for what is only put in place.
    """

    touched: Callable[[Kube, str, Entry], None] = _nothing_to_record
    is_effective_undone: Callable[[Kube, str, Entry], bool] = _at_once
    is_fault: bool = True


_KINDS = {
    insertion.INSERTED: Kind(is_fault=False),
    **dict.fromkeys(network.KINDS, Kind(touched=network.touched)),
    **dict.fromkeys(manifests.KINDS, Kind(manifests.touched, manifests.is_effective_undone)),
    **dict.fromkeys(services.KINDS, Kind(is_effective_undone=services.is_effective_undone)),
    templates.MISCONFIGURED: Kind(templates.touched, templates.is_effective_undone),
    unready.UNREADY: Kind(is_effective_undone=unready.is_effective_undone),
}


def kind_of(entry: Entry | None) -> Kind:
    """The kind of an entry; the plain one for those that need nothing of their own, and for no entry at all."""
    return _KINDS.get(entry.kind, Kind()) if entry is not None else Kind()
