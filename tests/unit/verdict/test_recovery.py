"""Recovered is a shop in which each kind of visitor of the baseline was served again."""

from __future__ import annotations

from typing import Any

from gameday.activities.recovery import Progress, not_seen_fine
from gameday.load.samples import Sample

UNDONE = 100.0


def sample(at: float, behaviour: str = "home", path: str = "/", error: str | None = None, **more: Any) -> Sample:
    """One request."""
    return Sample(at, at, at + 0.1, behaviour, "GET", path, 503 if error else 200, 100, error, **more)


def buys(at: float, error: str | None = None) -> list[Sample]:
    """A visit to buy: the cart takes the item, whatever becomes of the checkout."""
    return [sample(at, "buy", "/cart/items"), sample(at, "buy", "/checkout", error)]


def homes(start: float, seconds: float, **more: Any) -> list[Sample]:
    """Ten home pages a second."""
    return [sample(start + n / 10, **more) for n in range(int(seconds * 10))]


BASELINE = (*homes(50, 4), *buys(51), sample(52, "join", "/membership"))


def progress(since: list[Sample], *, until: float, unkept: str = "") -> Progress:
    """What is made of the requests since the undo, looked at each half second."""
    found = Progress(BASELINE, UNDONE, 10)
    for half in range(1, int((until - UNDONE) * 2) + 1):
        now = UNDONE + half / 2
        found.look(now, [s for s in since if s.scheduled_at < now], lambda: unkept)
    return found


def test_calm_is_not_enough_while_a_kind_of_visit_was_not_seen_fine() -> None:
    """Two seconds without a buyer or a new member say nothing of them."""
    early = progress(homes(UNDONE, 2), until=UNDONE + 2)
    assert early.calm
    assert early.unseen == {"buy": 0, "join": 0}
    since = [*homes(UNDONE, 6), *buys(104), sample(105, "join", "/membership")]
    later = progress(since, until=UNDONE + 6)
    assert (later.unseen, later.outcome()[0]) == ({}, True)
    assert later.outcome()[1].endswith("has its mail")


def test_a_kind_that_fails_at_each_visit_has_not_recovered() -> None:
    """However calm it was between two of them; who fills a cart has not bought."""
    since = [*homes(UNDONE, 15), *buys(101, "status 500"), *buys(106, "status 500"), *buys(111, "status 500")]
    since.append(sample(104, "join", "/membership"))
    found = progress(since, until=UNDONE + 15)
    assert found.calm
    assert found.outcome() == (False, "not one visit was fine of: buy (3 failed)")


def test_a_kind_that_nobody_came_for_is_left_out_and_named() -> None:
    """Chance alone may keep it away."""
    found = progress([*homes(UNDONE, 15), *buys(103)], until=UNDONE + 15)
    recovered, reason = found.outcome()
    assert recovered
    assert reason.endswith("; nobody came any more for: join")


def test_of_a_kind_that_failed_once_and_came_no_more_nobody_can_tell() -> None:
    """It may have been just before it was well again."""
    since = [*homes(UNDONE, 15), *buys(103), sample(100.2, "join", "/membership", "status 503")]
    assert progress(since, until=UNDONE + 15).outcome()[0] is None


def test_a_late_failure_does_not_undo_the_calm() -> None:
    """Whoever is waited for, what was seen was seen, and the mailbox need not be read again."""
    since = [*homes(UNDONE, 14), *homes(114, 1, error="reset"), *buys(103), sample(110, "join", "/membership")]
    found = progress(since, until=UNDONE + 15)
    found.look(UNDONE + 16, homes(114, 2), lambda: "the mailbox cannot be read")
    assert found.outcome()[0] is True


def test_without_calm_or_mail_there_is_no_recovery() -> None:
    """As before: a failure, a fallback, too few requests, a promise."""
    everybody = [*buys(103), sample(103, "join", "/membership")]
    for bad, why in (
        (homes(UNDONE, 15, error="status 503"), "GET /: status 503"),
        (homes(UNDONE, 15, fallback=True), "GET /: still the fallback page"),
        ([], "no requests"),
    ):
        assert progress([*everybody, *bad], until=UNDONE + 15).outcome() == (False, why)
    unkept = progress([*everybody, *homes(UNDONE, 15)], until=UNDONE + 15, unkept="2 have no mail yet")
    assert unkept.outcome() == (False, "2 have no mail yet")


def test_what_was_not_fine_in_the_baseline_is_not_asked_for() -> None:
    """Nor what was not there."""
    before = [sample(1, "gift", "/registry/r0001/gifts", "status 404"), sample(2, fallback=True)]
    assert not_seen_fine(before, []) == {}
    assert not_seen_fine([sample(1)], [sample(2, fallback=True)]) == {"home": 1}
