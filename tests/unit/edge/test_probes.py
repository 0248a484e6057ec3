"""Every promise of the error page: held by a real Envoy with all safeguards, broken by the one weakness made for it.

Real shoppers, the real probes' measures; what is left out is the cluster.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest

from gameday.activities.probes import error_pages, pages
from gameday.activities.session import Reading, Session, View
from gameday.load.client import Client, Visit
from gameday.load.samples import Recorder
from gameday.load.schedule import LANGUAGES
from tests.unit.edge.test_error_page import DEAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.load.samples import Sample
    from tests.unit.edge.conftest import Edge, Upstream

PAGES, OTHERS = 60, 12
ASPECTS = {
    "error_status_is_honest": "status",
    "error_page_apologises": "words",
    "error_page_leaks_nothing": "leak",
    "error_page_is_self_contained": "fetch",
    "error_page_is_not_stored": "storing",
    "error_page_sets_no_cookie": "cookie",
    "error_page_is_small": "size",
    "error_page_is_accessible": "access",
    "no_page_view_ends_in_nothing": "nothing",
    "error_request_id_is_traceable": "request-id",  # the part of it that needs no log
}
MEASURES: dict[str, Callable[[View], Reading]] = {
    **{name: partial(error_pages.measure_aspect, aspect=aspect, at_least=50) for name, aspect in ASPECTS.items()},
    "head_agrees_with_get": partial(error_pages.measure_heads, at_least=10),
    "error_form_suits_the_client": partial(error_pages.measure_form, at_least=50, programs_at_least=5),
    "error_page_in_the_visitors_language": partial(error_pages.measure_languages, at_least=50),
    "error_page_is_always_the_same": partial(error_pages.measure_sameness, at_least=50),
    "failed_pages_are_friendly": partial(pages.measure_friendliness, at_least=50),
}
FRIENDLY = {"failed_pages_are_friendly"}
WEAKNESSES = {
    "EDGE_PAGE_SELF_CONTAINED": FRIENDLY | {"error_page_is_self_contained"},
    "EDGE_PAGE_HIDES_DETAILS": FRIENDLY | {"error_page_leaks_nothing"},
    "EDGE_PAGE_NO_STORE": FRIENDLY | {"error_page_is_not_stored"},
    "EDGE_PAGE_NO_COOKIE": FRIENDLY | {"error_page_sets_no_cookie"},
    "EDGE_PAGE_TRANSLATED": FRIENDLY | {"error_page_in_the_visitors_language"},
    "EDGE_PAGE_SMALL": FRIENDLY | {"error_page_is_small"},
    "EDGE_PAGE_REQUEST_ID": FRIENDLY | {"error_request_id_is_traceable"},
    "EDGE_PAGE_JSON": FRIENDLY | {"error_form_suits_the_client"},
    "EDGE_PAGE_ACCESSIBLE": FRIENDLY | {"error_page_is_accessible"},
    "EDGE_PAGE_KIND": FRIENDLY | {"error_page_apologises"},
    "EDGE_PAGE_SAME": FRIENDLY | {"error_page_is_always_the_same"},
    "EDGE_HEAD_AGREES": {"head_agrees_with_get"},
}
"""By the switch that is off: the probes that it violates; all others hold."""


def shop_at(edge: Edge, views: int = PAGES, others: int = OTHERS) -> list[Sample]:
    """What a crowd of shoppers saw there, browsers, programs and monitors, all at once."""

    async def visit() -> list[Sample]:
        recorder = Recorder()
        client = Client(f"http://{edge.address}:8080", recorder)
        now = time.time()
        languages = [LANGUAGES[n % len(LANGUAGES)] for n in range(views)]
        pages = [client.page(Visit("product", lang, now), "/product/p001", shows="p001") for lang in languages]
        heads = [client.head(Visit("head", "en", now), "/product/p002") for _ in range(others)]
        programs = [client.get(Visit("cart", "fr", now), "/cart?id=c1") for _ in range(others)]
        await asyncio.gather(*pages, *heads, *programs)
        await client.close()
        return recorder.samples()

    return asyncio.run(visit())


def seen(samples: list[Sample], *, baseline: bool = False) -> View:
    """Them as a probe sees them."""
    return View(baseline, 0, time.time(), tuple(samples), (), (), True, cast("Session", None))


def found(samples: list[Sample], *, baseline: bool = False) -> dict[str, str]:
    """What each probe makes of them."""
    return {name: measure(seen(samples, baseline=baseline)).verdict for name, measure in MEASURES.items()}


@pytest.mark.parametrize("fails_by", ["a dead web", "a failing web"])
def test_every_promise_is_kept(start_edge: Callable[..., Edge], upstream: Upstream, fails_by: str) -> None:
    """On the sound edge each probe holds, whichever way web fails."""
    upstream.status, upstream.body = 502, b"Traceback (most recent call last)"
    samples = shop_at(start_edge(DEAD if fails_by == "a dead web" else upstream.address))
    assert set(found(samples).items()) == {(name, "holds") for name in MEASURES}, found(samples)


def test_nothing_is_said_of_a_shop_that_does_not_fail(start_edge: Callable[..., Edge], upstream: Upstream) -> None:
    """In the baseline all hold; in a fault window without a failure all are undecided, save that pages come in time."""
    upstream.body = b"<p>p001 p002</p>"
    samples = shop_at(start_edge(upstream.address))
    baseline = found(samples, baseline=True)
    baseline.pop("failed_pages_are_friendly")  # asks for the home page
    assert set(baseline.values()) == {"holds"}, baseline
    assert set(found(samples).values()) == {"undecided"}, found(samples)


@pytest.mark.parametrize("switch", WEAKNESSES)
def test_each_weakness_breaks_its_promise_alone(start_edge: Callable[..., Edge], switch: str) -> None:
    """With one safeguard off, its probe is violated, and no other that is not about the same."""
    readings = found(shop_at(start_edge(DEAD, **{switch: "off"})))
    violated = {name for name, verdict in readings.items() if verdict == "violated"}
    assert violated == WEAKNESSES[switch], readings
    may_be_unseen = {"error_request_id_is_traceable", "head_agrees_with_get"}
    assert {name for name, verdict in readings.items() if verdict == "undecided"} <= may_be_unseen, readings


def test_slow_retries_make_a_slow_error_page(start_edge: Callable[..., Edge]) -> None:
    """No more visitors than the retry budget lets try again at the same time: each waits for seconds."""
    view = seen(shop_at(start_edge(DEAD, EDGE_QUICK_RETRIES="off"), views=10, others=0))
    assert error_pages.measure_error_latency(view, latency_ms=1000, share=0.95).verdict == "violated"


def test_the_proxys_own_words_are_nothing(start_edge: Callable[..., Edge]) -> None:
    """Without the error page nobody is told anything, and programs get no problem."""
    readings = found(shop_at(start_edge(DEAD, EDGE_ERROR_PAGE="off")))
    for name in ("no_page_view_ends_in_nothing", "error_form_suits_the_client", "error_page_is_not_stored"):
        assert readings[name] == "violated", readings


def test_a_page_that_says_200_is_not_honest(start_edge: Callable[..., Edge]) -> None:
    """The status has a probe of its own."""
    assert found(shop_at(start_edge(DEAD, EDGE_ERROR_PAGE="says-200")))["error_status_is_honest"] == "violated"


def test_a_cache_keeps_the_page_beyond_the_undo(start_edge: Callable[..., Edge]) -> None:
    """What was sent with a lifetime may be shown again; what was not is gone with its cause."""
    for switch, verdict in (("on", "holds"), ("off", "violated")):
        samples = shop_at(start_edge(DEAD, EDGE_PAGE_NO_STORE=switch))
        undone = max(sample.done_at for sample in samples)
        good: Any = type(samples[0])(undone + 1, undone + 1, undone + 1.1, "home", "GET", "/", 200, 100)
        failed = [sample for sample in samples if sample.is_page]
        assert error_pages.judge_gone(undone, [good], pages=failed, within_s=5).verdict == verdict


def test_a_page_that_stays_after_the_undo_is_seen(start_edge: Callable[..., Edge]) -> None:
    """Failures are forgiven until T, not later; with nobody looking there is nothing to say."""
    samples = [sample for sample in shop_at(start_edge(DEAD)) if sample.is_page]
    undone = min(sample.scheduled_at for sample in samples) - 3
    for within_s, verdict in ((5, "holds"), (2, "violated")):
        assert error_pages.judge_gone(undone, samples, pages=samples, within_s=within_s).verdict == verdict
    assert error_pages.judge_gone(undone, [], pages=samples, within_s=5).verdict == "undecided"
