"""A hypothesis is held against each fault's own window too: a long fault dilutes no short one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from gameday import evidence, reach
from gameday.activities import session as sessions
from gameday.activities.probes.members import signups_go_on
from gameday.activities.probes.orders import orders_go_on
from gameday.activities.probes.pages import (
    home_falls_back,
    load_is_shed_politely,
    page_error_rate_below,
    page_latency_share_within,
)
from gameday.activities.proof import OwnWindow, own_windows
from gameday.load.samples import Recorder, Sample
from gameday.load.stalls import Stall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gameday.kube import Kube
    from gameday.load.shoppers import Shoppers

LONG, SHORT = "delay-a", "scale-to-zero-b"
ENDS = 70.0
Event = dict[str, Any]


def told(*facts: tuple[float, str, str]) -> list[Event]:
    """Events: when, what, of which fault."""
    return [{"at": at, "event": f"fault-{name}", "fault": fault} for at, name, fault in facts]


def life(fault: str, start: float, end: float | None = None, by: str = "undone") -> list[Event]:
    """A fault that was proven at once, and maybe was undone in the method."""
    ended = told((end, by, fault)) if end is not None else []
    return told((start, "planned", fault), (start, "in-force", fault)) + ended


def test_each_fault_has_a_window_of_its_own() -> None:
    """From its proof to its undo, or to the end; one that is in force all the time needs no second look."""
    events = life(LONG, 10) + life(SHORT, 30, 35)
    assert own_windows(events, 0, ENDS) == [OwnWindow(SHORT, 30, 35)]
    assert own_windows(life(LONG, 10, 40) + life(SHORT, 30), 0, ENDS) == [
        OwnWindow(LONG, 10, 40),
        OwnWindow(SHORT, 30, ENDS),
    ]
    assert own_windows(life(LONG, 10) + life(SHORT, 30, 35, by="reverted"), 0, ENDS) == [OwnWindow(SHORT, 30, 35)]


def test_a_fault_that_is_over_by_itself_has_a_window_that_ends_then() -> None:
    """A crowd that went home, pods of which the last was hit: what comes after must not dilute it."""
    over = life(SHORT, 10, 20, by="over") + told((69, "undone", SHORT))
    assert own_windows(over, 0, ENDS) == [OwnWindow(SHORT, 10, 69), OwnWindow(SHORT, 10, 20)]
    assert own_windows(life(SHORT, 10, 20, by="over"), 0, ENDS) == [OwnWindow(SHORT, 10, 20)]


def test_a_pod_that_was_hit_once_has_a_window_until_the_end() -> None:
    """It is over at once, and what it did comes after."""
    events = life(LONG, 10) + life(SHORT, 30, 30.1, by="over")
    assert own_windows(events, 0, ENDS) == [OwnWindow(SHORT, 30, ENDS)]


def test_what_a_crowd_broke_is_violated_however_long_it_is_gone(rig: Any) -> None:
    """Ten seconds of which a third failed, then fifty without the crowd."""
    bad = [s for n in range(10) for s in (*visits(10 + n, 10.7 + n), *visits(10.7 + n, 11 + n, error="status 503"))]
    rig(life(SHORT, 10, 20, by="over"), visits(0, 5) + bad + visits(20, ENDS))
    assert page_error_rate_below(0.1)["verdict"] == "violated"


def test_one_fault_that_stands_until_the_end_has_no_other_window() -> None:
    """Its own is the one that is measured anyway; undone in the method, it is not."""
    assert own_windows(life(LONG, 10), 0, ENDS) == []
    assert own_windows(life(LONG, 10, ENDS + 1), 0, ENDS) == []
    assert own_windows(life(LONG, 10, 15), 0, ENDS) == [OwnWindow(LONG, 10, 15)]


def test_what_is_no_fault_of_the_method_has_no_window() -> None:
    """Nor has what is not proven, or was there for less than a second."""
    setup = life("setup", 1, 20)
    unproven = told((30, "planned", SHORT))
    moment = life("kill", ENDS - 0.9)
    assert own_windows(setup + life(LONG, 10) + unproven + moment, 5, ENDS) == []


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., sessions.Session]]:
    """Opens a session at the end of its fault window, of samples, events and stalls that are given."""
    monkeypatch.setattr(reach, "service_url", lambda *_: "http://127.0.0.1:1")
    monkeypatch.setattr(sessions, "origin_of", lambda *_: "postbox")

    def opened(events: list[Event], samples: list[Sample], *stalls: Stall, phase: Any = "hypothesis") -> Any:
        recorder = Recorder()
        for sample in samples:
            recorder.finish(recorder.begin(sample.scheduled_at), [sample])
        crowd = SimpleNamespace(
            problem=None,
            recorder=recorder,
            heartbeat=SimpleNamespace(stalls=lambda: list(stalls), crowded=lambda *_: 0.0),
            known_until=lambda: ENDS,
        )
        session = sessions.Session("shop", cast("Kube", None), cast("Shoppers", crowd))
        session.baseline_window, session.method_started_at, session.window_end = (0.0, 5.0), 5.0, ENDS
        session.phase = phase
        sessions.open_session(session)
        monkeypatch.setattr(evidence, "events", lambda: events)
        return session

    yield opened
    sessions.close_session()
    evidence.forget()


def visits(start: float, end: float, *, per_s: float = 10, behaviour: str = "product", **more: Any) -> list[Sample]:
    """Visits at a steady rate; with an error they failed."""
    path, error = {"buy": "/checkout", "join": "/membership"}.get(behaviour, "/"), more.pop("error", None)
    status = more.pop("status", 503 if error else 200)
    latency_ms, late_s = more.pop("latency_ms", 50.0), more.pop("late_s", 0.0)
    times = [start + n / per_s for n in range(int((end - start) * per_s))]
    return [
        Sample(at, at + late_s, at + latency_ms / 1e3, behaviour, "GET", path, status, latency_ms, error, **more)
        for at in times
    ]


def under_b(**bad: Any) -> list[Sample]:
    """Sixty seconds of which only those under the short fault are bad."""
    like: dict[str, Any] = {"behaviour": bad.get("behaviour", "product")}
    return visits(0, 5, **like) + visits(10, 30, **like) + visits(30, 35, **bad) + visits(35, ENDS, **like)


BOTH = life(LONG, 10) + life(SHORT, 30, 35)


@pytest.mark.parametrize(
    ("probe", "bad"),
    [
        (lambda: page_error_rate_below(0.15), {"error": "status 503"}),
        (lambda: page_latency_share_within(1000, 0.85), {"latency_ms": 2000.0}),
        (lambda: orders_go_on(0.8), {"behaviour": "buy", "error": "status 503"}),
        (lambda: signups_go_on(0.8), {"behaviour": "join", "error": "status 503"}),
    ],
    ids=["errors", "latency", "orders", "sign-ups"],
)
def test_what_a_short_fault_breaks_is_violated(rig: Any, probe: Callable[[], dict[str, Any]], bad: Any) -> None:
    """Over the whole window it would hold; the reason names the fault, and the violation counts."""
    session = rig(BOTH, under_b(**bad))
    said = probe()
    (finding,) = session.findings.values()
    assert (said["verdict"], finding.verdict, finding.in_force, finding.stalled) == (
        "violated",
        "violated",
        True,
        False,
    )
    assert finding.reason.startswith(f"while {SHORT} was in force, 5.0 s: 50 of 50 ")
    assert said["numbers"]["fault"] == SHORT


def test_over_the_long_faults_window_alone_it_holds(rig: Any) -> None:
    """So the test before finds what only the short one's own window shows."""
    session = rig(life(LONG, 10), under_b(error="status 503"))
    assert page_error_rate_below(0.15)["verdict"] == "holds"
    assert not session.violation.is_set()


