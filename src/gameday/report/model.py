"""What the report says, as data: pure, from journals, evidence and samples alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gameday.report.timeline import Timeline, build_timeline

if TYPE_CHECKING:
    from gameday.report.folder import RunFiles

__all__ = ["FaultRow", "GameDayReport", "ProbeRow", "RunReport", "build_report"]

Json = dict[str, Any]


@dataclass(frozen=True)
class ProbeRow:
    """One probe of the hypothesis: what it said of the baseline and of the fault window."""

    name: str
    tolerance: str
    baseline: str
    window: str
    numbers: tuple[tuple[str, str], ...]
    held: bool | None  # None: it could not tell, or was not asked


@dataclass(frozen=True)
class FaultRow:
    """One fault: its target, the proof that it was in force, and when it was undone (seconds since the start)."""

    fault: str
    kind: str
    target: str
    matched: str
    proof: str
    touched: str
    in_force_s: float | None
    undone_s: float | None
    effective_s: float | None
    problem: str


@dataclass(frozen=True)
class RunReport:
    """Everything the report shows of one run."""

    name: str
    experiment: str
    title: str
    description: str
    weakness: str | None
    verdict: str
    reason: str
    mend: tuple[str, ...]
    seconds: float | None
    hypothesis: str
    probes: tuple[ProbeRow, ...]
    faults: tuple[FaultRow, ...]
    phases: tuple[tuple[str, float], ...]
    stalls: tuple[str, ...]
    differences: tuple[str, ...]
    undone_by_runner: tuple[str, ...]
    timeline: Timeline | None
    facts: tuple[tuple[str, str], ...]
    files: tuple[str, ...]

    def logs(self) -> list[str]:
        """Those files that are logs of the storefront's pods."""
        return [file for file in self.files if "/logs/" in file]


@dataclass(frozen=True)
class GameDayReport:
    """The whole game day."""

    verdict: str
    run_id: str
    version: str
    seed: str
    context: str
    started_at: float
    seconds: float | None
    runs: tuple[RunReport, ...]

    def counts(self) -> list[tuple[str, int]]:
        """How many runs ended with each verdict, the good news first."""
        order = ("passed", "failed", "inconclusive", "invalid", "dirty", "error")
        found = [run.verdict for run in self.runs]
        return [(name, found.count(name)) for name in order if name in found]


def build_report(summary: Json, runs: list[RunFiles]) -> GameDayReport:
    """The report of a game day. Whatever is missing is shown as missing, never as good."""
    return GameDayReport(
        verdict=str(summary.get("verdict") or "error"),
        run_id=str(summary.get("run_id", "")),
        version=str(summary.get("version", "")),
        seed=str(summary.get("seed", "")),
        context=str(summary.get("context", "")),
        started_at=float(summary.get("started_at") or 0.0),
        seconds=summary.get("seconds"),
        runs=tuple(_run(one) for one in runs),
    )


def _run(files: RunFiles) -> RunReport:
    said = _mapping(files.journal.get("gameday"))
    about = _mapping(said.get("run"))
    experiment = _mapping(files.journal.get("experiment"))
    hypothesis = _mapping(experiment.get("steady-state-hypothesis"))
    timeline = build_timeline(files.samples, files.events, files.mails, said.get("stalls"))
    origin = timeline.origin if timeline else 0.0
    return RunReport(
        name=files.name,
        experiment=str(files.entry.get("experiment", files.name)),
        title=str(files.entry.get("title", "")),
        description=" ".join(str(experiment.get("description", "")).split()),
        weakness=files.entry.get("weakness"),
        verdict=str(said.get("verdict") or files.entry.get("verdict") or "error"),
        reason=str(said.get("reason") or files.entry.get("reason") or "there is no journal"),
        mend=tuple(said.get("mend") or files.entry.get("mend") or ()),
        seconds=files.entry.get("seconds"),
        hypothesis=str(hypothesis.get("title", "")),
        probes=tuple(_probes(files.journal, hypothesis)),
        faults=tuple(_faults(files.events, origin)),
        phases=tuple((mark.label, mark.at_s) for mark in timeline.phases) if timeline else (),
        stalls=tuple(f"at {span.start_s:.1f} s: {span.label}" for span in timeline.stalls) if timeline else (),
        differences=tuple(about.get("differences") or ()),
        undone_by_runner=tuple(f"{one['fault']}: {one['detail']}" for one in about.get("undone_by_runner") or ()),
        timeline=timeline,
        facts=tuple(_facts(about, said, timeline)),
        files=files.files,
    )


