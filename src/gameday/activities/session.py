"""The one session of an experiment's process: who shops where, which phase it is, what was found.

The control opens it, probes ask it for a view of their phase, and the verdict is made
of what it kept. Without an open session a probe refuses to say anything: an experiment
whose control is missing or broken thus cannot pass.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from gameday import evidence, reach
from gameday.activities.books import Database
from gameday.activities.mailbox import Postbox
from gameday.activities.proof import fault_window, own_windows
from gameday.ledger.proxies import origin_of
from gameday.verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gameday.kube import Kube
    from gameday.load.samples import Sample
    from gameday.load.shoppers import Shoppers
    from gameday.load.stalls import Stall

__all__ = ["NotRunningError", "Reading", "Session", "View", "close_session", "current", "judge"]
__all__ += ["open_session"]

Phase = Literal["setup", "baseline", "method", "hypothesis", "rollback", "recovery", "end"]


class NotRunningError(RuntimeError):
    """No game day session is open in this process; the message says how to get one."""


@dataclass(frozen=True)
class Reading:
    """What one measurement says. `spoilt`: it would be a violation, were this machine not overloaded."""

    verdict: Literal["holds", "violated", "undecided"]
    reason: str
    numbers: dict[str, Any] = field(default_factory=dict)
    spoilt: bool = False


@dataclass(frozen=True)
class View:
    """What a probe may look at: the traffic of the baseline without its stalls, or of the fault window so far.

    `final` is False while the window is still open: then only a violation that no later sample
    can undo may be reported, and nothing waits.
    """

    baseline_phase: bool
    start: float
    end: float
    samples: tuple[Sample, ...]
    baseline: tuple[Sample, ...]
    stalls: tuple[Stall, ...]
    final: bool
    session: Session
    crowded: float = 0.0
    """In which share of the time somebody on this machine waited for a processor."""

    def pages(self) -> list[Sample]:
        """The page views."""
        return [sample for sample in self.samples if sample.is_page]

    def between(self, start: float, end: float) -> View:
        """The same view of a part of its time."""
        return replace(
            self, start=start, end=end, samples=tuple(s for s in self.samples if start <= s.scheduled_at < end)
        )

    def without_stalls(self) -> View:
        """The same view without what overlaps a stall of this machine."""
        return replace(self, samples=_calm(self.samples, self.stalls))


def _calm(samples: Iterable[Sample], stalls: Iterable[Stall]) -> tuple[Sample, ...]:
    """The samples that overlap no stall."""
    return tuple(s for s in samples if not any(stall.touches(s.scheduled_at, s.done_at) for stall in stalls))


class Session:
    """Everything one experiment needs to know about itself while it runs."""

    def __init__(self, namespace: str, kube: Kube, shoppers: Shoppers) -> None:
        """Wrap a crowd that is about to be let in."""
        self.namespace, self.kube, self.shoppers = namespace, kube, shoppers
        self.database = Database(kube, namespace)
        self.postbox = Postbox(reach.service_url(kube, namespace, origin_of(kube, namespace, "postbox")))
        self.opened_at = time.time()
        self.phase: Phase = "setup"
        self.phases: list[dict[str, Any]] = []
        self.baseline_window: tuple[float, float] | None = None
        self.method_started_at: float | None = None
        self.window_end: float | None = None
        self.baseline_findings: dict[str, Finding] = {}
        self.findings: dict[str, Finding] = {}
        self.judged: set[str] = set()
        self.numbers: dict[str, dict[str, Any]] = {}
        self.violation = threading.Event()
        """Set when the window need not be waited for any longer: a violation is certain, or it was aborted."""
        self.after_undo: dict[str, Callable[[float, list[Sample]], Reading]] = {}
        """By probe: what is still to be looked at once all is undone, given when that was and the requests since."""
        self.remembered: dict[str, Any] = {}
        """By probe: what it saw in the baseline."""
        self.aborted: str | None = None
        self._baseline: tuple[Sample, ...] | None = None
        self._lock = threading.RLock()
        self._named = threading.local()

    def enter(self, phase: Phase) -> None:
        """Go on to the next phase, and note it."""
        with self._lock:
            self.phase = phase
            self.phases.append({"phase": phase, "at": time.time()})
        evidence.record("phase", phase=phase)

    def name_probe(self, name: str | None) -> None:
        """Which probe of the experiment the calling thread is about to run, as the file names it."""
        self._named.probe = name

    def view(self) -> View:
        """What there is to see in the present phase."""
        if self.phase not in ("baseline", "method", "hypothesis"):
            raise NotRunningError(f"probes look at the baseline or the fault window; the session is in {self.phase}")
        stalls = tuple(self.shoppers.heartbeat.stalls())
        recorder = self.shoppers.recorder
        first, last = self.baseline_window or (self.opened_at, time.time())
        if self.phase == "baseline" or self._baseline is None:
            self._baseline = _calm(recorder.samples(first, last), stalls)
        baseline = self._baseline  # as it was judged, whatever is known of stalls later
        if self.phase == "baseline":
            return View(True, first, last, baseline, baseline, stalls, True, self)
        since = self.method_started_at or self.opened_at
        start = fault_window(evidence.events(), since).begun_at
        final = self.phase == "hypothesis"
        end = self.window_end if final and self.window_end else self.shoppers.known_until()
        crowded = self.shoppers.heartbeat.crowded(start, end)
        return View(False, start, end, tuple(recorder.samples(start, end)), baseline, stalls, final, self, crowded)

    def keep(self, probe: str, reading: Reading, view: View, *, stalled: bool) -> dict[str, Any]:
        """Keep what a probe found; a violation in the fault window is kept for good. Returns it as JSON-ready data."""
        proven = fault_window(evidence.events(), self.method_started_at or self.opened_at).proven_from is not None
        finding = Finding(probe, reading.verdict, reading.reason, in_force=proven, stalled=stalled)
        with self._lock:
            self.numbers[probe] = reading.numbers
            if view.baseline_phase:
                self.baseline_findings[probe] = finding
            else:
                if view.final:
                    self.judged.add(probe)
                finding = self._keep_worst(finding, view)
        said = "undecided" if finding.verdict == "violated" and finding.stalled else finding.verdict
        return {"verdict": said, "probe": probe, "reason": finding.reason, "numbers": reading.numbers}

    def _keep_worst(self, finding: Finding, view: View) -> Finding:
        known = self.findings.get(finding.probe)
        if known is not None and known.verdict == "violated" and known.in_force and not known.stalled:
            return known
        certain = finding.verdict == "violated" and finding.in_force and not finding.stalled
        if view.final or certain:
            self.findings[finding.probe] = finding
        if certain:
            evidence.record("violation", probe=finding.probe, detail=finding.reason)
            self.violation.set()
        return finding

    def look_later(self, probe: str, look: Callable[[float, list[Sample]], Reading]) -> None:
        """Let the probe that the calling thread runs look once more when all is undone; `probe` as for `probe_name`."""
        self.after_undo[self.probe_name(probe)] = look

    def look_after_undo(self, undone_at: float) -> None:
        """Let the probes that asked for it look at what came after the undo; what they find is their finding's end."""
        stalls = self.shoppers.heartbeat.stalls()
        for probe, look in self.after_undo.items():
            known, samples = self.findings.get(probe), self.shoppers.recorder.samples(undone_at)
            if known is None or known.verdict != "holds":
                continue
            reading = look(undone_at, samples)
            calm = list(_calm(samples, stalls))
            stalled = reading.verdict == "violated" and look(undone_at, calm).verdict != "violated"
            self.numbers[probe] = self.numbers.get(probe, {}) | reading.numbers
            self.findings[probe] = replace(known, verdict=reading.verdict, reason=reading.reason, stalled=stalled)
            if reading.verdict == "violated" and known.in_force and not stalled:
                evidence.record("violation", probe=probe, detail=reading.reason)

    def abort(self, reason: str) -> None:
        """End the fault window as soon as may be, for a reason that is no verdict. The first one stays."""
        with self._lock:
            if self.aborted is None:
                self.aborted = reason
                evidence.record("aborted", reason=reason)
        self.violation.set()

    def probe_name(self, fallback: str) -> str:
        """The name under which the calling thread's probe is known in the experiment."""
        return getattr(self._named, "probe", None) or fallback


