"""Probes on page views: do they come, in time, and if not, are they friendly?"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from gameday.activities.session import Reading, View, judge
from gameday.stats import ALPHA, Judgement, judge_rate, judge_so_far, limit_of_share, percentile, upper_bound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gameday.load.samples import Sample

__all__ = ["failed_pages_are_friendly", "home_falls_back", "load_is_shed_politely", "page_error_rate_below"]
__all__ += ["page_latency_share_within"]

_BASELINE_PAGES = 10
"""Fewer page views than this are no baseline."""

_ACCIDENTS = 0.05
"""So many home pages of the baseline may be fallbacks: a page whose catalog took a moment too long is no fault."""

_CROWDED = 0.6
"""On a machine whose processors are queued for during a larger share of the time a slow page may be its doing."""

_LATE_S, _LATE_SHARE = 0.05, 0.1
"""With more than that share sent later than that, a slow page is as likely this machine's doing as the shop's."""


def page_error_rate_below(limit: float, alpha: float = ALPHA) -> dict[str, Any]:
    """Is the share of failed page views below `limit` (0 to 1), with confidence 1 - `alpha` at every look?

    A fallback page counts as a good one. Undecided with too few page views: says how many more.
    """
    measure = partial(measure_error_rate, limit=limit, alpha=alpha)
    return judge("page_error_rate_below", measure, by_fault=measure)


def failed_pages_are_friendly(at_least: int = 50) -> dict[str, Any]:
    """Was every failed page view in the fault window answered by a friendly error page, always the same one?

    With fewer than `at_least` failed page views nothing was shown, and it is undecided. In the
    baseline: the home page answers.
    """
    return judge("failed_pages_are_friendly", partial(measure_friendliness, at_least=at_least))


def page_latency_share_within(latency_ms: float, share: float = 0.95, alpha: float = ALPHA) -> dict[str, Any]:
    """Is a page view's latency at most `latency_ms` for more than `share` (0 to 1) of them, failed ones included?

    Counted from when the shopper wanted the page. A page view without an answer is too slow.
    """
    measure = partial(measure_latency, latency_ms=latency_ms, share=share, alpha=alpha)
    return judge("page_latency_share_within", measure, by_fault=measure)


def home_falls_back(at_least: int = 5, failed_below: float = 0.2, by: str = "") -> dict[str, Any]:
    """Does the home page come as its fallback (200 with X-Fallback) while the fault is in force?

    Violated when home pages fail more often than `failed_below`, or when `at_least` were seen and
    none is a fallback. With `by` only a fallback that says so in X-Fallback counts (`catalog`: web's,
    without the catalog; `edge`: the edge's, without web), and any other is a failure. In the baseline:
    the home page answers, next to never as its fallback; what such a share explains does not count later.
    """
    measure = partial(measure_fallback, at_least=at_least, failed_below=failed_below, by=by)
    return judge("home_falls_back", measure, by_fault=partial(measure_home_failures, failed_below=failed_below, by=by))


def load_is_shed_politely(at_least: int = 50, within_ms: float = 1000.0) -> dict[str, Any]:
    """Were page views turned away when too many came, by a friendly error page (503, Retry-After) or edge's home page?

    Violated when one was turned away otherwise, or when fewer than `at_least` were within `within_ms` milliseconds,
    by the end of the window: then the shop let in more than it is said to bear; who waited and then was sent away
    was let in. In the baseline: nobody is turned away, and next to no home page is web's fallback.
    """
    return judge("load_is_shed_politely", partial(measure_shedding, at_least=at_least, within_ms=within_ms))


def measure_error_rate(view: View, *, limit: float, alpha: float = ALPHA) -> Reading:
    """The share of failed page views against a limit."""
    pages = view.pages()
    failed = [page for page in pages if page.failed]
    worst = Counter(page.error for page in failed).most_common(1)
    example = f", most often: {worst[0][0]}" if worst else ""
    judgement = (judge_rate if view.final else judge_so_far)(len(failed), len(pages), limit, alpha)
    return _rated(view, judgement, "page views failed", example)


def measure_latency(view: View, *, latency_ms: float, share: float, alpha: float = ALPHA) -> Reading:
    """The share of page views slower than a latency."""
    return latency_reading(view, view.pages(), latency_ms, share, alpha, "page views")


def latency_reading(
    view: View, pages: Sequence[Sample], latency_ms: float, share: float, alpha: float, what: str
) -> Reading:
    """The share of some of them slower than a latency; of a machine that is overloaded it tells nothing."""
    slow = [page for page in pages if page.latency_ms > latency_ms or page.status is None]
    judgement = (judge_rate if view.final else judge_so_far)(len(slow), len(pages), limit_of_share(share), alpha)
    reading = _with_percentile(_rated(view, judgement, f"{what} took longer than {latency_ms:g} ms", ""), pages, share)
    late = sum(page.sent_at is None or page.sent_at - page.scheduled_at > _LATE_S for page in pages)
    why = ""
    if late > _LATE_SHARE * len(pages):
        why = f"{late} of {len(pages)} requests were sent over {_LATE_S * 1e3:g} ms late"
    elif view.crowded > _CROWDED:
        why = f"during {view.crowded:.0%} of the time somebody waited for a processor"
    if reading.verdict == "violated" and why:
        said = f"this machine is overloaded: {why}; {reading.reason}"
        return replace(reading, verdict="undecided", reason=said, spoilt=True)
    return reading


def _with_percentile(reading: Reading, pages: Sequence[Sample], share: float) -> Reading:
    """The reading, with the percentile that the share is about and its bounds; what had no answer took for ever."""
    if not pages:
        return reading
    times = [page.latency_ms if page.status is not None else math.inf for page in pages]
    low, seen, high = (round(one, 1) if one < math.inf else None for one in percentile(times, share))
    said = f"; p{share * 100:g} of the window was {_ms(seen)}, and is between {_ms(low)} and {_ms(high)}"
    numbers = {"percentile": share, "percentile_ms": seen, "percentile_low_ms": low, "percentile_high_ms": high}
    return replace(reading, reason=reading.reason + said, numbers={**reading.numbers, **numbers})


def _ms(value: float | None) -> str:
    return "without end" if value is None else f"{value:g} ms"


def measure_friendliness(view: View, *, at_least: int) -> Reading:
    """How the failed page views looked."""
    failed = [s for s in view.samples if s.failed and s.sent_at is not None and s.method != "HEAD"]
    failed_pages = [sample for sample in failed if sample.is_page]
    unfriendly = [sample for sample in failed if sample.friendly_problems]
    numbers = {"failed_pages": len(failed_pages), "unfriendly": len(unfriendly)}
    if unfriendly:
        first = unfriendly[0]
        what = f"{first.method} {first.path} answered {first.status}: {', '.join(first.friendly_problems[:4])}"
        return Reading("violated", f"{len(unfriendly)} of {len(failed)} failed answers not friendly; {what}", numbers)
    for language in ("en", "fr"):
        looks = {page.body_digest for page in failed_pages if page.lang == language}
        if len(looks) > 1:
            return Reading("violated", f"{len(looks)} different error pages in {language}, expected one", numbers)
    if view.baseline_phase:
        return _home_answers(view, numbers)
    if len(failed_pages) < at_least:
        return Reading("undecided", f"only {len(failed_pages)} page views failed, at least {at_least} needed", numbers)
    return Reading("holds", f"all {len(failed_pages)} failed page views were friendly", numbers)


def measure_fallback(view: View, *, at_least: int, failed_below: float, by: str = "") -> Reading:
    """How the home page came."""
    home = [sample for sample in view.samples if sample.behaviour == "home"]
    others = _other_fallbacks(home, by)
    failed, fallbacks = sum(s.failed for s in home) + others, sum(s.fallback for s in home) - others
    numbers = {"home_views": len(home), "failed": failed, "fallbacks": fallbacks}
    if view.baseline_phase:
        if fallbacks + others > _accidents(len(home)):
            said = f"{fallbacks + others} of {len(home)} home pages were the fallback before any fault"
            return Reading("violated", said, numbers)
        return _home_answers(view, numbers)
    rate = (judge_rate if view.final else judge_so_far)(failed, len(home), failed_below)
    if rate.outcome == "violated":
        return Reading("violated", f"{failed} of {len(home)} home pages failed", numbers)
    if len(home) >= at_least and not fallbacks and view.final:
        return Reading("violated", f"none of {len(home)} home pages came as the fallback", numbers)
    if fallbacks - _expected_fallbacks(view, len(home)) < at_least or rate.outcome != "holds":
        return Reading("undecided", f"{fallbacks} fallbacks and {failed} failures in {len(home)} home pages", numbers)
    return Reading("holds", f"{fallbacks} of {len(home)} home pages came as the fallback, {failed} failed", numbers)


def _accidents(count: int) -> float:
    """How many of so many home pages of a baseline may be fallbacks: one in twenty, or one of ten and more."""
    return max(1.0, _ACCIDENTS * count) if count >= _BASELINE_PAGES else 0.0


def _expected_fallbacks(view: View, count: int) -> float:
    """How many of so many home pages may be fallbacks by what the baseline shows: those show nothing of a fault."""
    before = [sample for sample in view.baseline if sample.behaviour == "home"]
    return count * upper_bound(sum(sample.fallback for sample in before), len(before)) if before else float(count)


def measure_home_failures(view: View, *, failed_below: float, by: str = "") -> Reading:
    """How often the home page failed. Not every fault of several need make it fall back."""
    home = [sample for sample in view.samples if sample.behaviour == "home"]
    failed = sum(s.failed for s in home) + _other_fallbacks(home, by)
    rate = judge_rate(failed, len(home), failed_below)
    numbers = {"home_views": len(home), "failed": failed}
    return Reading(rate.outcome, f"{failed} of {len(home)} home pages failed", numbers)


def _other_fallbacks(home: Sequence[Sample], by: str) -> int:
    """How many came as the fallback of somebody else than `by`, if that matters."""
    return sum(s.fallback and s.fallback_of != by for s in home) if by else 0


def measure_shedding(view: View, *, at_least: int, within_ms: float) -> Reading:
    """How many page views were turned away at once, and how."""
    pages = view.pages()
    failed = [page for page in pages if page.failed]
    away = [p for p in pages if (p.failed or p.fallback_of == "edge") and p.latency_ms <= within_ms]
    numbers = {"page_views": len(pages), "turned_away": len(away), "failed": len(failed)}
    rude = [page for page in failed if page.friendly_problems]
    if rude:
        said = f"{rude[0].path} answered {rude[0].status}: {', '.join(rude[0].friendly_problems[:4])}"
        return Reading("violated", f"{len(rude)} of {len(failed)} page views turned away rudely; {said}", numbers)
    if view.baseline_phase:
        return pages_come(view, numbers)
    if len(away) < at_least:
        said = f"{len(away)} of {len(pages)} page views were turned away, at least {at_least} should be"
        return Reading("violated" if view.final and len(pages) >= at_least else "undecided", said, numbers)
    return Reading("holds", f"{len(away)} of {len(pages)} page views were turned away, all politely", numbers)


def pages_come(view: View, numbers: dict[str, Any]) -> Reading:
    """In the baseline: did every page come, none as edge's fallback, and next to no home page as web's?"""
    pages = view.pages()
    bad = [page for page in pages if page.failed or page.fallback_of == "edge"]
    if bad:
        said = bad[0].error or "the edge's fallback"
        return Reading("violated", f"{len(bad)} of {len(pages)} pages failed: {said}", numbers)
    home = [page for page in pages if page.behaviour == "home"]
    fallbacks = sum(page.fallback for page in home)
    if fallbacks > _accidents(len(home)):
        return Reading("violated", f"{fallbacks} of {len(home)} home pages were the fallback", numbers)
    if not pages:
        return Reading("undecided", "nobody asked for a page", numbers)
    accidents = f", {fallbacks} as the fallback" if fallbacks else ""
    return Reading("holds", f"all {len(pages)} pages came{accidents}", numbers)


def _home_answers(view: View, numbers: dict[str, Any]) -> Reading:
    """In the baseline: did every home page that was asked for come?"""
    home: list[Sample] = [sample for sample in view.samples if sample.behaviour == "home"]
    bad = [sample for sample in home if sample.failed]
    if bad:
        return Reading("violated", f"{len(bad)} of {len(home)} home pages failed: {bad[0].error}", numbers)
    if not home:
        return Reading("undecided", "nobody asked for the home page", numbers)
    return Reading("holds", f"all {len(home)} home pages came", numbers)


def _rated(view: View, judgement: Judgement, what: str, example: str) -> Reading:
    """A judgement in words. The baseline is a gate, not a proof: there the observed rate decides."""
    found = f"{judgement.errors} of {judgement.samples} {what}{example}"
    bounds = f"the true share is between {judgement.lower:.1%} and {judgement.upper:.1%}, limit {judgement.limit:.1%}"
    numbers = {
        "errors": judgement.errors,
        "samples": judgement.samples,
        "limit": judgement.limit,
        "lower": round(judgement.lower, 5),
        "upper": round(judgement.upper, 5),
        "needed": judgement.needed,
    }
    outcome = judgement.outcome
    if view.baseline_phase and outcome == "undecided" and judgement.samples >= _BASELINE_PAGES:
        if judgement.errors <= judgement.limit * judgement.samples:
            outcome = "holds"
    elif outcome == "undecided":
        return Reading(outcome, f"{found}; {bounds}; {judgement.needed} more clean samples would do", numbers)
    return Reading(outcome, f"{found}; {bounds}", numbers)
