"""The life of a fault, the same for all: guard, ledger, evidence, and failure said in one line."""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from chaoslib.exceptions import ActivityFailed

from gameday import evidence
from gameday.activities.guard import NotAllowedError, check_context, check_namespace
from gameday.activities.seeds import SeedError
from gameday.kube import ApiException, ClusterUnreachableError, connect_from_environment
from gameday.ledger import Entry, EntryError, LedgerError, Operation, new_fault_id, pending
from gameday.ledger.calls import CONNECTION_ERRORS, OvertakenError, said
from gameday.ledger.exchange import ExchangeError
from gameday.ledger.lease import holder_now, holder_of_this_run
from gameday.ledger.onsets import carry_out

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from gameday.kube import Kube
    from gameday.ledger.objects import Field

P = ParamSpec("P")
R = TypeVar("R")
EXPECTED = (
    ApiException,
    ClusterUnreachableError,
    EntryError,
    ExchangeError,
    LedgerError,
    SeedError,
    *CONNECTION_ERRORS,
)
"""What a cluster, a pod or the environment may do to an activity; anything else is a bug of ours."""

_acting: ContextVar[str | None] = ContextVar("gameday_fault", default=None)


def activity(kind: str, *, undoes: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function an activity whose every failure is recorded and raised as ActivityFailed, in one line.

    Recorded as `fault-failed`; of one that `undoes` as a note, for there is no fault that failed to come about.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def act(*args: P.args, **kwargs: P.kwargs) -> R:
            token = _acting.set(None)
            try:
                return function(*args, **kwargs)
            except (ActivityFailed, *EXPECTED) as problem:
                refused = isinstance(problem, NotAllowedError)
                reason = said(problem)
                if undoes:
                    evidence.record("note", text=f"{kind}: {reason}")
                else:
                    evidence.record("fault-failed", fault=_acting.get(), kind=kind, reason=reason, refused=refused)
                if isinstance(problem, ActivityFailed):
                    raise
                raise ActivityFailed(f"{kind}: {reason}") from problem
            finally:
                _acting.reset(token)

        return act

    return decorate


def attack(namespace: str) -> Kube:
    """Connect as the environment says, and pass the guard for that namespace."""
    kube = connect_from_environment()
    check_context(kube)
    check_namespace(kube, namespace)
    return kube


class Fault:
    """One fault on its way from planned to in force. Its entry in the ledger is what undoes it."""

    def __init__(self, kube: Kube, namespace: str, kind: str, *, fault_id: str | None = None) -> None:
        self.kube = kube
        self.namespace = namespace
        self.kind = kind
        self.id = fault_id or new_fault_id(kind)
        self._target: dict[str, Any] = {}
        self._undo: list[Operation] = []

    def plan(
        self,
        target: dict[str, Any],
        undo: list[Operation],
        *,
        matched: int,
        ttl_s: float,
        proof: dict[str, Any] | None = None,
    ) -> None:
        """Write the undo to the ledger and record what is about to happen; only then may the fault act.

        `proof` goes into the entry: what is needed later to show that the fault reached traffic.
        """
        self._target, self._undo = {**target, "namespace": self.namespace}, undo
        holder = holder_of_this_run()
        if holder and (now := holder_now(self.kube, self.namespace)[0]) != holder:
            raise ActivityFailed(
                f"namespace {self.namespace}: this run no longer holds it ({now or 'nobody'} does), for it was not "
                "heard of for a while, and its faults are undone: run again"
            )
        entry = Entry(self.id, self.kind, tuple(undo), self._target, proof or {}, ttl_s=ttl_s, holder=holder)
        pending.plan(self.kube, self.namespace, entry)
        _acting.set(self.id)
        evidence.record("fault-planned", fault=self.id, kind=self.kind, target=self._target, matched=matched)

    def carry_out(self, *changes: tuple[Field, Any], done: Collection[Operation] = ()) -> None:
        """Make the changes that are planned, by a patch each, one after the other.

        When somebody else has come between, ActivityFailed: then the undo of those that were not made leaves the
        ledger, and when none was, all of it but what is `done`, which has something to undo already.
        """
        not_made = [operation for operation, _ in changes]
        for operation, body in changes:
            try:
                carry_out(self.kube, self.namespace, operation, body)
            except OvertakenError as problem:
                if not problem.sure:
                    not_made.remove(operation)
                none_made = len(not_made) == len(changes)
                self.withdraw([one for one in self._undo if one not in done] if none_made else not_made)
                next_ = "run again, or pause what else sets it (an autoscaler, a GitOps controller)"
                raise ActivityFailed(f"{self.kind} {problem}; {next_}") from problem
            not_made.remove(operation)

    def withdraw(self, undo: Collection[Operation]) -> None:
        """Take out of the ledger what has nothing to undo: the server refused what it would, or was never asked."""
        try:
            pending.withdraw(self.kube, self.namespace, self.id, undo)
        except (LedgerError, EntryError) as problem:  # whoever undoes it finds another's value, and says so
            evidence.record("note", fault=self.id, text=f"{self.id} never came about, but stays on record: {problem}")

    def in_force(self, **proof: Any) -> dict[str, Any]:
        """Record the proof that the fault is in force. Returns the evidence for the journal."""
        pending.confirm(self.kube, self.namespace, self.id)
        evidence.record("fault-in-force", fault=self.id, kind=self.kind, target=self._target, proof=proof)
        return {"fault": self.id, "kind": self.kind, "target": self._target, "proof": proof}

    def ended(self, *, shows_on: bool) -> None:
        """Record that the fault does nothing more, though it is not undone yet; and whether what it did may show on."""
        evidence.record("fault-over", fault=self.id, kind=self.kind, shows_on=shows_on)

    def touched(self, count: int, **details: Any) -> None:
        """Record how much the fault has touched so far: cumulative, so the last count is the whole."""
        evidence.record("fault-touched", fault=self.id, kind=self.kind, count=count, **details)
