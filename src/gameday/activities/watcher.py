"""Asking the hypothesis' probes again and again while the fault window is open.

A hypothesis that is looked at once, at the end, misses what went wrong and mended itself.
The bounds that the probes use are valid at every look, so looking often costs no honesty.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chaoslib import substitute

from gameday import evidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gameday.activities.session import Session

__all__ = ["HypothesisProbe", "Watcher", "hypothesis_probes"]

PROBES_PACKAGE = "gameday.activities.probes"
EVERY_S = 0.5

Limit = Callable[[], "str | None"]
"""Says in words that it is passed; None while it is not."""


@dataclass(frozen=True)
class HypothesisProbe:
    """One of our probes as an experiment's hypothesis calls it."""

    name: str
    module: str
    function: str
    arguments: dict[str, Any]

    def ask(self, session: Session) -> dict[str, Any]:
        """Call it under its name; returns what it returns, raises what it raises."""
        session.name_probe(self.name)
        try:
            answer: dict[str, Any] = getattr(importlib.import_module(self.module), self.function)(**self.arguments)
        finally:
            session.name_probe(None)
        return answer


def hypothesis_probes(experiment: Mapping[str, Any], configuration: Mapping[str, Any] | None) -> list[HypothesisProbe]:
    """The hypothesis' probes that are ours, in order, with their arguments filled in."""
    found = []
    for probe in (experiment.get("steady-state-hypothesis") or {}).get("probes") or []:
        provider = probe.get("provider") or {}
        module = str(provider.get("module", ""))
        if provider.get("type") == "python" and (module + ".").startswith(PROBES_PACKAGE + "."):
            arguments = substitute(dict(provider.get("arguments") or {}), configuration, None)
            found.append(HypothesisProbe(str(probe.get("name")), module, str(provider.get("func")), arguments))
    return found


class Watcher:
    """A thread that asks every EVERY_S seconds until stopped. The closing hypothesis has the last word."""

    def __init__(self, session: Session, probes: list[HypothesisProbe], limits: Mapping[str, Limit]) -> None:
        """Not watching yet. `limits`, by name: beyond any of them the window is aborted."""
        self._session, self._probes, self._limits = session, probes, limits
        self._troubles: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="gameday-watcher", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for a look under way. Idempotent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _watch(self) -> None:
        while not self._stop.wait(EVERY_S):
            for name, passed in self._limits.items():
                self._guarded(name, lambda passed=passed: self._check(passed))  # type: ignore[misc]
            for probe in self._probes:
                if self._stop.is_set():
                    return
                self._guarded(probe.name, lambda probe=probe: probe.ask(self._session))  # type: ignore[misc]

    def _check(self, passed: Limit) -> None:
        if why := passed():
            self._session.abort(why)

    def _guarded(self, what: str, look: Callable[[], Any]) -> None:
        """Look; what it raises is noted once: the last look raises it for all to see."""
        try:
            look()
        except Exception as problem:  # noqa: BLE001  # a guarded thread
            trouble = f"while watching, {what} said: {type(problem).__name__}: {problem}"
            if trouble not in self._troubles:
                self._troubles.add(trouble)
                evidence.record("note", text=trouble)
