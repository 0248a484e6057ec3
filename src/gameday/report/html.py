"""The report as one HTML file that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

import time
from importlib import resources
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from gameday.report.chart import draw

if TYPE_CHECKING:
    from gameday.report.model import GameDayReport
    from gameday.report.timeline import Timeline

__all__ = ["FILE_NAME", "render"]

FILE_NAME = "index.html"


def render(report: GameDayReport) -> str:
    """The page. Everything that comes from a run is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals.update(chart=_chart, when=_when, date=_date)
    template = resources.files("gameday.report").joinpath("templates/report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(report=report) + "\n"


def _chart(timeline: Timeline, name: str) -> Markup:
    return Markup(draw(timeline, name))  # noqa: S704  # draw escapes every text it is given


def _when(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s"


def _date(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