_current: Session | None = None


def open_session(session: Session) -> None:
    """Make it this process's session; a process has one at a time."""
    global _current  # noqa: PLW0603  # chaoslib calls plain functions: there is nowhere else to keep it
    _current = session


def close_session() -> None:
    """Forget the session."""
    global _current  # noqa: PLW0603
    _current = None


def current() -> Session:
    """The open session. Raises NotRunningError when the experiment's control did not open one."""
    if _current is None:
        raise NotRunningError(
            "no game day session is running: the control gameday.activities.control is missing from the "
            "experiment's `controls`, or it failed (run with --verbose to see why)"
        )
    return _current


def judge(
    probe: str, measure: Callable[[View], Reading], *, by_fault: Callable[[View], Reading] | None = None
) -> dict[str, Any]:
    """Measure the present phase and keep the finding.

    A violation that vanishes once the samples that overlap a stall are left out was perhaps this machine's doing: it
    is reported as undecided.

    What is not violated over the whole fault window is measured again, with `by_fault`, on each fault's own, lest a
    long fault that does no harm dilute a short one that does; a violation there counts, anything else does not. It is
    for rates over the view's samples: it must ask nobody, remember nothing, and want nothing to show in every part.
    """
    session = current()
    if session.shoppers.problem:
        raise NotRunningError(session.shoppers.problem)
    view = session.view()
    reading, worse = measure(view), None
    if view.final and not view.baseline_phase:
        if reading.verdict == "holds":
            view = _since_proven(view, session)
            reading = measure(view)
        if reading.verdict != "violated" and by_fault is not None:
            worse = _worst_of_own(view, session, by_fault)
    reading, stalled = worse or (reading, _is_stalled(reading, view, measure))
    return session.keep(session.probe_name(probe), reading, view, stalled=stalled)


def _is_stalled(reading: Reading, view: View, measure: Callable[[View], Reading]) -> bool:
    """Whether what this machine was busy with may have made the violation, if it is one."""
    if reading.verdict != "violated" or not view.stalls:
        return False
    return measure(view.without_stalls()).verdict != "violated"


def _worst_of_own(view: View, session: Session, measure: Callable[[View], Reading]) -> tuple[Reading, bool] | None:
    """The worst reading on a fault's own window, and whether it is stalled: a violation, or what may be one."""
    doubtful = None
    since = session.method_started_at or session.opened_at
    for own in own_windows(evidence.events(), since, view.end):
        part = view.between(own.start, own.end)
        found = measure(part)
        if found.verdict != "violated" and not found.spoilt:
            continue
        stalled = _is_stalled(found, part, measure)
        said = f"while {own.fault} was in force, {own.end - own.start:.1f} s: {found.reason}"
        found = replace(found, reason=said, numbers={"fault": own.fault, **found.numbers})
        if found.verdict == "violated" and not stalled:
            return found, False
        doubtful = doubtful or (found, stalled)
    return doubtful


def _since_proven(view: View, session: Session) -> View:
    """The same view from when a fault was proven in force on: what came before must not dilute a pass."""
    proven = fault_window(evidence.events(), session.method_started_at or session.opened_at).proven_from
    return view if proven is None else view.between(proven, view.end)
