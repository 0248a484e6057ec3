"""A timeline as SVG: requests, latency and mails on one time axis, with the fault's window. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gameday.report.timeline import Bucket, Timeline

__all__ = ["draw"]

_WIDTH, _LEFT, _RIGHT = 920, 56, 12
_TOP, _PANEL, _GAP, _BOTTOM = 40, 84, 26, 28
_TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300)
_MAX_TICKS = 12
_ROUND = (1, 2, 2.5, 5, 10)


def draw(timeline: Timeline, name: str) -> str:
    """One self-contained <svg>, coloured by the page's CSS classes. `name` makes its ids unique."""
    panels: list[tuple[str, Callable[[Timeline, int], list[str]]]] = [("requests per second", _requests)]
    panels.append(("latency, ms", _latency))
    if timeline.mails:
        panels.append(("mails received", _mails))
    height = _TOP + len(panels) * (_PANEL + _GAP) + _BOTTOM - _GAP
    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="t-{escape(name)}">',
        f'<title id="t-{escape(name)}">{escape(_in_words(timeline))}</title>',
        *_background(timeline, height),
    ]
    for index, (title, panel) in enumerate(panels):
        top = _TOP + index * (_PANEL + _GAP)
        parts.append(f'<text class="axis-title" x="{_LEFT + 4}" y="{top - 6}">{title}</text>')
        parts += panel(timeline, top)
    parts += _axis(timeline, height - _BOTTOM)
    parts += _violations(timeline, height - _BOTTOM)
    return "\n".join([*parts, "</svg>"])


def _in_words(timeline: Timeline) -> str:
    """What the picture shows, for those who cannot see it."""
    said = [f"{timeline.requests} requests in {timeline.length_s:.0f} s, {timeline.failed} failed"]
    said += [f"{span.label} in force from {span.start_s:.1f} to {span.end_s:.1f} s" for span in timeline.faults]
    said += [f"violation at {mark.at_s:.1f} s: {mark.label}" for mark in timeline.violations[:3]]
    return "; ".join(said)


def _x(timeline: Timeline, at_s: float) -> float:
    inside = min(max(at_s, 0.0), timeline.length_s)
    return round(_LEFT + inside / timeline.length_s * (_WIDTH - _LEFT - _RIGHT), 1)


def _background(timeline: Timeline, height: int) -> list[str]:
    """The fault's windows, stalls and phases, behind everything else."""
    parts = []
    bottom = height - _BOTTOM
    for kind, spans in (("fault", timeline.faults), ("stall", timeline.stalls)):
        for span in spans:
            x, right = _x(timeline, span.start_s), _x(timeline, span.end_s)
            box = f'x="{x}" y="{_TOP - 20}" width="{max(1.0, right - x):.1f}" height="{bottom - _TOP + 20}"'
            parts.append(f'<rect class="{kind}" {box}><title>{escape(span.label)}</title></rect>')
    for mark in timeline.phases:
        x = _x(timeline, mark.at_s)
        parts.append(f'<line class="phase" x1="{x}" x2="{x}" y1="{_TOP - 20}" y2="{bottom}"/>')
    return parts + _phase_labels(timeline)


def _phase_labels(timeline: Timeline) -> list[str]:
    """Names of phases along the top, as far as each has room before the next."""
    parts, ends = [], [*(mark.at_s for mark in timeline.phases[1:]), timeline.length_s]
    for mark, end in zip(timeline.phases, ends, strict=False):
        x = _x(timeline, mark.at_s)
        if _x(timeline, end) - x > 6.2 * len(mark.label) + 6:
            parts.append(f'<text class="phase-label" x="{x + 4}" y="{_TOP - 26}">{escape(mark.label)}</text>')
    return parts


def _requests(timeline: Timeline, top: int) -> list[str]:
    """Stacked bars: failed at the bottom where the eye looks first, good at the top."""
    limit = _round_up(max((bucket.total for bucket in timeline.buckets), default=1))
    parts = _grid(top, limit)
    for bucket in timeline.buckets:
        parts += _stack(timeline, bucket, top, limit)
    return parts


