"""Whether an experiment's window, as its file has it, can give the samples that its probes need. Pure.

A window that is too short ends with "cannot tell" on the best of days, so it is refused before anything is touched.
Counted are the seconds that the method says it takes (`duration_s` of its actions, and pauses), the shoppers that come
meanwhile, and of these the visits that a probe looks at; needed is what a window without a single failure must hold
(`gameday.stats.samples_needed`). What a file leaves to `${...}` is not judged.
"""

from __future__ import annotations

import importlib
import inspect
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gameday.activities.settings import Settings, SettingsError, control_arguments, read_settings
from gameday.load.samples import PAGES
from gameday.stats import ALPHA, limit_of_share, samples_needed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Sampling", "expected_samples", "too_short"]

_PROBES, _ACTIONS = "gameday.activities.probes.", "gameday.activities."
_HOME, _BUY, _GIFT, _HEAD = (frozenset({one}) for one in ("home", "buy", "gift", "head"))
_ERROR_PAGES = (
    *("error_form_suits_the_client", "error_page_apologises", "error_page_in_the_visitors_language"),
    *("error_page_is_accessible", "error_page_is_always_the_same", "error_page_is_gone_after_undo"),
    *("error_page_is_not_stored", "error_page_is_self_contained", "error_page_is_small"),
    *("error_page_leaks_nothing", "error_page_sets_no_cookie", "error_status_is_honest"),
    "no_page_view_ends_in_nothing",
)
"""Probes of the error page that need `at_least` failed page views."""
_MAILED, _WHAT_MAILED = _BUY | _GIFT, "orders and gifts"
Arguments = dict[str, Any]
Where = tuple[str | int, ...]


def _rate(arguments: Arguments) -> int:
    return samples_needed(arguments["limit"], arguments.get("alpha", ALPHA))


def _share(arguments: Arguments) -> int:
    return samples_needed(limit_of_share(arguments["share"]), arguments.get("alpha", ALPHA))


def _at_least(arguments: Arguments) -> int:
    return int(arguments["at_least"])


def _fallback(arguments: Arguments) -> int:
    return max(_at_least(arguments), samples_needed(arguments["failed_below"]))


_NEEDS: Mapping[str, tuple[frozenset[str], str, Callable[[Arguments], int]]] = {
    "pages.page_error_rate_below": (PAGES, "page views", _rate),
    "pages.page_latency_share_within": (PAGES, "page views", _share),
    "pages.failed_pages_are_friendly": (PAGES, "page views", _at_least),
    "pages.load_is_shed_politely": (PAGES, "page views", _at_least),
    **{f"error_pages.{name}": (PAGES, "page views", _at_least) for name in _ERROR_PAGES},
    "error_pages.error_page_latency_share_within": (PAGES, "page views", _share),
    "error_pages.head_agrees_with_get": (_HEAD, "HEAD requests", _at_least),
    "tracing.error_request_id_is_traceable": (PAGES, "page views", _at_least),
    "pages.home_falls_back": (_HOME, "home pages", _fallback),
    "orders.orders_come_back": (_BUY, "visits to buy", _at_least),
    "orders.no_confirmed_order_lost": (_BUY, "visits to buy", _at_least),
    "mail.no_unmatched_gift_alert": (_GIFT, "gifts", _at_least),
    "mail.gift_alerts_are_well_formed": (_GIFT, "gifts", _at_least),
    "mail_recipients.alerts_do_not_outnumber_gifts": (_GIFT, "gifts", _at_least),
    "mail_recipients.nobody_suppressed_is_mailed": (_MAILED, _WHAT_MAILED, _at_least),
    "mail_recipients.recipients_are_in_reserved_domains": (_MAILED, _WHAT_MAILED, _at_least),
    "mail_delivery.each_order_is_confirmed_once": (_BUY, "visits to buy", _at_least),
    "mail_delivery.no_mail_arrives_twice": (_MAILED, _WHAT_MAILED, _at_least),
    "mail_delivery.sink_agrees_with_sender": (_MAILED, _WHAT_MAILED, _at_least),
    "mail_campaigns.kill_switch_stops_mail": (_MAILED, _WHAT_MAILED, _at_least),
    "mail_form.links_lead_to_the_item": (_MAILED, _WHAT_MAILED, _at_least),
    "mail_form.mails_are_signed": (_MAILED, _WHAT_MAILED, _at_least),
}
"""By probe: which visits it looks at, what these are called, and how many it needs at the least."""


