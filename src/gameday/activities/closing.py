"""The end of an experiment: undo, recovery, verdict, journal. Runs whatever happened before."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gameday import evidence
from gameday.activities.draining import DRAINED
from gameday.activities.fault import EXPECTED
from gameday.activities.foreign import failed_rollbacks, idle_actions, violated_looks
from gameday.activities.proof import fault_facts, fault_window, in_force_throughout
from gameday.activities.recovery import wait_for_recovery
from gameday.ledger import free_nodes, revert
from gameday.ledger.calls import said
from gameday.ledger.lease import holder_of_this_run, may_undo, taken_by
from gameday.verdict import Facts, Finding, Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gameday.activities.conductor import Conductor
    from gameday.activities.recovery import Recovery
    from gameday.activities.session import Session
    from gameday.kube import Kube
    from gameday.ledger import Outcome
    from gameday.load.samples import Sample

__all__ = ["close", "mark"]


def close(run: Conductor, journal: dict[str, Any]) -> Verdict:
    """Undo what is left, wait for recovery, send the shoppers home, judge; writes it all into the journal."""
    run.after_method()
    if run.session is not None:
        run.session.enter("recovery")
    remains = _undo_everything(run)
    recovery = wait_for_recovery(run, journal)
    if run.session is not None:
        if recovery[0] is not None:
            run.session.look_after_undo(_undone_at())
        run.session.shoppers.stop()
        run.session.database.close()
        run.session.enter("end")
    run.heartbeat.stop()
    try:
        run.give_back()
    except EXPECTED as problem:
        evidence.record("note", text=f"the namespace's lease is not given back, it will run out: {said(problem)}")
    facts = _facts(run, journal, remains, recovery)
    verdict = judge(facts)
    status = "deviated" if journal.get("deviated") else journal.get("status")
    if verdict.name == "passed" and status != "completed":
        verdict = Verdict("error", f"a bug: judged as passed, while Chaos Toolkit says {status}")
    mark(journal, verdict)
    journal["gameday"] |= _details(run, facts, recovery)
    evidence.record("verdict", verdict=verdict.name, reason=verdict.reason, hypothesis=verdict.hypothesis)
    return verdict


def mark(journal: dict[str, Any], verdict: Verdict) -> None:
    """Write a verdict into a journal, and make `chaos run` exit with 1 unless it is passed."""
    journal["gameday"] = {"verdict": verdict.name, "reason": verdict.reason, "hypothesis": verdict.hypothesis}
    if verdict.name == "failed":
        journal["deviated"] = True
    if verdict.name != "passed" and journal.get("status") == "completed" and not journal.get("deviated"):
        journal["status"] = "aborted"


def _undo_everything(run: Conductor) -> tuple[str, ...]:
    """Undo whatever the ledger still holds, twice if need be; returns what remains, with the mending commands."""
    if run.kube is None or run.settings is None or not run.allowed:
        return ()
    from gameday.activities.undo import revert_faults

    try:
        revert_faults(run.settings.namespace)
    except Exception as problem:  # noqa: BLE001  # the next line says what remains of it
        evidence.record("note", text=f"rollback: {' '.join(str(problem).split())}")
    namespace, holder = run.settings.namespace, holder_of_this_run()
    other = taken_by(run.kube, namespace, holder)
    outcomes = revert(run.kube, namespace, only=may_undo(holder, other))
    if other:
        run.lose()
    outcomes += _free_nodes(run.kube, namespace)
    ours = tuple(f"{o.fault}: {o.detail}; mend it with: {o.mend_command}" for o in outcomes if not o.ok)
    return ours or (() if other else run.residue.left(run.kube, namespace))  # another's changes are not what we left


def _free_nodes(kube: Kube, namespace: str) -> list[Outcome]:
    """Let nodes that this run has drained take pods again whose record is gone: with its namespace, for example."""
    events = evidence.events()
    drains = {e["fault"] for e in events if e["event"] == "fault-planned" and e["kind"] == DRAINED}
    drains -= {e["fault"] for e in events if e["event"] == "fault-undone"}
    outcomes = [outcome for _, outcome in free_nodes(kube, namespace, drains)] if drains else []
    for outcome in outcomes:
        evidence.record("note", fault=outcome.fault, text=outcome.detail)
    return outcomes


def _undone_at() -> float:
    """When the undo of the last fault showed, its pods being available again; now, when nothing says so."""
    shown = (event["at"] for event in evidence.events() if event["event"] == "fault-effective-undone")
    return max(shown, default=time.time())


def _facts(run: Conductor, journal: Mapping[str, Any], remains: tuple[str, ...], recovery: Recovery) -> Facts:
    session = run.session
    states = journal.get("steady_states") or {}
    before, after = states.get("before"), states.get("after")
    since = (session.method_started_at if session else None) or float("inf")
    window = fault_window(evidence.events(), since)
    proven = window.proven_from is not None
    interrupted = run.interrupted
    if interrupted is None and journal.get("status") == "interrupted":
        interrupted = "stopped by a signal"
    return Facts(
        error=run.error or (session.shoppers.problem if session else None) or _aborted(journal),
        invalid=run.invalid,
        interrupted=interrupted,
        baseline=_findings(session.baseline_findings if session else {}, before, proven=False),
        baseline_done=bool(before and before.get("steady_state_met")) and _all_asked(run, session),
        findings=_findings(_in_window(run, journal), after, proven=proven, window=True),
        window_complete=bool(after) and run.hypothesis_closed and run.covered,
        window_s=window.watched_s(session.window_end if session else None),
        clock_step_s=run.heartbeat.stepped_s,
        faults=fault_facts(evidence.events(), since),
        policies=run.policies.unproven(run.kube, run.settings.namespace) if run.settings else (),
        foreign=run.foreign,
        idle=idle_actions(journal),
        rollbacks=failed_rollbacks(journal),
        remains=remains,
        recovered=recovery[0],
        recovery_reason=recovery[1],
    )


def _all_asked(run: Conductor, session: Session | None) -> bool:
    """Whether each probe of ours was asked in the baseline: Chaos Toolkit may call met what nobody has measured."""
    return session is not None and {probe.name for probe in run.probes} <= session.baseline_findings.keys()


def _in_window(run: Conductor, journal: Mapping[str, Any]) -> dict[str, Finding]:
    """What our probes found, and what others saw while a fault was proven in force; the first violation counts."""
    found: dict[str, Finding] = {}
    for look in violated_looks(journal):
        if in_force_throughout(evidence.events(), look.began, look.ended):
            stalled = any(stall.touches(look.began, look.ended) for stall in run.heartbeat.stalls())
            if look.probe not in found or (found[look.probe].stalled and not stalled):
                found[look.probe] = Finding(look.probe, "violated", look.output, in_force=True, stalled=stalled)
    return found | (run.session.findings if run.session else {})


def _aborted(journal: Mapping[str, Any]) -> str | None:
    return "Chaos Toolkit aborted the method: see its log" if journal.get("status") == "aborted" else None


def _findings(
    ours: Mapping[str, Finding], state: Mapping[str, Any] | None, *, proven: bool, window: bool = False
) -> tuple[Finding, ...]:
    """What our probes found, and what Chaos Toolkit says of those that are not ours or that raised.

    A probe that is not ours looked once: of a whole `window` that tells nothing when it was content.
    """
    found = dict(ours)
    for played in (state or {}).get("probes") or []:
        name = str(played["activity"]["name"])
        if name in found:
            continue
        if played.get("status") != "succeeded":
            said = "".join(played.get("exception") or ["it raised"]).strip()
            found[name] = Finding(name, "undecided", said.splitlines()[-1], in_force=proven)
        elif played.get("tolerance_met"):
            said = "within tolerance" if not window else "within tolerance, but it looked only once, at the end"
            found[name] = Finding(name, "undecided" if window else "holds", said, in_force=proven)
        else:
            found[name] = Finding(name, "violated", f"{played.get('output')!r:.200}", in_force=proven)
    return tuple(found.values())


def _details(run: Conductor, facts: Facts, recovery: Recovery) -> dict[str, Any]:
    session = run.session
    findings = [asdict(f) | {"numbers": session.numbers.get(f.probe, {}) if session else {}} for f in facts.findings]
    details: dict[str, Any] = {
        "violated": [f.probe for f in facts.findings if f.verdict == "violated" and f.in_force and not f.stalled],
        "baseline_met": facts.baseline_done,
        "baseline": [asdict(finding) for finding in facts.baseline],
        "findings": findings,
        "faults": [asdict(fault) for fault in facts.faults],
        "remains": list(facts.remains),
        "recovery": {"recovered": recovery[0], "reason": recovery[1], "after_s": recovery[2]},
        "phases": session.phases if session else [],
        "stalls": [asdict(stall) for stall in run.heartbeat.stalls()],
        "samples": {},
    }
    if session is not None and run.settings is not None:
        recorder, end = session.shoppers.recorder, session.window_end or time.time()
        start = fault_window(evidence.events(), session.method_started_at or end).begun_at
        baseline = session.baseline_window or (session.opened_at, session.opened_at)
        details["samples"] = {
            "baseline": _summary(recorder.samples(*baseline)),
            "fault": _summary(recorder.samples(start, end)),
        }
        details |= {"namespace": session.namespace, "seed": run.settings.plan.seed}
    return details


def _summary(samples: Iterable[Sample]) -> dict[str, Any]:
    """How many requests, how many failed and why, how fast; by behaviour too."""
    seen = list(samples)
    latencies = sorted(sample.latency_ms for sample in seen)
    percentiles = statistics.quantiles(latencies, n=100, method="inclusive") if len(latencies) > 1 else []
    return {
        "requests": len(seen),
        "failed": sum(sample.failed for sample in seen),
        "fallbacks": sum(sample.fallback for sample in seen),
        "errors": dict(Counter(sample.error for sample in seen if sample.error).most_common(5)),
        "by_behaviour": dict(Counter(sample.behaviour for sample in seen)),
        "failed_by_behaviour": dict(Counter(sample.behaviour for sample in seen if sample.failed)),
        "latency_ms": {f"p{p}": round(percentiles[p - 1], 1) for p in (50, 95, 99)} if percentiles else {},
    }
