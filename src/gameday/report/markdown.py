"""The game day as Markdown, for a pipeline's step summary: the verdicts, and why whatever did not pass did not."""

from __future__ import annotations

import html
import re
import string
import time
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gameday.report.model import FaultRow, GameDayReport, RunReport

__all__ = ["FILE_NAME", "LIMIT_BYTES", "render"]

FILE_NAME = "summary.md"
LIMIT_BYTES = 900_000
"""GitHub drops a step summary of more than 1 MiB; a run of several steps has some room left."""

_NAME = 100
_CELL = 200
_REASON = 20_000
_FAULTS = 50
_WORST_FIRST = ("dirty", "error", "failed", "inconclusive", "invalid")
_MARKUP = set(string.punctuation) - set(",.;:%/'-")
"""What might be markup or a mention."""
_LINK = re.compile(r":(?=\S)|(?<=www)\.", re.IGNORECASE)
"""What an address or an emoji cannot do without."""
_LEFT_OUT = "\nMore than fits here; all of it is in `index.html` and the journals.\n"


def render(report: GameDayReport) -> str:
    """The summary, at most LIMIT_BYTES of UTF-8. Everything that comes from a run is escaped."""
    parts = [_head(report)]
    left = LIMIT_BYTES - _size(parts[0]) - 2 * _size(_LEFT_OUT) - _size(_foot(report))
    rows = _fit((_row(run) for run in report.runs), left // 2)
    told = sorted((run for run in report.runs if run.verdict != "passed"), key=_badness)
    return "".join([*parts, *rows, *_fit((_section(run) for run in told), left - sum(map(_size, rows))), _foot(report)])


def _head(report: GameDayReport) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in report.counts()) or "no experiment left a verdict"
    took = f" in {report.seconds:.0f} s" if isinstance(report.seconds, int | float) else ""
    began = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(report.started_at)) if report.started_at else "unknown"
    head = f"# Game day: {_text(report.verdict, _NAME)}\n\n{counts}{took}; began: {began}\n"
    if not report.runs:
        return head
    return f"{head}\n| Experiment | Weakness | Verdict | Seconds | Reason |\n| --- | --- | --- | ---: | --- |\n"


def _foot(report: GameDayReport) -> str:
    of = f"Gameday {_text(report.version, _NAME)}, run {_text(report.run_id, _NAME)}"
    on = f"on {_text(report.context, _NAME)}, seed {_text(report.seed, _NAME)}"
    return f"\n{of} {on}. Timelines and journals are in the report folder.\n"


def _row(run: RunReport) -> str:
    cells = (
        _text(run.experiment, _NAME),
        _text(run.weakness or "none", _NAME),
        _text(run.verdict, _NAME) if run.verdict == "passed" else f"**{_text(run.verdict, _NAME)}**",
        _seconds(run.seconds),
        _text(run.reason, _CELL),
    )
    return f"| {' | '.join(cells)} |\n"


def _section(run: RunReport) -> str:
    """One run that did not pass: why, how to mend it, and its faults."""
    on = f" on a storefront with the weakness {_text(run.weakness, _NAME)}" if run.weakness else ""
    parts = [f"\n## {_text(run.experiment, _NAME)}: {_text(run.verdict, _NAME)}{on}\n\n{_block([run.reason])}"]
    if run.mend:
        parts.append(f"\nTo mend it:\n\n{_block(run.mend)}")
    if run.faults:
        parts.append("\n| Fault | Target | In force at | Undone at | Touched | Problem |\n")
        parts.append("| --- | --- | ---: | ---: | ---: | --- |\n")
        parts += [_fault(fault) for fault in run.faults[:_FAULTS]]
    else:
        parts.append("\nNo fault was set.\n")
    if len(run.faults) > _FAULTS:
        parts.append(f"\nAnd {len(run.faults) - _FAULTS} faults more.\n")
    return "".join(parts)


def _fault(fault: FaultRow) -> str:
    times = (_seconds(fault.in_force_s), _seconds(fault.undone_s))
    cells = (
        _text(fault.kind or fault.fault, _NAME),
        _text(fault.target, _CELL),
        *(f"{one} s" if one != "-" else one for one in times),
        _text(fault.touched or "-", _NAME),
        _text(fault.problem or "none", _CELL),
    )
    return f"| {' | '.join(cells)} |\n"


def _badness(run: RunReport) -> int:
    return _WORST_FIRST.index(run.verdict) if run.verdict in _WORST_FIRST else len(_WORST_FIRST)


def _fit(parts: Iterable[str], left: int) -> list[str]:
    """As many of the parts as `left` bytes hold, and a word on it when they do not hold all."""
    kept: list[str] = []
    for part in parts:
        left -= _size(part)
        if left < 0:
            return [*kept, _LEFT_OUT]
        kept.append(part)
    return kept


def _size(text: str) -> int:
    return len(text.encode())


def _seconds(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, int | float) else "-"


def _text(value: object, most: int) -> str:
    r"""A text of at most `most` characters on one line that is text whatever it says.

    An entity never is markup, and a comment parts what would be a mention once the entities are read.

    >>> _text("a|b\n@team", 99)
    'a&#124;b &#64;<!-- -->team'
    """
    short = _cut(" ".join(_clean(str(value)[: 10 * most]).split()), most)
    escaped = "".join(f"&#{ord(one)};" if one in _MARKUP else one for one in short)
    return _LINK.sub(lambda found: f"&#{ord(found[0])};", escaped).replace("&#64;", "&#64;<!-- -->")


def _block(lines: Iterable[object]) -> str:
    """Lines as they are, as HTML: nothing in `<pre>` is Markdown, whatever it says, nor a mention."""
    text = _cut("\n".join(map(str, lines)), _REASON)
    return f"<pre>{html.escape(_clean(text), quote=False)}</pre>\n"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _clean(text: str) -> str:
    """Without what a terminal or a browser would act upon: control characters, turned directions, half characters."""
    return "".join("�" if unicodedata.category(one)[0] == "C" and one not in "\n\t" else one for one in text)