def _stack(timeline: Timeline, bucket: Bucket, top: int, limit: float) -> list[str]:
    x = _x(timeline, bucket.at_s)
    width = max(1.0, _x(timeline, bucket.at_s + 1) - x - 1)
    parts, base = [], 0
    for kind in ("failed", "friendly", "fallback", "good"):
        count = getattr(bucket, kind)
        if count:
            y, high = _y(top, limit, base + count), count / limit * _PANEL
            hint = f"<title>{bucket.at_s:.0f} s: {count} {kind}</title>"
            parts.append(
                f'<rect class="{kind}" x="{x}" y="{y:.1f}" width="{width:.1f}" height="{high:.1f}">{hint}</rect>'
            )
        base += count
    return parts


def _latency(timeline: Timeline, top: int) -> list[str]:
    highest = max((bucket.p95_ms or 0.0 for bucket in timeline.buckets), default=1.0)
    limit = _round_up(highest)
    parts = _grid(top, limit)
    for kind in ("p95", "p50"):
        path, pen_down = [], False
        for bucket in timeline.buckets:
            value = bucket.p95_ms if kind == "p95" else bucket.p50_ms
            if value is None:
                pen_down = False
                continue
            path.append(f"{'L' if pen_down else 'M'}{_x(timeline, bucket.at_s + 0.5)} {_y(top, limit, value):.1f}")
            pen_down = True
        parts.append(f'<path class="{kind}" d="{" ".join(path)}"><title>{kind} of the latency</title></path>')
    return parts


def _mails(timeline: Timeline, top: int) -> list[str]:
    limit = _round_up(max(bucket.mails for bucket in timeline.buckets))
    parts = _grid(top, limit)
    for bucket in timeline.buckets:
        if bucket.mails:
            x = _x(timeline, bucket.at_s)
            width, y = max(1.0, _x(timeline, bucket.at_s + 1) - x - 1), _y(top, limit, bucket.mails)
            hint = f"<title>{bucket.at_s:.0f} s: {bucket.mails} mails</title>"
            box = f'x="{x}" y="{y:.1f}" width="{width:.1f}" height="{top + _PANEL - y:.1f}"'
            parts.append(f'<rect class="mail" {box}>{hint}</rect>')
    return parts


def _grid(top: int, limit: float) -> list[str]:
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = _y(top, limit, limit * share)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{limit * share:g}</text>')
    return parts


def _axis(timeline: Timeline, y: int) -> list[str]:
    step = next((one for one in _TICKS_S if timeline.length_s / one <= _MAX_TICKS), _TICKS_S[-1])
    parts = []
    for tick in range(0, int(timeline.length_s) + 1, step):
        x = _x(timeline, tick)
        parts.append(f'<text class="tick" x="{x}" y="{y + 16}" text-anchor="middle">{tick} s</text>')
    return parts


def _violations(timeline: Timeline, bottom: int) -> list[str]:
    parts = []
    for mark in timeline.violations:
        x = _x(timeline, mark.at_s)
        hint = f"<title>{escape(mark.label)}</title>"
        parts.append(f'<line class="violation" x1="{x}" x2="{x}" y1="{_TOP - 12}" y2="{bottom}">{hint}</line>')
        top = _TOP - 20
        parts.append(f'<path class="violation-mark" d="M{x - 5} {top} L{x + 5} {top} L{x} {top + 9} Z">{hint}</path>')
    return parts


def _y(top: int, limit: float, value: float) -> float:
    return top + _PANEL - min(value, limit) / limit * _PANEL


def _round_up(value: float) -> float:
    """The next round number, so that the axis can be read."""
    if value <= 1:
        return 1.0
    magnitude = 10.0 ** (len(str(int(value))) - 1)
    return next(one * magnitude for one in _ROUND if one * magnitude >= value)
