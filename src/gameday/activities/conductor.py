"""Conducts one experiment through its phases, on behalf of the control's hooks.

Setup, baseline, method, hypothesis: each hook of the control calls one method here.
What follows the method's end is in `closing`.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import InterruptExecution

from gameday import evidence, reach
from gameday.activities import session as sessions
from gameday.activities.draining import company_refused
from gameday.activities.guard import NotAllowedError, allow_drain, check_context, check_namespace, check_shop, set_caps
from gameday.activities.policies import PolicyWatch
from gameday.activities.radius import BlastRadius
from gameday.activities.residue import Residue
from gameday.activities.sampling import too_short
from gameday.activities.settings import Settings, SettingsError, read_settings
from gameday.activities.standing import record_reverted
from gameday.activities.watcher import HypothesisProbe, Watcher, hypothesis_probes
from gameday.allowlist import Allowance, foreign_actions, refusals
from gameday.kube import Kube, connect_from_environment, one_line
from gameday.ledger.calls import said
from gameday.ledger.lease import HOLDER_VARIABLE, HeldError, Lease, holder_of_this_run, new_holder
from gameday.load.calm import CalmTime
from gameday.load.samples import Recorder
from gameday.load.shoppers import Shoppers
from gameday.load.stalls import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gameday.activities.session import Session

__all__ = ["Conductor"]

_PAUSE_S = 0.05
_LOST = "this run was not heard of for a while, and lost its namespace to another"


class Conductor:
    """One experiment's run. `error`, `invalid` and `interrupted` say why it could not go its way."""

    def __init__(self, experiment: Mapping[str, Any], configuration: Mapping[str, Any] | None) -> None:
        """Nothing is started yet."""
        self.probes: list[HypothesisProbe] = hypothesis_probes(experiment, configuration)
        self.policies = PolicyWatch(experiment)
        self.foreign = tuple(foreign_actions(experiment))
        self.refused = (
            *(one.reason for one in refusals(experiment, Allowance.of_environment())),
            *(why for _, why in too_short(experiment)),
            *filter(None, [company_refused(experiment)]),
        )
        self.dry = experiment.get("dry")
        self.residue = Residue(experiment)
        self.settings: Settings | None = None
        self.kube: Kube | None = None
        self.session: Session | None = None
        self.heartbeat = Heartbeat()
        self.watcher: Watcher | None = None
        self.allowed = False
        self.lease: Lease | None = None
        self.lease_is_ours = False
        self.error: str | None = None
        self.invalid: str | None = None
        self.interrupted: str | None = None
        self.hypothesis_closed = False
        self.covered = False

    def set_up(self, arguments: Mapping[str, Any]) -> None:
        """Guard, fault proxies, shoppers. Raises InterruptExecution, which ends the experiment, when any fails."""
        evidence.record("phase", phase="setup")
        try:
            self._check_allowed()
            self.settings = read_settings(arguments)
            set_caps(self.settings.caps)
            allow_drain(allowed=self.settings.allow_drain)
            self.kube = connect_from_environment()
            check_context(self.kube)
            check_namespace(self.kube, self.settings.namespace)
            self._take_lease(self.kube, self.settings.namespace)
            self.allowed = True
            self.policies.begin(self.kube, self.settings.namespace)
            self.residue.begin(self.kube, self.settings.namespace)
            self._let_shoppers_in(self.kube, self.settings)
        except (SettingsError, NotAllowedError, HeldError) as problem:
            self.invalid = one_line(problem)
        except InterruptExecution:
            raise
        except Exception as problem:  # noqa: BLE001  # chaoslib swallows what a control raises: it must not go on
            self.error = f"setup: {type(problem).__name__}: {said(problem)}"
        if self.invalid or self.error:
            evidence.record("note", text=self.invalid or self.error)
            raise InterruptExecution(self.invalid or self.error)

    def _check_allowed(self) -> None:
        """Raise NotAllowedError when the experiment calls what is not allowed; note what is by somebody's word."""
        if self.refused:
            raise NotAllowedError("; ".join(self.refused))
        if self.dry:
            raise NotAllowedError(
                "--dry leaves out what a verdict rests on: run it without; what it would do is shown by "
                "'gameday run --dry-run'"
            )
        if allowance := str(Allowance.of_environment()):
            evidence.record("note", text=f"allowed beyond the list: {allowance}")

    def _take_lease(self, kube: Kube, namespace: str) -> None:
        """Take the namespace, or share it with the runner that has taken it for us."""
        self.lease_is_ours = not holder_of_this_run()
        if self.lease_is_ours:
            os.environ[HOLDER_VARIABLE] = new_holder()
        lease = Lease(kube, namespace, holder_of_this_run())
        lease.take()
        self.lease = lease

    def lose(self) -> None:
        """Note that another has, or had, the namespace: what was seen there since proves nothing."""
        self.interrupted = self.interrupted or _LOST

    def _lost(self) -> str | None:
        return _LOST if self.lease is not None and self.lease.lost.is_set() else None

    def give_back(self) -> None:
        """Give the namespace back; a runner that shares it has more to do there. Raises what the API client raises."""
        if self._lost():
            self.lose()
        if self.lease is not None and self.lease_is_ours:
            del os.environ[HOLDER_VARIABLE]
            self.lease.release()
        elif self.lease is not None:
            self.lease.leave()
        self.lease = None

    def _let_shoppers_in(self, kube: Kube, settings: Settings) -> None:
        from gameday.activities.insertion import insert_fault_proxy  # late: only when there is something to insert

        url = reach.shop_url(kube, settings.namespace)
        if not reach.is_certain():
            check_shop(kube, settings.namespace, url)  # before anything is changed there
        for service in settings.faultproxies:
            insert_fault_proxy(settings.namespace, service)
        evidence.record("note", text=f"the shop is reached by {reach.described(kube, settings.namespace)}")
        shoppers = Shoppers(url, settings.plan, Recorder(evidence.run_dir()), self.heartbeat)
        self.session = sessions.Session(settings.namespace, kube, shoppers)
        self.heartbeat.start()
        reach.on_trouble(lambda start, end, why: self.heartbeat.note(start, end, f"the way to the cluster: {why}"))
        shoppers.start()
        sessions.open_session(self.session)

    def before_hypothesis(self) -> None:
        """Open the baseline and let it run, or close the fault window and prove the faults."""
        if self.session is None or self.settings is None:
            return
        if self.session.phase == "setup":
            self._measure_baseline(self.session, self.settings)
        elif self.session.phase == "method" and not self._under_way():
            self._close_window(self.session)

    def _under_way(self) -> bool:
        """Whether the method is still running: a hypothesis judged then is but a look."""
        return self.watcher is not None

    @staticmethod
    def _measure_baseline(session: Session, settings: Settings) -> None:
        session.enter("baseline")
        began = time.time()
        gone = CalmTime(session.shoppers.heartbeat)
        while not gone.is_over(settings.baseline_s):
            time.sleep(_PAUSE_S)
        ended = time.time()
        session.shoppers.settle(ended)
        session.baseline_window = (began, ended)

    def _close_window(self, session: Session) -> None:
        from gameday.activities.undo import record_touch

        session.window_end = time.time()
        self.covered = session.shoppers.settle(session.window_end)
        record_reverted(session, lambda: record_touch(session.namespace))
        session.enter("hypothesis")

    def after_hypothesis(self) -> None:
        """Ask the probes that Chaos Toolkit left out because one before them was not within tolerance."""
        if self.session is None or self.session.phase != "hypothesis":
            return
        for probe in self.probes:
            if probe.name not in self.session.judged:
                try:
                    probe.ask(self.session)
                except InterruptExecution:
                    raise
                except Exception as problem:  # noqa: BLE001  # as chaoslib does with any probe
                    evidence.record("note", text=f"{probe.name} could not tell: {one_line(problem)}")
        self.hypothesis_closed = all(probe.name in self.session.judged for probe in self.probes)

    def before_method(self) -> None:
        """Open the fault window and watch it."""
        if self.session is None or self.settings is None:
            return
        radius = BlastRadius(self.session.kube, self.session.namespace, self.settings.caps)
        # Before the phase: a hypothesis asked all along takes a method without a watcher for one that is over.
        self.watcher = Watcher(self.session, self.probes, {"the blast radius": radius.passed, "the lease": self._lost})
        self.session.method_started_at = time.time()
        self.session.enter("method")
        self.watcher.start()

    def after_method(self) -> None:
        """Stop watching."""
        if self.watcher is not None:
            self.watcher.stop()
            self.watcher = None

    def after_activity(self, activity: Mapping[str, Any], run: Mapping[str, Any] | None) -> None:
        """End the experiment when a signal was swallowed, an action of the method failed, or the window was aborted.

        chaoslib turns every exception inside an activity into a failed activity and goes on, the
        one that SIGTERM raises included.
        """
        if self.session is not None and self.session.aborted and self.session.phase == "method":
            self.interrupted = self.session.aborted
            raise InterruptExecution(self.interrupted)
        if run is None or run.get("status") != "failed":
            return
        said = "".join(run.get("exception") or []).strip().splitlines()
        reason = said[-1] if said else "no reason given"
        if "InterruptExecution" in reason:
            self.interrupted = "SIGTERM"
            raise InterruptExecution(reason)
        if self.session is not None and self.session.phase == "method" and activity.get("type") == "action":
            self.interrupted = f"{activity.get('name')} failed: {reason}"
            raise InterruptExecution(self.interrupted)
