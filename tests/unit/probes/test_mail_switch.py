"""What the probe on the kill switch makes of mails and of stalls."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from gameday.activities.mailbox import Mail
from gameday.activities.probes.mail_campaigns import measure_switch
from gameday.activities.session import Session, View
from gameday.load.samples import Recorder
from gameday.load.stalls import Stall

THROWN_AT = 100.0


def _measure(mails: list[float], stalls: list[Stall], *, bought: int = 5, thrown_at: float | None = THROWN_AT) -> Any:
    recorder = Recorder()
    for number in range(bought):
        recorder.confirm("order", str(number), "")
    session = cast("Session", SimpleNamespace(shoppers=SimpleNamespace(recorder=recorder)))
    view = View(False, THROWN_AT, float("inf"), (), (), tuple(stalls), True, session)
    received = [Mail(str(at), ("a@b.test",), "Hello", at, "newsletter", "e", "", "") for at in mails]
    return measure_switch(view, received, thrown_at=thrown_at, within_s=2, at_least=5).verdict


def test_a_mail_may_come_until_the_switch_must_have_worked() -> None:
    """Within two seconds it was on its way; after that it is one too many."""
    assert _measure([99, 101.9], []) == "holds"
    assert _measure([99, 102.1], []) == "violated"


def test_time_in_which_this_machine_stood_still_does_not_count() -> None:
    """The mailer stood still as well; but a stall excuses no mail that comes long after it."""
    assert _measure([102.5], [Stall(101, 102)]) == "holds"
    assert _measure([103.5], [Stall(101, 102)]) == "violated"
    assert _measure([103.5], [Stall(50, 60), Stall(110, 120)]) == "violated"


def test_silence_that_nobody_has_broken_proves_nothing() -> None:
    """With nothing bought no mail was called for, and a switch that was not thrown stopped none."""
    assert _measure([], [], bought=4) == "undecided"
    assert _measure([], [], thrown_at=None) == "undecided"
