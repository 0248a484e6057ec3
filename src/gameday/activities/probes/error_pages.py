"""Probes on the error page, one for each promise that a friendly one makes.

Each looks at every failed answer of the fault window, and one that breaks the promise is too
many. With fewer than `at_least` failed page views nothing was shown: then it is undecided. In
the baseline all of them ask the same: do pages come?
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from gameday.activities.probes.pages import latency_reading, pages_come
from gameday.activities.session import Reading, View, judge
from gameday.pages import aspect_of
from gameday.stats import ALPHA

if TYPE_CHECKING:
    from gameday.load.samples import Sample

__all__ = ["error_form_suits_the_client", "error_page_apologises", "error_page_in_the_visitors_language"]
__all__ += ["error_page_is_accessible", "error_page_is_always_the_same", "error_page_is_gone_after_undo"]
__all__ += ["error_page_is_not_stored", "error_page_is_self_contained", "error_page_is_small"]
__all__ += ["error_page_latency_share_within", "error_page_leaks_nothing", "error_page_sets_no_cookie"]
__all__ += ["error_status_is_honest", "head_agrees_with_get", "no_page_view_ends_in_nothing"]

_UNLIKE = 3
"""So many HEADs with another status than GET's are no accident of the moment."""
_EACH_LANGUAGE = 5
"""So many failed page views in each of the two languages are needed to speak of both."""


def error_status_is_honest(at_least: int = 50) -> dict[str, Any]:
    """Did every failed answer say 503 with Retry-After, or 500; never a success or a redirect?"""
    return _judge("error_status_is_honest", "status", at_least)


def head_agrees_with_get(at_least: int = 10) -> dict[str, Any]:
    """Did HEAD say what GET says, status and headers, with no body? Needs the behaviour `head` in the shoppers' mix.

    Compared are a HEAD and the same GET before and after it, when these agree. Undecided with fewer than
    `at_least` in the fault window that failed.
    """
    return judge("head_agrees_with_get", partial(measure_heads, at_least=at_least))


def error_form_suits_the_client(at_least: int = 50, programs_at_least: int = 5) -> dict[str, Any]:
    """Did browsers get HTML in UTF-8, and programs application/problem+json? Needs `programs_at_least` of these too."""
    measure = partial(measure_form, at_least=at_least, programs_at_least=programs_at_least)
    return judge("error_form_suits_the_client", measure)


def error_page_in_the_visitors_language(at_least: int = 50) -> dict[str, Any]:
    """Was it in French or English as Accept-Language asks (q-values, too), with lang, Content-Language and Vary right?

    Needs at least 5 in each of the two languages.
    """
    return judge("error_page_in_the_visitors_language", partial(measure_languages, at_least=at_least))


def error_page_apologises(at_least: int = 50) -> dict[str, Any]:
    """Did it say sorry, that it is our fault, go back and try again, link to the home page, and show a dog?"""
    return _judge("error_page_apologises", "words", at_least)


def error_page_leaks_nothing(at_least: int = 50) -> dict[str, Any]:
    """Was it free of tracebacks, the proxy's words, addresses, names of the cluster, versions and template tokens?"""
    return _judge("error_page_leaks_nothing", "leak", at_least)


def error_page_is_self_contained(at_least: int = 50) -> dict[str, Any]:
    """Did it bring along all that it needs, with nothing fetched from anywhere?"""
    return _judge("error_page_is_self_contained", "fetch", at_least)


def error_page_is_always_the_same(at_least: int = 50) -> dict[str, Any]:
    """Was it the same in each language, request id aside, whatever had failed?"""
    return judge("error_page_is_always_the_same", partial(measure_sameness, at_least=at_least))


def error_page_is_not_stored(at_least: int = 50) -> dict[str, Any]:
    """Did it say no-store?"""
    return _judge("error_page_is_not_stored", "storing", at_least)


def error_page_sets_no_cookie(at_least: int = 50) -> dict[str, Any]:
    """Did it set no cookie?"""
    return _judge("error_page_sets_no_cookie", "cookie", at_least)


def error_page_is_small(at_least: int = 50) -> dict[str, Any]:
    """Was it at most 14 KiB of HTML, and one inlined picture?"""
    return _judge("error_page_is_small", "size", at_least)


def error_page_is_accessible(at_least: int = 50) -> dict[str, Any]:
    """Had it a title, one h1, one main, named pictures and links, and could it be enlarged? As far as markup tells."""
    return _judge("error_page_is_accessible", "access", at_least)


