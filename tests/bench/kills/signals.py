"""Interrupt runs at many points, and see that they undo at once, whoever asks them to be quick.

    python -m tests.bench.kills.signals [--points 50] [--shops 3] [--seed 1] [--output docs/signals.md]

SIGINT or SIGTERM, to the runner or to its whole process group, at one of its writes to the API or up to a second
later; another signal follows while it undoes. Fails (exit 1) when the undo begins later than 1 s after the signal, an
object is restored later than 7 s after it, or is not, or the exit code, a journal or the report is not as it must be.
"""

from __future__ import annotations

import signal
import statistics
import sys
from typing import TYPE_CHECKING

from tests.bench.calm import MOST
from tests.bench.kills.command import command
from tests.bench.kills.interruption import AGAIN_S, BEGINS_S, LATER_S, RESTORED_S, stop

if TYPE_CHECKING:
    from tests.bench.kills.interruption import Stopped
    from tests.bench.kills.matrix import Matrix

_WHAT = (
    "`{command}`, {minutes:.0f} min. SIGINT or SIGTERM at one of a run's writes to the API or up to "
    f"{LATER_S:g} s later, another of them up to {AGAIN_S:g} s after that. The undo must begin within {BEGINS_S:g} s, "
    f"every object be as it was within {RESTORED_S:g} s; what this machine was not calm for is added to a bound, which "
    f"is never more than {MOST} times as long. Exit code, journal and report must be right."
)
_COLUMNS = (
    "signal", "interrupted", "at different moments", "undoing already", "else the undo began after: median, most, s",
    "restored after: median, most, s", "over after: median, most, s", "not as it must be",
)  # fmt: skip


def page(matrix: Matrix[Stopped], said: str, took_s: float) -> str:
    """The page: a table by signal and addressee, then whatever was not as it must be."""
    lines = ["# Runs that were interrupted", "", _WHAT.format(command=said, minutes=took_s / 60)]
    lines += ["", f"| {' | '.join(_COLUMNS)} |", f"|{' --- |' * len(_COLUMNS)}"]
    for number in (signal.SIGINT, signal.SIGTERM):
        for group in (False, True):
            some = [one for one in matrix.results if (one.how.number, one.how.group) == (number, group)]
            if some:
                begins = [o.begins_s for o in some if o.begins_s is not None]
                columns = (begins, [o.restored_s for o in some], [o.took_s for o in some])
                times = [f"{statistics.median(c):.2f}, {max(c):.2f}" if c else "-" for c in columns]
                moments = len({(o.point.experiment, o.point.number, o.point.when) for o in some})
                whom = "the group" if group else "the runner"
                bad = sum(bool(o.problem) for o in some)
                cells = [f"{number.name} to {whom}", len(some), moments, len(some) - len(begins), *times, bad]
                lines.append(f"| {' | '.join(map(str, cells))} |")
    if matrix.missed:
        missed = f"{len(matrix.missed)} runs were over before they came to their point"
        lines += ["", f"{missed}; for each another was drawn."]
    amiss = [one for one in matrix.results if one.problem]
    lines += ["", *(f"- {o.point.experiment}, write {o.point.number} {o.point.when} ({o.write}): {o}" for o in amiss)]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    sys.exit(command("python -m tests.bench.kills.signals", 50, stop, page))
