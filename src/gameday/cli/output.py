"""What the commands print on stdout: tables and the last line."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from gameday.activities.sampling import expected_samples
from gameday.cli.consoles import QuietConsole
from gameday.runner.progress import STYLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gameday.runner.blast import Hit
    from gameday.runner.gameday import Outcome
    from gameday.runner.plan import Planned
    from gameday.runner.target import Target

__all__ = ["last_line", "show_leftovers", "show_plan", "show_results"]

_PLAIN_WIDTH = 240
_ORDER = ("passed", "failed", "inconclusive", "invalid", "dirty", "error")


def console() -> QuietConsole:
    """Stdout; wide when it is no terminal, so that lines are not broken for nobody."""
    out = QuietConsole(highlight=False)
    return out if out.is_terminal else QuietConsole(highlight=False, width=_PLAIN_WIDTH, soft_wrap=True)


def show_plan(planned: list[Planned], hits: Mapping[str, Sequence[Hit]]) -> None:
    """What would be run: experiments, weaknesses, faults with their targets (`hits` by the runs' names), samples."""
    out = console()
    for one in planned:
        weakness = f" on a storefront with the weakness {one.weakness}" if one.weakness else ""
        out.print(Text.assemble((one.name, "bold"), weakness, f": {one.title}"))
        for activity in one.experiment.get("method", []):
            if isinstance(activity, dict) and activity.get("type") == "action":
                out.print(Text(f"    {activity.get('name')}: {_call(activity.get('provider') or {})}", style="dim"))
                for hit in hits.get(one.run_name, ()):
                    if hit.action == activity.get("name"):
                        out.print(Text(f"        {hit}", style="dim"))
        for sampling in expected_samples(one.experiment):
            out.print(Text(f"    {sampling}", style="dim"))
    word = "run" if len(planned) == 1 else "runs"
    out.print(f"gameday: {len(planned)} {word} planned, nothing was started")


def show_results(outcome: Outcome, page: Path) -> None:
    """The table of verdicts, what is to be mended, where the report is, and the last line."""
    out = console()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("experiment", "weakness", "verdict", "seconds", "reason"):
        table.add_column(heading, justify="right" if heading == "seconds" else "left", overflow="fold")
    for result in outcome.results:
        verdict = result.judged.verdict
        table.add_row(
            result.planned.name,
            result.planned.weakness or "-",
            Text(verdict, style=STYLES[verdict]),
            f"{result.seconds:.1f}",
            Text(result.judged.reason),
        )
    out.print(table)
    for result in outcome.results:
        for command in result.judged.mend:
            out.print(Text(f"mend {result.planned.run_name}: {command}"))
    out.print(f"report: {page}")
    out.print(last_line(outcome))


def show_leftovers(target: Target) -> None:
    """Name each namespace of a run that is over, or may be, and each node that a lost fault cordoned."""
    from gameday.runner.leftovers import all_leftovers

    for one in all_leftovers(target):
        click.echo(one)


def last_line(outcome: Outcome) -> str:
    """For example `gameday: 3 passed, 1 failed in 38 s`."""
    counts = Counter(result.judged.verdict for result in outcome.results)
    said = ", ".join(f"{counts[name]} {name}" for name in _ORDER if counts[name])
    return f"gameday: {said or 'nothing was run'} in {outcome.seconds:.0f} s"


def _call(provider: dict[str, Any]) -> str:
    given = provider.get("arguments") or {}
    if provider.get("type") != "python":  # a command, or a request
        return f"{provider.get('type')} {provider.get('path') or provider.get('url')} {given or ''}".strip()
    arguments = ", ".join(f"{key}={value}" for key, value in given.items())
    return f"{provider.get('module')}.{provider.get('func')}({arguments})"
