"""Signals of a command: the first ends it, and nothing keeps what clears up from doing so."""

from __future__ import annotations

import signal

import pytest

from gameday.runner.interrupts import Interrupted, interruptible, undisturbed


def test_a_second_signal_finds_what_clears_up_under_way_to_its_work() -> None:
    """A logout sends both; the second comes when the first is being told, before anything shields itself."""
    done = []

    def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGHUP)
            with undisturbed():
                signal.raise_signal(signal.SIGINT)
                done.append("cleared up")

    with pytest.raises(Interrupted, match="SIGTERM"), interruptible():
        work()
    assert done == ["cleared up"]


def test_what_was_ignored_stays_so() -> None:
    """By nohup, say."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
