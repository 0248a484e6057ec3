"""The process that runs one experiment: `python -m gameday.runner.experiment FILE --journal PATH`.

Chaos Toolkit wants the main thread for its signals and keeps its controls in a
module global, so each experiment has a process of its own. No user settings are
read. The journal is written after every activity, so that a kill loses nothing.

With --wait the process loads everything, and begins when its stdin says `go`.
That pipe is also its lifeline: when it closes, the parent is gone. On a cluster
that lives on (--lasting) this process then plays the rollbacks before it ends, so
that no fault is left behind; a private cluster dies with the parent, faults and all.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import yaml
from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid, run_experiment
from chaoslib.run import RunEventHandler
from chaoslib.types import Strategy

__all__ = ["main"]

ORPHAN_GRACE_S = 60.0
_PRELOAD = ("gameday.activities.control", "chaosk8s.pod.actions")


class JournalKeeper(RunEventHandler):  # type: ignore[misc]  # chaoslib is untyped
    """Writes the journal whenever something was completed, never half a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._journal: dict[str, Any] | None = None

    def started(self, experiment: dict[str, Any], journal: dict[str, Any]) -> None:  # noqa: ARG002
        """Remember the journal, which chaoslib fills as it goes."""
        self._journal = journal
        self.write()

    def hypothesis_before_completed(self, experiment: Any, state: Any, journal: Any) -> None:  # noqa: ARG002
        """The baseline is known."""
        self.write()

    def activity_completed(self, activity: Any, run: Any) -> None:  # noqa: ARG002
        """One more activity is over; chaoslib adds a method's runs only at its end."""
        self.write()

    def rollbacks_completed(self, experiment: Any, journal: Any) -> None:  # noqa: ARG002
        """The undo was played."""
        self.write()

    def write(self, journal: dict[str, Any] | None = None) -> None:
        """Replace the file by what is known now."""
        if journal is not None:
            self._journal = journal
        # A copy by way of repr-safe JSON: another thread may add to it, which dumps does not survive.
        for _ in range(3):
            try:
                text = json.dumps(self._journal, indent=2, ensure_ascii=False, default=str)
                break
            except RuntimeError:
                continue
        else:
            return
        part = self._path.with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        part.replace(self._path)


def main(arguments: list[str] | None = None) -> int:
    """Run the experiment; 0 only when it passed, 1 when it did not, 2 when the file is not valid."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--wait", action="store_true", help="begin when stdin says go; die when it closes")
    parser.add_argument("--lasting", action="store_true", help="the cluster outlives the parent: undo before dying")
    options = parser.parse_args(arguments)
    # Messages name modules and functions; the handlers of chaostoolkit's own command are not installed.
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        experiment = yaml.safe_load(options.file.read_text(encoding="utf-8"))
        ensure_experiment_is_valid(experiment)
    except (OSError, ValueError, yaml.YAMLError, ChaosException) as problem:
        logging.getLogger("gameday").error("%s: %s", options.file, problem)  # noqa: TRY400  # the words suffice
        return 2
    if options.wait and not _await_go(lasting=options.lasting):
        return 1
    return _run(experiment, JournalKeeper(options.journal))


def _run(experiment: dict[str, Any], keeper: JournalKeeper) -> int:
    strategies = experiment.get("runtime") or {}
    settings = {
        "runtime": {
            "rollbacks": {"strategy": strategies.get("rollbacks", {}).get("strategy", "always")},
            "hypothesis": {"strategy": strategies.get("hypothesis", {}).get("strategy", "default")},
        }
    }
    # The settings do not do: chaoslib goes by this argument, which its own command makes of them.
    strategy = Strategy.from_string(settings["runtime"]["hypothesis"]["strategy"])
    journal = run_experiment(experiment, settings=settings, strategy=strategy, event_handlers=[keeper])
    keeper.write(journal)
    verdict = (journal.get("gameday") or {}).get("verdict")
    good = journal.get("status") == "completed" and not journal.get("deviated") and verdict == "passed"
    return 0 if good else 1


def _await_go(*, lasting: bool) -> bool:
    """Load what the run will need, wait for the word, and then watch the lifeline."""
    for name in _PRELOAD:
        importlib.import_module(name)
    if os.read(0, 3) != b"go\n":
        return False
    threading.Thread(target=_watch_lifeline, args=(lasting,), name="lifeline", daemon=True).start()
    return True


def _watch_lifeline(lasting: bool) -> None:  # noqa: FBT001  # a thread's argument
    """When the parent is gone: interrupt, so that the rollbacks are played, then end the whole process group.

    Chaos Toolkit turns SIGTERM into an exception in the main thread; strategy `always` does the rest.
    """
    while os.read(0, 64):
        pass
    if lasting:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(ORPHAN_GRACE_S)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