def _probes(journal: Json, hypothesis: Json) -> list[ProbeRow]:
    """The probes as the experiment lists them, with what each said before and after the method."""
    states = _mapping(journal.get("steady_states"))
    before, after = _by_name(states.get("before")), _by_name(states.get("after"))
    rows = []
    for probe in hypothesis.get("probes") or []:
        name = str(_mapping(probe).get("name"))
        output = _mapping(_mapping(after.get(name)).get("output"))
        met = _mapping(after.get(name)).get("tolerance_met")
        held = None if output.get("verdict") == "undecided" else met
        rows.append(
            ProbeRow(
                name=name,
                tolerance=_compact(_mapping(probe).get("tolerance")),
                baseline=_said(before.get(name)),
                window=_said(after.get(name)),
                numbers=tuple((str(key), _compact(value)) for key, value in _mapping(output.get("numbers")).items()),
                held=held,
            )
        )
    return rows


def _by_name(state: Any) -> dict[str, Json]:
    probes = _mapping(state).get("probes") or []
    return {str(_mapping(_mapping(one).get("activity")).get("name")): _mapping(one) for one in probes}


def _said(run: Json | None) -> str:
    """What a probe's run says in words: its own reason, or its bare output, or why it failed."""
    if not run:
        return "not asked"
    output = run.get("output")
    if isinstance(output, dict) and output.get("reason"):
        return f"{output.get('verdict')}: {output['reason']}"
    if output is None and run.get("exception"):
        trace = run["exception"]
        return str(trace[-1] if isinstance(trace, list) else trace).strip()
    return _compact(output)


def _faults(events: list[Json], origin: float) -> list[FaultRow]:
    telling = ("fault-planned", "fault-in-force", "fault-failed")  # a proxy that only stood there is no fault
    ids = list(dict.fromkeys(one["fault"] for one in events if one.get("fault") and one.get("event") in telling))
    return [_fault(fault, [one for one in events if one.get("fault") == fault], origin) for fault in ids]


def _fault(fault: str, events: list[Json], origin: float) -> FaultRow:
    last = {str(one.get("event")): one for one in events}
    first = {str(one.get("event")): one for one in reversed(events)}
    about = {**first.get("fault-in-force", {}), **first.get("fault-planned", {})}
    target = _mapping(about.get("target"))
    problem = ""
    if "fault-failed" in last:
        problem = f"failed: {last['fault-failed'].get('reason')}"
    elif "fault-reverted" in last:
        problem = f"reverted by {last['fault-reverted'].get('by')}"
    elif "fault-in-force" not in last:
        problem = "never proven in force"

    def when(event: str) -> float | None:
        return first[event]["at"] - origin if event in first else None

    return FaultRow(
        fault=fault,
        kind=str(about.get("kind") or ""),
        target=" ".join(str(target[key]) for key in ("kind", "name") if target.get(key)) or _compact(target or None),
        matched=_compact(about.get("matched")),
        proof=_compact(first.get("fault-in-force", {}).get("proof")),
        touched=_compact(last.get("fault-touched", {}).get("count")),
        in_force_s=when("fault-in-force"),
        undone_s=when("fault-undone"),
        effective_s=when("fault-effective-undone"),
        problem=problem,
    )


def _facts(about: Json, said: Json, timeline: Timeline | None) -> list[tuple[str, str]]:
    """The small print of a run."""
    facts = [("namespace", about.get("namespace")), ("context", about.get("context")), ("seed", about.get("seed"))]
    facts += [("reached by", about.get("reach"))]
    facts += [("storefront ready after", _seconds(about.get("storefront_ready_s")))]
    facts += [("the weakness should violate", about.get("weakness_violates"))]
    facts += [("violated", ", ".join(map(str, said.get("violated") or [])))]
    own = _mapping(said.get("verdict_of_experiment"))
    if own:
        facts.append(("the experiment itself said", f"{own.get('verdict')}: {own.get('reason')}"))
    if timeline:
        facts.append(("requests", f"{timeline.requests}, of which {timeline.failed} failed"))
        facts.append(("mails received", str(timeline.mails) if timeline.mails else None))
    return [(name, str(value)) for name, value in facts if value not in (None, "")]


def _seconds(value: Any) -> str | None:
    return f"{value:.1f} s" if isinstance(value, int | float) else None


def _mapping(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _compact(value: Any) -> str:
    """A value on one short line."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_compact(one)}" for key, one in value.items())
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 300 else f"{text[:297]}..."  # noqa: PLR2004  # a line of a table
