"""The Chaos Toolkit control that makes an experiment's verdict one to trust.

In each experiment file:

    controls:
      - name: gameday
        provider:
          type: python
          module: gameday.activities.control
          arguments:
            namespace: ${namespace}
            shoppers: {rate_per_s: 15, mix: {home: 5, product: 5, buy: 3, cart: 2}}
            baseline_s: 4
            faultproxies: [catalog]
            recovery_s: 15
            guard: {max_pods: 20, max_share: 0.5}

It guards, puts fault proxies in place, lets shoppers in, measures the baseline, watches
the fault window, proves the faults, undoes what is left, and writes the verdict into
`journal["gameday"]`; every verdict but passed makes `chaos run` exit with 1.

chaoslib (1.44 and 1.45 alike) swallows whatever a hook raises, InterruptExecution aside,
and reads the journal's status after `after_experiment_control` and after the event
handlers' `finish`. So nothing rests on one hook: without an open session every probe of
ours refuses, and a journal that ends without our verdict is marked as an error.
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import InterruptExecution, InvalidActivity
from chaoslib.run import RunEventHandler

from gameday import evidence
from gameday.activities.caps import Caps
from gameday.activities.closing import close, mark
from gameday.activities.conductor import Conductor
from gameday.activities.guard import allow_drain, set_caps
from gameday.activities.session import close_session
from gameday.activities.settings import SettingsError, read_settings
from gameday.allowlist import Allowance, refusals
from gameday.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = [
    "after_activity_control",
    "after_experiment_control",
    "after_hypothesis_control",
    "after_method_control",
    "before_activity_control",
    "before_experiment_control",
    "before_hypothesis_control",
    "before_method_control",
    "before_rollback_control",
    "cleanup_control",
    "configure_control",
    "validate_control",
]

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
_run: Conductor | None = None


class LastWord(RunEventHandler):  # type: ignore[misc]  # chaoslib has no types
    """Marks a journal that comes to its end without our verdict: then our own part failed."""

    def finish(self, journal: dict[str, Any]) -> None:
        """Called by chaoslib at the very end, whatever happened."""
        if "gameday" not in journal:
            mark(journal, Verdict("error", "the gameday control did not come to a verdict: see the log"))


def validate_control(control: dict[str, Any]) -> None:
    """Refuse an experiment whose control has arguments that cannot be used, or that calls what is not allowed.

    Raises InvalidActivity: Chaos Toolkit then asks no probe of the `configuration`, which it would before any hook.
    """
    arguments = dict((control.get("provider") or {}).get("arguments") or {})
    if "$" in str(arguments.get("namespace", "")):
        arguments["namespace"] = "filled-in-later"
    try:
        read_settings(arguments)
    except SettingsError as problem:
        raise InvalidActivity(str(problem)) from problem
    refused = refusals(_experiment_under_validation(), Allowance.of_environment())
    if refused:
        raise InvalidActivity("; ".join(one.reason for one in refused))


def _experiment_under_validation() -> dict[str, Any]:
    """The experiment whose control is being validated: chaoslib, which gives the control alone, has it at hand.

    Empty when nobody is found to have it; then `before_experiment_control` is the first that can refuse.
    """
    frame: FrameType | None = sys._getframe()  # noqa: SLF001  # the one way to see it in time
    while frame is not None:
        if frame.f_globals.get("__name__") == "chaoslib.control" and frame.f_code.co_name == "validate_controls":
            found = frame.f_locals.get("experiment")
            return found if isinstance(found, dict) else {}
        frame = frame.f_back
    return {}


def configure_control(event_registry: Any = None, **_arguments: Any) -> None:
    """Called first of all: have the last word on the journal, and start from a clean slate."""
    global _run  # noqa: PLW0603  # chaoslib calls plain functions of this module
    _run = None
    close_session()
    set_caps(Caps())
    allow_drain(allowed=False)
    if event_registry is not None:
        event_registry.register(LastWord())


def before_experiment_control(
    context: Any, experiment: dict[str, Any], configuration: dict[str, Any] | None = None, **arguments: Any
) -> None:
    """Guard, set up, let shoppers in. Raises InterruptExecution when that fails: no fault is ever set then."""
    global _run  # noqa: PLW0603
    del context
    _run = Conductor(experiment, configuration)
    _run.set_up(arguments)


def before_hypothesis_control(context: Any, **_arguments: Any) -> None:
    """Measure the baseline, or close the fault window."""
    del context
    if _run is not None:
        _guarded(_run.before_hypothesis)


def after_hypothesis_control(context: Any, **_arguments: Any) -> None:
    """Complete the closing hypothesis."""
    del context
    if _run is not None:
        _guarded(_run.after_hypothesis)


def before_method_control(context: Any, **_arguments: Any) -> None:
    """Open the fault window."""
    del context
    if _run is not None:
        _guarded(_run.before_method)


def after_method_control(context: Any, **_arguments: Any) -> None:
    """Stop watching the window."""
    del context
    if _run is not None:
        _guarded(_run.after_method)


def before_rollback_control(context: Any, **_arguments: Any) -> None:
    """Note the phase. Raises InterruptExecution when the experiment was not let in.

    Its rollbacks are no better than it is then, and what they would undo is another run's.
    """
    del context
    if _run is not None and not _run.allowed:
        raise InterruptExecution(_run.invalid or _run.error or "it was not let in")
    if _run is not None and _run.session is not None:
        _run.session.enter("rollback")


def before_activity_control(context: Any, **_arguments: Any) -> None:
    """Let our probes know under which name the experiment calls them."""
    if _run is not None and _run.session is not None and context.get("type") == "probe":
        _run.session.name_probe(str(context.get("name")))


def after_activity_control(context: Any, state: Any = None, **_arguments: Any) -> None:
    """End the experiment on a signal, or when a fault could not be set."""
    if _run is not None:
        if _run.session is not None:
            _run.session.name_probe(None)
        _run.after_activity(context, state)


def after_experiment_control(context: Any, state: Any = None, **_arguments: Any) -> None:
    """Undo, recover, judge. Signals are heard but do not stop it: what was set must be undone."""
    del context
    if _run is None or not isinstance(state, dict):
        return
    with _signals_noted():
        try:
            close(_run, state)
        except Exception as problem:  # noqa: BLE001  # chaoslib would swallow it and exit with 0
            reason = f"while closing: {type(problem).__name__}: {' '.join(str(problem).split())}"
            evidence.record("note", text=reason)
            mark(state, Verdict("error", reason))


def cleanup_control() -> None:
    """Send everybody home, if that has not been done."""
    if _run is not None:
        _run.after_method()
        if _run.session is not None:
            _run.session.shoppers.stop()
        _run.heartbeat.stop()
    close_session()


def _guarded(step: Any) -> None:
    """Take a step; what it raises ends the experiment instead of being swallowed."""
    try:
        step()
    except InterruptExecution:
        raise
    except Exception as problem:
        reason = f"{step.__name__}: {type(problem).__name__}: {' '.join(str(problem).split())}"
        if _run is not None:
            _run.error = reason
        evidence.record("note", text=reason)
        raise InterruptExecution(reason) from problem


@contextmanager
def _signals_noted() -> Iterator[None]:
    """While inside, signals that ask for an end are written down as evidence and otherwise ignored.

    SIGUSR1 and SIGUSR2 are Chaos Toolkit's own: to it they mean SystemExit, without rollbacks for the latter.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, _frame: Any) -> None:
        evidence.record("note", text=f"{signal.Signals(number).name} while closing: finishing the undo first")

    before = {number: signal.signal(number, note) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