def no_page_view_ends_in_nothing(at_least: int = 50) -> dict[str, Any]:
    """Did nobody get a reset, no answer in time, a blank body, or a page of the proxy's own?"""
    return _judge("no_page_view_ends_in_nothing", "nothing", at_least)


def error_page_latency_share_within(
    latency_ms: float = 300, share: float = 0.95, alpha: float = ALPHA
) -> dict[str, Any]:
    """Did more than `share` (0 to 1) of the failed page views come within `latency_ms`?

    Counted from when the shopper wanted the page; one without an answer is too slow.
    """
    measure = partial(measure_error_latency, latency_ms=latency_ms, share=share, alpha=alpha)
    return judge("error_page_latency_share_within", measure, by_fault=measure)


def error_page_is_gone_after_undo(within_s: float = 5.0, at_least: int = 50) -> dict[str, Any]:
    """Was the error page gone `within_s` seconds after the last undo, from caches too?

    Looked at once all is undone: a page view that fails later violates it, and so does an error page that
    a cache on the way may go on showing until later.
    """
    return judge("error_page_is_gone_after_undo", partial(measure_gone, within_s=within_s, at_least=at_least))


def _judge(name: str, aspect: str, at_least: int) -> dict[str, Any]:
    return judge(name, partial(measure_aspect, aspect=aspect, at_least=at_least))


def measure_aspect(view: View, *, aspect: str, at_least: int) -> Reading:
    """Every failed answer, held against one aspect of a friendly one."""
    failed = [sample for sample in view.samples if sample.failed and sample.sent_at is not None]
    bad = [sample for sample in failed if _has(sample, aspect)]
    pages = [sample for sample in failed if sample.is_page and (_is_legible(sample) or _has(sample, aspect))]
    if aspect == "nothing":
        pages = [sample for sample in failed if sample.is_page]
    numbers = {"failed_pages": len(pages), "bad": len(bad)}
    if bad:
        return Reading("violated", f"{len(bad)} of {len(failed)} failed answers: {_example(bad[0], aspect)}", numbers)
    return _unless_few(view, pages, at_least, numbers)


def measure_heads(view: View, *, at_least: int) -> Reading:
    """The answers to HEAD, beside those to GET.

    One that differs in its headers alone is too many. A status that differs may be that of a shop that was just
    failing or recovering, so it takes three of them, and more than agree.
    """
    heads = [sample for sample in view.samples if sample.method == "HEAD" and sample.sent_at is not None]
    bad = [sample for sample in heads if _has(sample, "head")]
    unlike = [sample for sample in bad if _differs_in_status(sample)]
    failed = [sample for sample in heads if sample.failed and not _has(sample, "head")]
    numbers = {"heads": len(heads), "failed_alike": len(failed), "bad": len(bad), "other_status": len(unlike)}
    if len(bad) > len(unlike) or (len(unlike) >= _UNLIKE and len(unlike) > len(failed)):
        first = next((sample for sample in bad if sample not in unlike), bad[0])
        return Reading("violated", f"{len(bad)} of {len(heads)} HEADs: {_example(first, 'head')}", numbers)
    seen, needed = (heads, 1) if view.baseline_phase else (failed, at_least)
    if len(seen) < needed:
        return Reading("undecided", f"only {len(seen)} HEADs to judge by, at least {needed} needed", numbers)
    return Reading("holds", f"{len(heads) - len(bad)} HEADs agreed with GET, {len(failed)} of them failures", numbers)


def measure_form(view: View, *, at_least: int, programs_at_least: int) -> Reading:
    """What kind of document each kind of client got."""
    reading = measure_aspect(view, aspect="form", at_least=at_least)
    programs = [
        sample
        for sample in view.samples
        if sample.failed and sample.sent_at is not None and sample.behaviour in ("buy", "cart", "gift")
    ]
    numbers = {**reading.numbers, "failed_programs": len(programs)}
    if reading.verdict == "holds" and not view.baseline_phase and len(programs) < programs_at_least:
        said = f"only {len(programs)} answers to programs failed, at least {programs_at_least} needed"
        return Reading("undecided", said, numbers)
    return Reading(reading.verdict, reading.reason, numbers)


