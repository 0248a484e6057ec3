"""Undo what is left in the ledger, and prove that the namespace is again what it was."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from urllib3.exceptions import HTTPError

from gameday.kube import ApiException
from gameday.ledger import LEDGER_NAME, LedgerError, differences, revert, snapshot
from gameday.ledger.calls import find, said
from gameday.ledger.lease import may_undo, taken_by
from gameday.ledger.mending import revert_command
from gameday.ledger.restoring import mend_commands

if TYPE_CHECKING:
    from gameday.kube import Kube
    from gameday.ledger import Outcome

__all__ = ["PATIENCE_S", "UNREACHABLE", "Proof", "undo_and_prove"]

UNREACHABLE = (ApiException, HTTPError, OSError, LedgerError, LookupError, ValueError)
"""What a call to a cluster that is in trouble may raise."""

PATIENCE_S = 60.0
"""How long a cluster that lives on, and its faults with it, may be out of reach before the undo gives up."""
_SETTLE_S = 2.0


@dataclass(frozen=True)
class Proof:
    """What the runner had to undo, what still differs, and how to mend that."""

    undone: tuple[Outcome, ...] = ()
    differences: tuple[str, ...] = ()
    mend: tuple[str, ...] = ()
    unproven: str | None = None


def undo_and_prove(
    kube: Kube, namespace: str, before: dict[str, Any] | None, *, holder: str = "", patience_s: float = 0.0
) -> Proof:
    """Revert the ledger, then compare with the snapshot `before` the experiment (None: do not compare).

    A difference gets 2 s to settle: a request of the killed process may still have been on its way. A cluster
    out of reach is tried again for `patience_s` seconds. Where `holder` has lost the namespace to another run, that
    one's faults are left alone, and nothing is compared.
    """
    undone: list[Outcome] = []
    give_up, until = time.monotonic() + patience_s, None
    while True:
        try:
            other = taken_by(kube, namespace, holder)
            outcomes = revert(kube, namespace, only=may_undo(holder, other))
            if any(one.fault == LEDGER_NAME for one in outcomes):  # it cannot be read
                raise LedgerError(outcomes[0].detail)
            undone += outcomes
            after = snapshot(kube, namespace) if before is not None and not other else {}
        except UNREACHABLE as problem:
            if time.monotonic() > give_up:
                again = (revert_command(kube.context, namespace),)
                return Proof(tuple(_latest(undone)), mend=again, unproven=said(problem)[:300])
            time.sleep(1)
            continue
        if other:
            later = (f"{revert_command(kube.context, namespace)}  # once {other} is over",)
            why = f"this run was not heard of for a while, and {other} runs in {namespace} by now"
            return Proof(tuple(_latest(undone)), mend=later, unproven=why)
        until = until or time.monotonic() + _SETTLE_S  # from the first time that the cluster could tell
        left = differences(before or {}, after)
        if not left or time.monotonic() > until:
            break
        time.sleep(0.2)
    if left and _is_deleted(kube, namespace):
        gone = f"namespace {namespace} was deleted under the run, and all that was in it: put its storefront up again"
        return Proof(tuple(_latest(undone)), (gone,))
    return Proof(
        tuple(_latest(undone)), tuple(left), tuple(mend_commands(kube.context, namespace, before or {}, after))
    )


def _is_deleted(kube: Kube, namespace: str) -> bool:
    """Whether the namespace is gone or going; False when nobody can tell."""
    try:
        found = find(kube.core.read_namespace, namespace)
    except UNREACHABLE:
        return False
    return found is None or found.metadata.deletion_timestamp is not None


def _latest(undone: list[Outcome]) -> list[Outcome]:
    """The last word on each fault: a second try may have managed what the first could not."""
    return list({one.fault: one for one in undone}.values())