def test_what_the_whole_window_cannot_tell_one_fault_may(rig: Any) -> None:
    """Else more failures would make less of a failure: between what holds and what is violated much is undecided."""
    rig(life(LONG, 10), under_b(error="status 503"))
    assert page_error_rate_below(0.1)["verdict"] == "undecided"
    rig(BOTH, under_b(error="status 503"))
    assert page_error_rate_below(0.1)["verdict"] == "violated"


def test_a_fault_begun_later_and_never_undone_is_watched_until_the_end(rig: Any) -> None:
    """Its window is what is left of the whole one."""
    samples = visits(10, 60) + visits(60, ENDS, error="status 503", per_s=5)
    rig(life(LONG, 10) + life(SHORT, 60), samples)
    assert "50 of 50 page views failed" in page_error_rate_below(0.15)["reason"]


def test_one_fault_undone_in_the_method_is_not_diluted_by_what_follows(rig: Any) -> None:
    """Nor by the calm after its end."""
    rig(life(SHORT, 30, 35), under_b(error="status 503"))
    assert page_error_rate_below(0.2)["verdict"] == "violated"


def test_too_few_samples_under_one_fault_leave_the_whole_window_its_word(rig: Any) -> None:
    """A killed pod takes a moment: nothing can be told of it alone, and nothing need be."""
    rig(life(LONG, 10) + life("terminate-pods-c", ENDS - 1.5), visits(0, 5) + visits(10, ENDS))
    assert page_error_rate_below(0.05)["verdict"] == "holds"


def test_a_few_failures_under_one_fault_are_no_violation(rig: Any) -> None:
    """It takes the confidence bound, as anywhere else: 8 of 50 may be of a rate below 15 %."""
    samples = [s for s in under_b() if not 30 <= s.scheduled_at < 30.8] + visits(30, 30.8, error="status 503")
    rig(BOTH, samples)
    assert page_error_rate_below(0.15)["verdict"] == "holds"