def measure_languages(view: View, *, at_least: int) -> Reading:
    """Which language each visitor got."""
    reading = measure_aspect(view, aspect="language", at_least=at_least)
    few = [lang for lang in ("en", "fr") if sum(s.lang == lang for s in _failed_pages(view)) < _EACH_LANGUAGE]
    if reading.verdict == "holds" and not view.baseline_phase and few:
        said = f"fewer than {_EACH_LANGUAGE} failed page views of visitors who read {few[0]}"
        return Reading("undecided", said, reading.numbers)
    return reading


def measure_sameness(view: View, *, at_least: int) -> Reading:
    """How many different pages there were in each language."""
    pages = [sample for sample in _failed_pages(view) if sample.body_digest]
    looks = {lang: len({page.body_digest for page in pages if page.lang == lang}) for lang in ("en", "fr")}
    numbers = {"failed_pages": len(pages), "looks": looks}
    for lang, count in looks.items():
        if count > 1:
            return Reading("violated", f"{count} different error pages in {lang}, expected one", numbers)
    return _unless_few(view, pages, at_least, numbers)


def measure_error_latency(view: View, *, latency_ms: float, share: float, alpha: float = ALPHA) -> Reading:
    """The share of failed page views slower than a latency."""
    if view.baseline_phase:
        return pages_come(view, {})
    return latency_reading(view, _failed_pages(view), latency_ms, share, alpha, "failed page views")


def measure_gone(view: View, *, within_s: float, at_least: int) -> Reading:
    """How many error pages there were; what becomes of them is looked at after the undo."""
    pages = _failed_pages(view)
    reading = _unless_few(view, pages, at_least, {"failed_pages": len(pages)})
    if view.final and not view.baseline_phase and reading.verdict == "holds":
        view.session.look_later("error_page_is_gone_after_undo", partial(judge_gone, pages=pages, within_s=within_s))
    return reading


def judge_gone(undone_at: float, since: list[Sample], *, pages: list[Sample], within_s: float) -> Reading:
    """Whether error pages were gone in time: those that came `since` the undo, and those that caches hold."""
    until = undone_at + within_s
    late = [sample for sample in since if sample.is_page and sample.failed and sample.scheduled_at > until]
    kept = [sample for sample in [*pages, *since] if sample.fresh_s and sample.done_at + sample.fresh_s > until]
    last = max((sample.done_at for sample in since if sample.is_page and sample.failed), default=undone_at)
    numbers = {"late": len(late), "kept_by_caches": len(kept), "last_after_s": round(last - undone_at, 3)}
    if kept:
        longest = max(sample.done_at + sample.fresh_s for sample in kept) - undone_at
        said = f"{len(kept)} error pages may be shown by caches for up to {longest:.0f} s after the undo"
        return Reading("violated", f"{said}, limit {within_s:g} s", numbers)
    if late:
        said = f"{len(late)} page views failed more than {within_s:g} s after the undo: {late[0].error}"
        return Reading("violated", said, numbers)
    if not any(sample.is_page for sample in since):
        return Reading("undecided", "nobody looked at a page after the undo", numbers)
    return Reading("holds", f"the last error page came {last - undone_at:.1f} s after the undo, none is kept", numbers)


def _failed_pages(view: View) -> list[Sample]:
    return [sample for sample in view.pages() if sample.failed and sample.sent_at is not None]


def _has(sample: Sample, aspect: str) -> bool:
    return any(aspect_of(problem) == aspect for problem in sample.friendly_problems)


def _differs_in_status(sample: Sample) -> bool:
    return any(problem.startswith("head: HEAD says") for problem in sample.friendly_problems)


def _is_legible(sample: Sample) -> bool:
    """Whether there was a page at all to hold against anything."""
    return not _has(sample, "nothing") and not _has(sample, "form")


def _example(sample: Sample, aspect: str) -> str:
    said = next(problem for problem in sample.friendly_problems if aspect_of(problem) == aspect)
    return f"{sample.method} {sample.path} answered {sample.status}, {said.partition(': ')[2]}"


def _unless_few(view: View, pages: list[Sample], at_least: int, numbers: dict[str, Any]) -> Reading:
    """What there is to say when nothing is wrong: with too few failures, nothing."""
    if view.baseline_phase:
        return pages_come(view, numbers)
    if len(pages) < at_least:
        return Reading("undecided", f"only {len(pages)} error pages came, at least {at_least} needed", numbers)
    return Reading("holds", f"all {len(pages)} failed page views were as they should be", numbers)
