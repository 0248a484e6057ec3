"""Chaos Toolkit's word and its rollbacks when a run is ended by a signal: under `gameday run`, and under `chaos run`.

By itself it exits with 1 after SIGINT, SIGTERM and SIGUSR1, and plays rollbacks only with the strategy `always`;
a second signal aborts them, and an activity in the background delays them. After SIGKILL the fault stays.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.e2e.rows import TWIN, process, sound, watched
from tests.e2e.runs import await_end, child_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.calm import Clock
    from tests.e2e.rows import Experiment, Shops

pytestmark = [pytest.mark.usefixtures("untouched"), pytest.mark.timeout(300)]

UNDO_S = 7.0
"""Objects are restored within this after a signal to `gameday run`."""
GUARDIAN_S = 15.0
"""And within this by the guardian, when nobody of the run is left."""


def long(*before: dict[str, object]) -> Experiment:
    """The experiment that passes, with a window that no test waits for the end of."""
    experiment = sound()
    experiment["method"] = [*before, experiment["method"][0], watched(60)]
    return experiment


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_undoes_and_is_not_passed(shops: Shops, clock: Clock, tmp_path: Path, number: signal.Signals) -> None:
    """Under `gameday run` all is restored within 7 s; under both the verdict says that it was interrupted."""
    with shops.both(long(), tmp_path) as (game, chaos):
        for run in (game, chaos):
            run.wait_for(event="fault-in-force")
        assert shops.left("shop")
        assert shops.left(TWIN)
        game.process.send_signal(number)
        assert clock.comes(lambda: not shops.left("shop"), UNDO_S)
        chaos.process.send_signal(number)
        ended, plain = game.end(), chaos.end()
    assert ended.outcome == (128 + number, "inconclusive"), ended.said
    assert plain.outcome == (1, "inconclusive"), plain.said
    assert number.name in ended.reason
    assert "interrupted: " in plain.reason


def test_more_signals_do_not_stop_the_undo(shops: Shops, tmp_path: Path) -> None:
    """One in the undo, for which Chaos Toolkit aborts its rollback; one more, which to it means no rollbacks, after."""
    with shops.both(long(), tmp_path, rollbacks="always") as (game, chaos):
        for run in (game, chaos):
            run.wait_for(event="fault-in-force")
        game.process.send_signal(signal.SIGINT)
        game.wait_for_line("interrupted by SIGINT")  # its experiment is soon killed: it may not come to its rollback
        game.process.send_signal(signal.SIGINT)
        chaos.process.send_signal(signal.SIGINT)
        chaos.wait_for(event="phase", phase="rollback")
        chaos.process.send_signal(signal.SIGINT)
        chaos.wait_for(event="phase", phase="recovery")
        chaos.process.send_signal(signal.SIGUSR2)
        ended, plain = game.end(), chaos.end()
    assert ended.outcome == (130, "inconclusive"), ended.said
    assert plain.outcome == (1, "inconclusive"), plain.said


def test_an_action_in_the_background_does_not_delay_the_undo(shops: Shops, clock: Clock, tmp_path: Path) -> None:
    """`gameday run` waits for nobody; `chaos run` does, for its 12 s, and leaves nothing either."""
    sleeps = {**process("sleep", "sleep", "12"), "background": True}
    with shops.both(long(sleeps), tmp_path) as (game, chaos):
        chaos.wait_for(event="fault-in-force")
        game.wait_for(event="fault-in-force")
        game.process.send_signal(signal.SIGTERM)
        assert clock.comes(lambda: not shops.left("shop"), UNDO_S)
        chaos.process.send_signal(signal.SIGTERM)
        ended, plain = game.end(), chaos.end()
    assert ended.outcome == (143, "inconclusive"), ended.said
    assert plain.outcome == (1, "inconclusive"), plain.said


def test_after_sigkill_the_guardian_undoes(shops: Shops, clock: Clock, tmp_path: Path) -> None:
    """No journal, no rollback, no process of ours: 15 s later every object is what it was."""
    with shops.both(long(), tmp_path) as (game, chaos):
        for run in (game, chaos):
            run.wait_for(event="fault-in-force")
        experiment = child_of(game.process.pid)
        game.process.kill()
        os.kill(experiment, signal.SIGKILL)
        chaos.process.kill()
        await_end(experiment, 30)
        assert (game.end().outcome, chaos.end().outcome) == ((-9, None), (-9, None))
    assert shops.left("shop")
    assert shops.left(TWIN)
    assert clock.comes(lambda: not shops.left("shop") and not shops.left(TWIN), GUARDIAN_S)
