"""Which safeguards edge has: all of them, unless the Deployment's environment takes one away for an experiment."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RenderError", "Safeguards"]

PAGES_PER_S = 50
MAX_PAGES_PER_S = 100_000


class RenderError(Exception):
    """The configuration cannot be written; the message, one line, says why and what to do."""


@dataclass(frozen=True)
class Safeguards:
    """Which safeguards are in place. Variable ``EDGE_<NAME>`` set to ``off`` takes one away.

    Attributes:
        error_page: send the friendly page for every 5xx; else Envoy's own reply, or web's.
        says_200: a weakness (``EDGE_ERROR_PAGE=says-200``): the friendly page pretends that all is well.
        retries: repeat what is safe to repeat.
        quick_retries: within a tenth of a second; else the visitor waits for seconds.
        retry_budget: repeat no more than a quarter of what is under way; else a failing web gets three times the load.
        admission_control: spare a web that answers next to nothing.
        pages_per_s: page views a second that are forwarded, for all visitors together; None: any number.
        home_fallback: a simple home page when web has none; else the error page.
        head_agrees: HEAD says what GET says; else it says 200 where that is the error page.
        access_log: write a line for each request, with its id.
        page_self_contained: the error page brings its picture along; else it loads it from elsewhere.
        page_hides_details: it does not tell what broke, and where.
        page_no_store: it says that nobody may keep it; else it is kept for a minute.
        page_no_cookie: it sets no cookie.
        page_translated: it comes in French to those who read French.
        page_small: it is no larger than need be.
        page_request_id: it shows the request's id, and the header does.
        page_json: programs get a problem document; else the HTML page.
        page_accessible: it has a heading and a main part, for those who hear it.
        page_kind: it apologises, takes the blame, and says what to do.
        page_same: it is the same for whatever failed, and whenever.
    """

    error_page: bool = True
    says_200: bool = False
    retries: bool = True
    quick_retries: bool = True
    retry_budget: bool = True
    admission_control: bool = True
    pages_per_s: int | None = PAGES_PER_S
    home_fallback: bool = True
    head_agrees: bool = True
    access_log: bool = True
    page_self_contained: bool = True
    page_hides_details: bool = True
    page_no_store: bool = True
    page_no_cookie: bool = True
    page_translated: bool = True
    page_small: bool = True
    page_request_id: bool = True
    page_json: bool = True
    page_accessible: bool = True
    page_kind: bool = True
    page_same: bool = True

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables; ``EDGE_PAGES_PER_S`` is a number or ``off``, ``EDGE_ERROR_PAGE`` may say ``says-200``.

        Raises:
            RenderError: for any other value, for a typo must not take a safeguard away unseen.
        """
        error_page = _choice(environment, "EDGE_ERROR_PAGE", ("on", "off", "says-200"))
        known = {"error_page", "says_200", "pages_per_s"}
        switches = {
            field.name: _choice(environment, f"EDGE_{field.name.upper()}", ("on", "off")) == "on"
            for field in fields(cls)
            if field.name not in known
        }
        return cls(
            error_page=error_page != "off",
            says_200=error_page == "says-200",
            pages_per_s=_rate(environment, "EDGE_PAGES_PER_S"),
            **switches,
        )


def _choice(environment: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """The value of a switch, the first choice by default."""
    value = environment.get(name, choices[0])
    if value not in choices:
        raise RenderError(f"{name} is {value!r}, expected one of {', '.join(choices)}; mend the Deployment's env")
    return value


def _rate(environment: Mapping[str, str], name: str) -> int | None:
    """A rate a second, from 1; None for ``off``."""
    value = environment.get(name, str(PAGES_PER_S))
    if value == "off":
        return None
    if not value.isdecimal() or not 0 < int(value) <= MAX_PAGES_PER_S:
        raise RenderError(
            f"{name} is {value!r}, expected off or a number from 1 to {MAX_PAGES_PER_S}; mend the Deployment's env"
        )
    return int(value)
