"""From facts to a verdict. Pure: no clock, no cluster, no I/O.

The rules are few and ordered so that nothing that went unproven can pass: of dirty,
error, invalid, inconclusive, failed, passed the first that applies is the verdict,
except that a violation seen while a fault was proven in force stays failed whatever
else happened, short of dirty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["EXIT_CODES", "Facts", "FaultFacts", "Finding", "Name", "Verdict", "judge", "worst"]

Name = Literal["passed", "failed", "invalid", "inconclusive", "dirty", "error"]

EXIT_CODES: dict[str, int] = {"passed": 0, "failed": 1, "invalid": 2, "inconclusive": 3, "dirty": 4, "error": 5}
"""What `gameday run` exits with."""

MIN_WINDOW_S = 1.0
"""A fault that was proven in force for less than this before the window closed has not been watched."""

_WORST_FIRST: tuple[Name, ...] = ("dirty", "error", "failed", "inconclusive", "invalid", "passed")


@dataclass(frozen=True)
class Verdict:
    """The outcome: `reason` is one line; `hypothesis` names the probe that was violated, if any."""

    name: Name
    reason: str
    hypothesis: str | None = None

    @property
    def exit_code(self) -> int:
        """What a command that ends with this verdict exits with."""
        return EXIT_CODES[self.name]


@dataclass(frozen=True)
class FaultFacts:
    """What is proven about one fault of the method. `unseen`: clients that it ought to have touched and has not."""

    fault: str
    kind: str
    matched: int = 1
    in_force: bool = False
    touched: int = 0
    unseen: tuple[str, ...] = ()
    failed: str | None = None
    reverted_by: str | None = None
    undone: bool = False
    effective_undone: bool = False


@dataclass(frozen=True)
class Finding:
    """One probe's word. `stalled`: what it saw overlaps a stall; `in_force`: a fault was proven in force then."""

    probe: str
    verdict: Literal["holds", "violated", "undecided"]
    reason: str
    in_force: bool = True
    stalled: bool = False


@dataclass(frozen=True)
class Facts:
    """All a verdict is made of; whatever is left out counts as not proven.

    `remains` is what could not be undone, each with the command that mends it; `recovered` says
    whether requests were fine again after the undo (None: not looked at); `window_complete`
    whether the hypothesis was judged over the whole fault window, `window_s` how long that was with a fault proven in
    force, `clock_step_s` by how much this machine's clock was set meanwhile; `policies` what the experiment did
    with NetworkPolicies, which nothing proves to be enforced; `idle` and `rollbacks` which activities that are
    not ours did nothing, or did not undo what they should have; `foreign` its actions that are not ours.
    """

    error: str | None = None
    invalid: str | None = None
    interrupted: str | None = None
    baseline: tuple[Finding, ...] = ()
    baseline_done: bool = False
    findings: tuple[Finding, ...] = ()
    window_complete: bool = False
    window_s: float = 0.0
    clock_step_s: float = 0.0
    faults: tuple[FaultFacts, ...] = ()
    policies: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()
    rollbacks: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    remains: tuple[str, ...] = ()
    recovered: bool | None = None
    recovery_reason: str = ""


def judge(facts: Facts) -> Verdict:  # noqa: PLR0911  # one return a row of the table
    """The verdict on one experiment."""
    if facts.remains:
        more = f" (and {len(facts.remains) - 1} more)" if len(facts.remains) > 1 else ""
        return Verdict("dirty", f"not undone: {facts.remains[0]}{more}")
    violation = next((f for f in facts.findings if f.verdict == "violated" and f.in_force and not f.stalled), None)
    if violation is not None:
        return Verdict("failed", f"{violation.probe}: {violation.reason}", violation.probe)
    if facts.error:
        return Verdict("error", facts.error)
    if facts.invalid:
        return Verdict("invalid", facts.invalid)
    doubt = next(_doubts(facts), None)
    if doubt is not None:
        return Verdict("inconclusive", doubt)
    if facts.recovered is False:
        return Verdict("failed", f"undone, but the shop did not recover: {facts.recovery_reason}", "recovery")
    held = ", ".join(finding.probe for finding in facts.findings)
    return Verdict("passed", f"held over the whole fault window, fault proven in force and undone: {held}")


