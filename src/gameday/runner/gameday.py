"""A whole game day: runs side by side, signals owned, everything undone, the summary written.

The main thread waits for signals and passes progress on; each job is a thread that
takes runs from the plan, so there are never more storefronts than jobs.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
from dataclasses import dataclass, field
from queue import Empty, Queue, SimpleQueue
from typing import TYPE_CHECKING, Any

import gameday
from gameday.runner.outcome import Judged, exit_code
from gameday.runner.single import Result, SingleRun, Stop
from gameday.verdict import worst

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gameday.runner.folder import ReportFolder
    from gameday.runner.plan import Planned
    from gameday.runner.progress import Progress
    from gameday.runner.rendering import Renderer
    from gameday.runner.target import Target

__all__ = ["GameDay", "Outcome", "handle_signals", "new_run_id"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""The last two end an experiment of Chaos Toolkit's; unheard they would end this process with its faults in force."""
_TICK_S = 0.2


@dataclass(frozen=True)
class Outcome:
    """What a game day came to."""

    results: tuple[Result, ...]
    seconds: float
    exit_code: int


@dataclass
class GameDay:
    """One game day on one cluster."""

    plan: list[Planned]
    target: Target
    renderer: Renderer
    report: ReportFolder
    progress: Progress
    stop: Stop
    run_id: str
    seed: int
    jobs: int
    deadline_s: float
    guardian: list[dict[str, Any]]
    """The guardian's objects; empty for a run without one."""
    began: float
    """When the command began, on the monotonic clock: the user's seconds include the cluster's start."""
    _waiting: Queue[tuple[int, Planned]] = field(default_factory=Queue)
    _done: SimpleQueue[Result] = field(default_factory=SimpleQueue)

    def run(self) -> Outcome:
        """Run the whole plan; returns when every fault is undone and every journal written."""
        started_at = time.time()
        self._summarise(started_at, [])
        for number, planned in enumerate(self.plan, 1):
            self._waiting.put((number, planned))
        workers = [threading.Thread(target=self._work, name=f"job-{n}") for n in range(self.jobs)]
        for worker in workers:
            worker.start()
        try:
            results = self._collect(workers)
        except BaseException:
            # Whatever went wrong up here, the runs are told to undo, and are waited for.
            self.stop.ask("the runner itself failed")
            for worker in workers:
                worker.join()
            raise
        self._summarise(started_at, results)
        verdicts = [result.judged.verdict for result in results]
        return Outcome(tuple(results), time.monotonic() - self.began, exit_code(verdicts, self.stop.signal_number))

    def _collect(self, workers: list[threading.Thread]) -> list[Result]:
        """Wait for all results, in the order of the plan; past the deadline ask all to stop."""
        results: list[Result] = []
        while len(results) < len(self.plan):
            if time.monotonic() - self.began > self.deadline_s and not self.stop.asked():
                self.stop.ask(f"the deadline of {self.deadline_s:g} s passed")
                self.progress.note(f"the deadline of {self.deadline_s:g} s passed: undoing")
            with contextlib.suppress(Empty):
                results.append(self._done.get(timeout=_TICK_S))
                self.progress.finished(results[-1])
            self.progress.refresh()
            if self.stop.signal_number is not None:
                self.progress.note_once(f"{self.stop.reason}: undoing, please wait (at most 7 s)")
        for worker in workers:
            worker.join()
        order = {planned: index for index, planned in enumerate(self.plan)}
        return sorted(results, key=lambda result: order[result.planned])

    def _work(self) -> None:
        """Take runs until there are none left; whatever happens, each gets a result."""
        while True:
            try:
                number, planned = self._waiting.get_nowait()
            except Empty:
                return
            began = time.monotonic()
            folder = self.report.path / planned.run_name
            try:
                result = self._single(number, planned, folder).execute()
            except BaseException as problem:  # noqa: BLE001  # a run without a result would be waited for without end
                self.progress.trace(problem)
                said = " ".join(str(problem).split())[:300]
                judged = Judged("error", f"{type(problem).__name__}: {said}")
                result = Result(planned, judged, time.monotonic() - began, folder)
            self._done.put(result)

    def _single(self, number: int, planned: Planned, folder: Path) -> SingleRun:
        folder.mkdir(parents=True, exist_ok=True)
        return SingleRun(
            planned=planned,
            target=self.target,
            kube=self.target.connect(),
            renderer=self.renderer,
            folder=folder,
            namespace=self.target.namespace or namespace_name(self.run_id, number, planned.name),
            run_id=self.run_id,
            seed=self.seed,
            stop=self.stop,
            tell=lambda event, text: self.progress.tell(planned, event, text),
            # The last storefronts of a private cluster go down with it, in one stroke.
            guardian=self.guardian,
            clean_up=self.target.lasting or not self._waiting.empty(),
        )

    def _summarise(self, started_at: float, results: list[Result]) -> None:
        known = {result.planned: result for result in results}
        self.report.write_summary(
            {
                "format": 1,
                "version": gameday.__version__,
                "run_id": self.run_id,
                "seed": self.seed,
                "context": self.target.context,
                "started_at": started_at,
                "seconds": round(time.monotonic() - self.began, 2) if results else None,
                "verdict": worst([result.judged.verdict for result in results]) if results else None,
                "runs": [_entry(planned, known.get(planned)) for planned in self.plan],
            }
        )


def namespace_name(run_id: str, number: int, name: str) -> str:
    """A namespace's name that no other run has; short, for socket paths are."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:20].strip("-")
    return f"gd-{run_id}-{number}-{plain}" if plain else f"gd-{run_id}-{number}"


def new_run_id() -> str:
    """Six hex digits; enough to tell game days on one cluster apart."""
    return os.urandom(3).hex()


@contextlib.contextmanager
def handle_signals(stop: Stop) -> Iterator[None]:
    """Turn every signal that asks for an end into one request to stop; further ones change nothing, to the very end.

    Once one was heard they stay ignored: what is left is to end with its exit code.
    """

    def ask(number: int, _frame: Any) -> None:
        stop.ask(f"interrupted by {signal.Signals(number).name}", number)

    old = {number: signal.signal(number, ask) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, signal.SIG_IGN if stop.signal_number else handler)


def _entry(planned: Planned, result: Result | None) -> dict[str, Any]:
    return {
        "name": planned.run_name,
        "experiment": planned.name,
        "title": planned.title,
        "weakness": planned.weakness,
        "verdict": result.judged.verdict if result else None,
        "reason": result.judged.reason if result else None,
        "mend": list(result.judged.mend) if result else [],
        "seconds": round(result.seconds, 2) if result else None,
    }
