"""What the kills showed, as a page of Markdown. Pure."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

from tests.bench.calm import MOST
from tests.bench.kills.trial import OBJECTS_S, SERVES_S

if TYPE_CHECKING:
    from tests.bench.kills.matrix import Matrix
    from tests.bench.kills.trial import Result

__all__ = ["page"]


_WHAT = (
    "`{command}`, {minutes:.0f} min. SIGKILL of a run and all its "
    "processes, at one of its writes to the API: before the server got it, or before its answer came back. Of every "
    "four kills one took the guardian's pod too. Then, on a cluster that lives on: every object as it was within "
    f"{OBJECTS_S:g} s, and within {SERVES_S:g} s more the shop serving: Deployments available, the mailer by its true "
    "configuration, the home page no fallback. What this machine was not calm for is added to a bound, which is never "
    f"more than {MOST} times as long."
)
_COLUMNS = (
    "experiment", "its writes", "kills", "at different moments", "with entries in the ledger",
    "restored after: median, most, s", "serving after that: most, s", "not as it must be",
)  # fmt: skip


def page(matrix: Matrix[Result], command: str, took_s: float) -> str:
    """The page: a table by experiment, then whatever was not as it must be."""
    results, missed, writes = matrix.results, matrix.missed, matrix.writes
    lines = ["# Runs that were killed", "", _WHAT.format(command=command, minutes=took_s / 60)]
    lines += ["", f"| {' | '.join(_COLUMNS)} |", f"|{' --- |' * len(_COLUMNS)}"]
    by_name: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_name[result.point.experiment].append(result)
    for name, some in sorted(by_name.items()):
        times = [one.restored_s for one in some]
        cells = [
            name, len(writes[name]), len(some), len({(one.point.number, one.point.when) for one in some}),
            sum(bool(one.entries) for one in some),
            f"{statistics.median(times):.1f}, {max(times):.1f}", f"{max(one.serves_s for one in some):.1f}",
            sum(bool(one.problem) for one in some),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    both = [one for one in results if one.guardian_too]
    if both:
        most = max(one.restored_s for one in both)
        lines += ["", f"With the guardian's pod: {len(both)} kills, restored after at most {most:.1f} s."]
    if missed:
        varies = "the number of kills of pods varies; for each another point was drawn"
        lines += ["", f"{len(missed)} runs ended before they came to their point ({varies})."]
    bad = [one for one in results if one.problem]
    lines += [
        "",
        *(f"- {o.point.experiment}, write {o.point.number} {o.point.when} ({o.write}): {o.problem}" for o in bad),
    ]
    return "\n".join(lines).rstrip() + "\n"
