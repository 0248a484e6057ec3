"""One run of a game day, from an empty namespace to a verdict.

isolate → storefront → snapshot → experiment → undo what is left → proof → verdict → journal → clean up
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from gameday import evidence, reach
from gameday.activities.books import BooksError
from gameday.kube import ApiException
from gameday.ledger import Ledger, snapshot
from gameday.ledger.calls import said
from gameday.ledger.lease import HOLDER_VARIABLE, HeldError, Lease, new_holder
from gameday.ledger.mending import revert_command
from gameday.runner import deploy, guardians, logs
from gameday.runner.child import Child, Tail
from gameday.runner.errors import GamedayError, InvalidRequest
from gameday.runner.leftovers import delete_command
from gameday.runner.outcome import Ending, Judged, fold
from gameday.runner.proof import PATIENCE_S, UNREACHABLE, Proof, undo_and_prove

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gameday.kube import Kube
    from gameday.runner.plan import Planned
    from gameday.runner.rendering import Renderer
    from gameday.runner.target import Target

__all__ = ["Result", "SingleRun", "Stop"]

_POLL_S = 0.1
_READY_ELSEWHERE_S = 180.0
"""A cluster that is not ours may have to pull images first."""
_WORDS = {
    "phase": "{phase}",
    "fault-in-force": "fault in force: {kind} on {on}",
    "fault-failed": "fault failed: {fault}: {reason}",
    "fault-reverted": "fault reverted: {fault}, by {by}",
    "fault-undone": "undone: {fault}",
    "violation": "violation: {probe}: {detail}",
}


class Stop:
    """Tells every run of a game day to stop, once, and why. The first reason stays."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.reason: str | None = None
        self.signal_number: int | None = None
        self.asked_at: float | None = None

    def ask(self, reason: str, signal_number: int | None = None) -> None:
        """Ask all to stop; safe in a signal handler."""
        if self.reason is None:
            self.reason, self.signal_number, self.asked_at = reason, signal_number, time.time()
        self._event.set()

    def asked(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Sleep, but not past the moment of being asked; True when asked."""
        return self._event.wait(timeout_s)


@dataclass(frozen=True)
class Result:
    """What one run came to."""

    planned: Planned
    judged: Judged
    seconds: float
    folder: Path


@dataclass
class SingleRun:
    """The life of one run; `execute` never raises what concerns this run alone."""

    planned: Planned
    target: Target
    kube: Kube
    renderer: Renderer
    folder: Path
    namespace: str
    run_id: str
    seed: int
    stop: Stop
    tell: Callable[[str, str], None]
    clean_up: bool = True
    guardian: list[dict[str, Any]] = field(default_factory=list)
    """Its objects; empty for a run without one."""
    _began: float = field(default_factory=time.monotonic)
    _facts: dict[str, Any] = field(default_factory=dict)
    _cut_short: bool = False
    _made_namespace: bool = False
    _refused: str | None = None
    _holder: str = field(default_factory=new_holder)
    _lease: Lease | None = None

    def execute(self) -> Result:
        """Run it, judge it, write its journal, and free what it took."""
        owned = self.target.namespace is None
        child: Child | None = None
        before: dict[str, Any] | None = None
        proof, trouble = Proof(), None
        try:
            child = Child.spawn(self.planned.file, self.folder, self._environment(), lasting=self.target.lasting)
            self._provide_storefront(owned=owned)
            self._provide_guardian(owned=owned)
            self._refuse_old_faults()
            before = snapshot(self.kube, self.namespace)
            child.go()
            self._watch(child)
        except deploy.StopAskedError:
            pass
        except InvalidRequest as problem:
            self._refused = str(problem)
        except (GamedayError, *UNREACHABLE) as problem:
            trouble = said(problem)
        finally:
            code = self._end(child)
            if before is not None:
                proof = self._prove(before)
                with contextlib.suppress(*UNREACHABLE, BooksError):
                    logs.save_mails(self.kube, self.namespace, self.folder / "mails.jsonl")
        judged = self._clean_up(self._judge(code, proof, trouble, child))
        if self._lease is not None:
            with contextlib.suppress(*UNREACHABLE):  # it runs out by itself
                self._lease.release()
        try:
            self._write_journal(judged, proof)
        except OSError as problem:
            if judged.verdict != "dirty":  # what was left behind, and how to mend it, must be told all the same
                judged = Judged("error", f"the journal cannot be written: {problem}; free some space and run again")
        return Result(self.planned, judged, time.monotonic() - self._began, self.folder)

    def _provide_storefront(self, *, owned: bool) -> None:
        """Deploy a storefront of our own, or wait for the one that is there."""
        began = time.monotonic()
        if self.stop.asked():
            raise deploy.StopAskedError
        if owned:
            self._make_namespace()
        self._take_lease()  # before a wait for what another run may have broken just now
        if owned:
            deploy.apply(self.kube, self.namespace, self.renderer.render(self.planned.weakness))
        bound_s = 60.0 if self.target.embedded else _READY_ELSEWHERE_S
        deploy.await_ready(self.kube, self.namespace, timeout_s=bound_s, stopped=self.stop.asked)
        self._facts |= {
            "storefront_ready_s": round(time.monotonic() - began, 2),
            "reach": reach.described(self.kube, self.namespace),
            "images": deploy.images(self.kube, self.namespace),
        }
        by = "" if self.target.embedded else f", reached by {self._facts['reach']}"
        self.tell("ready", f"storefront ready in {time.monotonic() - began:.1f} s{by}")

    def _make_namespace(self) -> None:
        """Make it. When one cannot tell whether it was made, it was: its deletion minds nothing that is not there."""
        self._made_namespace = True
        try:
            deploy.create_namespace(self.kube, self.namespace, self.run_id)
        except ApiException as problem:
            self._made_namespace = (problem.status or 0) >= HTTPStatus.INTERNAL_SERVER_ERROR
            raise

    def _take_lease(self) -> None:
        """On a cluster that lives on: one run at a time in a namespace, and somebody sees when it dies."""
        if self.target.lasting:
            self._lease = Lease(self.kube, self.namespace, self._holder)
            try:
                self._lease.take()
            except HeldError as problem:
                self._lease = None
                raise InvalidRequest(str(problem)) from problem

    def _provide_guardian(self, *, owned: bool) -> None:
        """A guardian in a namespace of our own; in somebody else's there must be one, unless told otherwise."""
        if not self.target.lasting or not self.guardian:
            return
        if owned:
            guardians.install(self.kube, self.namespace, self.guardian, timeout_s=_READY_ELSEWHERE_S,
                              stopped=self.stop.asked)  # fmt: skip
        elif not guardians.is_watching(self.kube, self.namespace):
            raise InvalidRequest(
                f"namespace {self.namespace}: no guardian of this version watches it, who would undo the faults should "
                f"this run die; install one: gameday guardian install --context {self.kube.context} --namespace "
                f"{self.namespace}, or say --without-guardian"
            )

    def _refuse_old_faults(self) -> None:
        """A shop with an earlier run's faults in it is no baseline, and its state nothing to restore."""
        entries, broken = Ledger(self.kube, self.namespace).read()
        if entries or broken:
            raise InvalidRequest(
                f"namespace {self.namespace}: {len(entries) + len(broken)} faults of an earlier run are on record, "
                f"expected none; undo them first: {revert_command(self.kube.context, self.namespace)}"
            )

    def _watch(self, child: Child) -> None:
        """Pass the experiment's evidence on as it comes, until it is over or somebody says stop."""
        tail = Tail(self.folder / evidence.FILE_NAME)
        while child.exit_code() is None and not self.stop.wait(_POLL_S):
            self._pass_on(tail)
        self._pass_on(tail)

    def _pass_on(self, tail: Tail) -> None:
        for event in tail.new():
            self.tell(str(event.get("event")), _in_words(event))

    def _end(self, child: Child | None) -> int | None:
        """The exit code of the child, which is stopped if it still runs; None when it was never begun."""
        if child is None:
            return None
        running = child.exit_code() is None
        self._cut_short = running and self.stop.asked()
        child.stop()
        begun = (self.folder / "journal.json").exists() or (self.folder / evidence.FILE_NAME).exists()
        return child.exit_code() if begun or not running else None

    def _prove(self, before: dict[str, Any]) -> Proof:
        self._facts |= {"stopped_at": self.stop.asked_at, "runner_undo_began_at": time.time()}
        patience_s = PATIENCE_S if self.target.lasting and self.target.alive() else 0.0
        holder = self._holder if self._lease is not None else ""
        proof = undo_and_prove(self.kube, self.namespace, before, holder=holder, patience_s=patience_s)
        if proof.unproven and not self.target.lasting and not self.target.alive():
            self._facts["cluster"] = "the private cluster died, and everything in it"
            return Proof()
        for one in proof.undone:
            self.tell("undone", f"runner undid {one.fault}: {one.detail}" if one.ok else f"{one.fault}: {one.detail}")
        return proof

    def _judge(self, code: int | None, proof: Proof, trouble: str | None, child: Child | None) -> Judged:
        journal = self._journal()
        if self._facts.get("cluster"):
            trouble = f"{self._facts['cluster']}; its log: {self.target.log_hint()}"
        return fold(
            Ending(
                exit_code=code,
                said=journal.get("gameday"),
                refused=self._refused,
                status=journal.get("status"),
                deviated=bool(journal.get("deviated")),
                stopped=self.stop.reason if self._cut_short or (code is None and self.stop.asked()) else None,
                trouble=trouble,
                last_line=child.last_line() if child else "",
                events=evidence.read(self.folder / evidence.FILE_NAME),
                undone=proof.undone,
                differences=proof.differences,
                mend=proof.mend,
                unproven=proof.unproven,
            )
        )

    def _clean_up(self, judged: Judged) -> Judged:
        """Save logs, delete the namespace; the verdict, which is dirty when that namespace is left behind."""
        with contextlib.suppress(*UNREACHABLE):  # a full disk is no reason to leave a storefront behind
            if judged.verdict == "passed":
                logs.save_restarted(self.kube, self.namespace, self.folder / "logs")
            elif judged.verdict != "invalid" and not self.stop.asked():
                logs.save_all(self.kube, self.namespace, self.folder / "logs")
        if not self._made_namespace or not self.clean_up:
            return judged
        how = delete_command(self.target, self.namespace, faults=judged.verdict == "dirty")
        if judged.verdict == "dirty":  # kept, for somebody to look at
            return replace(judged, mend=(*judged.mend, f"{how}  # when you have looked at it"))
        try:
            deploy.delete_namespace(self.kube, self.namespace, wait_s=0.0 if self.stop.asked() else 5.0)
        except UNREACHABLE as problem:
            if not self.target.alive():  # it went down with its cluster
                return judged
            return Judged("dirty", f"namespace {self.namespace} could not be deleted: {said(problem)}", (how,))
        return judged

    def _journal(self) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / "journal.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write_journal(self, judged: Judged, proof: Proof) -> None:
        """The experiment's journal, or a bare one when it left none, with our verdict on top."""
        journal = self._journal() or {"experiment": self.planned.experiment, "status": "aborted", "deviated": False}
        said = journal.get("gameday") or {}
        if said.get("verdict") not in (None, judged.verdict):
            said["verdict_of_experiment"] = {"verdict": said["verdict"], "reason": said.get("reason")}
        said = {"violated": [], "baseline_met": False, "phases": [], "faults": [], "stalls": [], **said}
        said |= {"verdict": judged.verdict, "reason": judged.reason, "mend": list(judged.mend)}
        said["run"] = {
            "name": self.planned.run_name,
            "experiment": self.planned.name,
            "weakness": self.planned.weakness,
            "weakness_violates": self.planned.violates,
            "namespace": self.namespace,
            "context": self.kube.context,
            "seed": self.seed,
            "seconds": round(time.monotonic() - self._began, 2),
            "undone_by_runner": [{"fault": one.fault, "ok": one.ok, "detail": one.detail} for one in proof.undone],
            "differences": list(proof.differences),
            **self._facts,
        }
        journal["gameday"] = said
        part = self.folder / "journal.json.part"
        try:
            part.write_text(json.dumps(journal, indent=2, ensure_ascii=False, default=str), encoding="utf-8")
            part.replace(self.folder / "journal.json")
        except OSError:
            part.unlink(missing_ok=True)  # half a journal is none, and the disk may be full
            raise

    def _environment(self) -> dict[str, str]:
        """What the experiment's process is told; no proxy ever catches its calls to the API."""
        host = self.target.host
        bypass = ",".join(filter(None, [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), host, "127.0.0.0/8"]))
        return {
            **os.environ,
            "KUBECONFIG": str(self.target.kubeconfig),
            "KUBERNETES_CONTEXT": self.kube.context,
            "GAMEDAY_NAMESPACE": self.namespace,
            HOLDER_VARIABLE: self._holder,
            "GAMEDAY_RUN_DIR": str(self.folder.resolve()),
            "GAMEDAY_RUN_ID": self.run_id,
            "GAMEDAY_SEED": str(self.seed),
            "NO_PROXY": bypass,
            "no_proxy": bypass,
            "PYTHONUTF8": "1",
        }


def _in_words(event: dict[str, Any]) -> str:
    """One line of progress for a fact; empty for what is not worth a line."""
    about = {"fault": "", "by": "", "reason": "", "kind": "", "phase": "", "probe": "", "detail": "", **event}
    target = event.get("target")
    about["on"] = f"{target.get('kind', '')} {target.get('name', '')}".strip() if isinstance(target, dict) else target
    return _WORDS.get(str(event.get("event")), "").format(**about)