@dataclass(frozen=True)
class Sampling:
    """What a window of `window_s` seconds gives the probe at `where` in the file, and what that needs."""

    where: Where
    probe: str
    what: str
    expected: int
    needed: int
    window_s: float
    rate_per_s: float

    @property
    def refusal(self) -> str | None:
        """Why the window will not do, and what would; None when it does."""
        if self.expected >= self.needed:
            return None
        short = self.needed / max(self.expected, 0.5)
        return (
            f"{self.probe}: a window of {self.window_s:g} s gives about {self.expected} {self.what}, and with fewer "
            f"than {self.needed} it cannot tell; keep it open for {math.ceil(self.window_s * short)} s, or let "
            f"{math.ceil(self.rate_per_s * short)} shoppers come a second (rate_per_s)"
        )

    def __str__(self) -> str:
        return f"{self.probe}: about {self.expected} {self.what} in {self.window_s:g} s, at least {self.needed} needed"


def expected_samples(experiment: Mapping[str, Any]) -> list[Sampling]:
    """What each of our probes that counts samples gets; empty when the file leaves that open, or is unsound there."""
    settings, window_s = _settings(experiment), _window_s(experiment)
    if settings is None or not window_s:
        return []
    found = []
    hypothesis = experiment.get("steady-state-hypothesis")
    probes = hypothesis.get("probes") if isinstance(hypothesis, dict) else None
    for index, probe in enumerate(probes if isinstance(probes, list) else []):
        provider = _provider(probe)
        module, function = str(provider.get("module")), str(provider.get("func"))
        of = _NEEDS.get(f"{module.removeprefix(_PROBES)}.{function}")
        arguments = _arguments(provider)
        if of is None or arguments is None:
            continue
        behaviours, what, needs = of
        mix = settings.plan.mix
        share = sum(weight for name, weight in mix.items() if name in behaviours) / sum(mix.values())
        try:
            needed = needs(arguments)
        except (ValueError, TypeError, KeyError, OverflowError):
            continue  # an argument that makes no sense is lint's to find
        expected = int(settings.plan.rate_per_s * share * window_s)
        where = ("steady-state-hypothesis", "probes", index, "provider", "arguments")
        name = str(probe.get("name"))
        found.append(Sampling(where, name, what, expected, needed, window_s, settings.plan.rate_per_s))
    return found


def too_short(experiment: Mapping[str, Any]) -> list[tuple[Where, str]]:
    """Where in the file a probe stands that cannot get the samples it needs, and why."""
    return [(one.where, one.refusal) for one in expected_samples(experiment) if one.refusal is not None]


def _settings(experiment: Mapping[str, Any]) -> Settings | None:
    try:
        return read_settings({**control_arguments(experiment), "namespace": "any"})
    except SettingsError:
        return None


def _window_s(experiment: Mapping[str, Any]) -> float | None:
    """The seconds that the method takes by its own words; None when it leaves some of them open."""
    total = 0.0
    method = experiment.get("method")
    for activity in method if isinstance(method, list) else []:
        pauses = activity.get("pauses") if isinstance(activity, dict) else None
        spans = list(pauses.values()) if isinstance(pauses, dict) else []
        if not (isinstance(activity, dict) and activity.get("background")):
            spans.append((_arguments(_provider(activity)) or {}).get("duration_s", 0.0))
        if not all(_is_span(span) for span in spans):
            return None
        total += sum(spans)
    return total


def _is_span(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _provider(owner: Any) -> dict[str, Any]:
    provider = owner.get("provider") if isinstance(owner, dict) else None
    return provider if isinstance(provider, dict) else {}


def _arguments(provider: Mapping[str, Any]) -> Arguments | None:
    """The arguments of a call of ours, defaults included; None for another's, or for what is not there."""
    if not str(provider.get("module")).startswith(_ACTIONS):
        return None
    try:
        function = getattr(importlib.import_module(str(provider["module"])), str(provider.get("func")))
    except (ImportError, AttributeError):
        return None
    parameters = inspect.signature(function).parameters.items()
    defaults = {name: one.default for name, one in parameters if one.default is not inspect.Parameter.empty}
    given = provider.get("arguments")
    return {**defaults, **(given if isinstance(given, dict) else {})}