def test_a_violation_that_a_stall_may_have_made_is_undecided(rig: Any) -> None:
    """As over the whole window."""
    session = rig(BOTH, under_b(error="timeout"), Stall(29.5, 35.5))
    said = page_error_rate_below(0.15)
    (finding,) = session.findings.values()
    assert (said["verdict"], finding.verdict, finding.stalled) == ("undecided", "violated", True)
    assert SHORT in said["reason"]
    assert not session.violation.is_set()


def test_a_clear_violation_under_another_fault_outweighs_a_stalled_one(rig: Any) -> None:
    """Each fault is asked, whatever was found under the first."""
    events = BOTH + life("abort-c", 50, 55)
    samples = [s for s in under_b(error="x") if not 50 <= s.scheduled_at < 55] + visits(50, 55, error="y")
    session = rig(events, samples, Stall(29.5, 35.5))
    said = page_error_rate_below(0.25)
    assert said["verdict"] == "violated"
    assert said["reason"].startswith("while abort-c was in force")
    assert session.violation.is_set()


def test_what_an_overloaded_machine_may_have_slowed_down_is_undecided(rig: Any) -> None:
    """Requests that were sent late are no proof against the shop, nor is the rest of the window one for it."""
    rig(BOTH, under_b(latency_ms=2000.0, late_s=0.3))
    said = page_latency_share_within(1000, 0.85)
    assert said["verdict"] == "undecided"
    assert said["reason"].startswith(f"while {SHORT} was in force")
    assert "overloaded" in said["reason"]


def test_what_a_crowded_machine_may_have_slowed_down_is_undecided(rig: Any) -> None:
    """It did not stall, but somebody always waited for a processor; what fails, fails all the same."""
    for crowded, verdict in ((0.5, "violated"), (0.7, "undecided")):
        session = rig(life(LONG, 10), visits(0, 5) + visits(10, ENDS, latency_ms=2000.0))
        session.shoppers.heartbeat.crowded = lambda *_, share=crowded: share
        assert page_latency_share_within(1000, 0.95)["verdict"] == verdict
    session = rig(life(LONG, 10), visits(0, 5) + visits(10, ENDS, error="status 503"))
    session.shoppers.heartbeat.crowded = lambda *_: 0.9
    assert page_error_rate_below(0.15)["verdict"] == "violated"


def test_not_every_fault_need_make_the_home_page_fall_back(rig: Any) -> None:
    """Under the second one it comes as ever; what may not be is that it fails."""
    home: dict[str, Any] = {"behaviour": "home"}
    fallback: dict[str, Any] = {**home, "fallback": True, "fallback_of": "catalog"}
    events = life(LONG, 10, 30) + life(SHORT, 35, 40)
    before = visits(0, 5, **home)
    rig(events, before + visits(10, 30, **fallback) + visits(30, ENDS, **home))
    assert home_falls_back(by="catalog")["verdict"] == "holds"
    fine = before + visits(10, 35, **fallback) + visits(40, ENDS, **fallback)
    rig(events, fine + visits(35, 40, **home, error="status 503"))
    assert home_falls_back(by="catalog")["reason"].endswith("50 of 50 home pages failed")
    rig(events, fine + visits(35, 40, **home, fallback=True, fallback_of="edge"))
    assert home_falls_back(by="catalog")["verdict"] == "violated"


def test_what_must_show_once_is_not_asked_of_each_fault(rig: Any) -> None:
    """A crowd is turned away while it comes, not under each fault beside it."""
    rig(BOTH, visits(10, 20, error="status 503") + visits(20, ENDS))
    assert load_is_shed_politely(at_least=50)["verdict"] == "holds"


def test_an_open_window_and_the_baseline_have_no_parts(rig: Any) -> None:
    """What is under way is not judged by its parts: the last look sees them all."""
    session = rig(BOTH, under_b(error="status 503"), phase="method")
    assert page_error_rate_below(0.15)["verdict"] == "holds"
    assert not session.findings
    rig(BOTH, under_b(error="status 503"), phase="baseline")
    assert page_error_rate_below(0.15)["verdict"] == "holds"


def test_a_baseline_is_made_of_what_overlaps_no_stall(rig: Any) -> None:
    """It is a gate and a yardstick: what this machine did to it says nothing of the shop."""
    bad = visits(2, 3, error="timeout")
    rig([], visits(0, 2) + bad + visits(3, 5), phase="baseline")
    assert page_error_rate_below(0.1)["verdict"] != "holds"
    rig([], visits(0, 2) + bad + visits(3, 5), Stall(1.5, 3), phase="baseline")
    assert page_error_rate_below(0.1)["verdict"] == "holds"
    session = rig(BOTH, visits(0, 2) + bad + visits(3, 5) + visits(10, ENDS), Stall(1.5, 3))
    assert not any(sample.failed for sample in session.view().baseline)