def worst(verdicts: Iterable[Verdict | str]) -> Name:
    """The verdict of a whole game day: the worst of its experiments'; `error` when there was none."""
    names = {verdict.name if isinstance(verdict, Verdict) else verdict for verdict in verdicts}
    return next((name for name in _WORST_FIRST if name in names), "error")


def _doubts(facts: Facts) -> Iterator[str]:
    """Everything that keeps a verdict from being passed or failed, the most telling first."""
    return iter(
        [
            *_baseline_doubts(facts),
            *_fault_doubts(facts),
            *([f"interrupted: {facts.interrupted}"] if facts.interrupted else []),
            *_window_doubts(facts),
            *_undo_doubts(facts),
            *_foreign_doubts(facts),
        ]
    )


def _baseline_doubts(facts: Facts) -> Iterable[str]:
    for finding in facts.baseline:
        if finding.verdict != "holds":
            yield f"baseline not met: {finding.probe}: {finding.reason}"
    if not facts.baseline_done and not facts.interrupted:
        yield "the baseline was not measured"


def _fault_doubts(facts: Facts) -> Iterable[str]:
    for what in facts.policies:
        yield f"{what}; it is not proven that this cluster enforces NetworkPolicies, and many do not"
    yield from facts.idle
    if not facts.faults and facts.baseline_done and not facts.interrupted:
        yield "no fault was set"
    for fault in facts.faults:
        name = f"fault {fault.kind} ({fault.fault})"
        if fault.failed:
            yield f"{name} failed: {fault.failed}"
        elif fault.matched < 1:
            yield f"{name} matched nothing"
        elif fault.reverted_by:
            yield f"{name} was reverted by {fault.reverted_by}"
        elif not fault.in_force:
            yield f"{name} is not proven in force"
        elif fault.touched < 1:
            unseen = f"; clients not seen: {', '.join(fault.unseen)}" if fault.unseen else ""
            yield f"{name} is not proven to have touched traffic{unseen}"


def _window_doubts(facts: Facts) -> Iterable[str]:
    for finding in facts.findings:
        if finding.verdict == "undecided":
            yield f"{finding.probe} cannot tell: {finding.reason}"
        elif finding.verdict == "violated" and finding.stalled:
            stalled = "while this machine, or the way to the cluster, stalled"
            yield f"{finding.probe} looks violated {stalled}: {finding.reason}"
        elif finding.verdict == "violated":
            yield f"{finding.probe} was violated with no fault proven in force: {finding.reason}"
    if not facts.window_complete or not facts.findings:
        yield "the hypothesis was not judged over the whole fault window"
    if facts.window_s < MIN_WINDOW_S:
        yield (
            f"the fault was watched for {facts.window_s:.1f} s, at least {MIN_WINDOW_S:g} s are needed: end the method "
            f"with gameday.activities.traffic.observe"
        )
    if facts.clock_step_s:
        yield f"this machine's clock was set by {facts.clock_step_s:+.1f} s: what came when nobody can tell"


def _undo_doubts(facts: Facts) -> Iterable[str]:
    for what in facts.rollbacks:
        yield f"{what}; whether what it was to undo is undone is not proven"
    for fault in facts.faults:
        if not fault.undone:
            yield f"fault {fault.kind} ({fault.fault}) is not proven undone"
        elif not fault.effective_undone:
            yield f"fault {fault.kind} ({fault.fault}) is undone, but not proven effective"
    if facts.recovered is None:
        yield f"nobody can tell whether the shop recovered: {facts.recovery_reason or 'not looked at'}"


def _foreign_doubts(facts: Facts) -> Iterable[str]:
    """Last of all: that something went wrong tells more than that nobody can know."""
    for name in facts.foreign:
        yield f"the action {name} is not ours and has no entry in the ledger: nothing proves it in force, or undone"
