"""Runs that told nothing are made again: what is inconclusive says of a busy machine, not of the shop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["TURNS", "until_told"]

TURNS = 3
"""So often a run is made at most: three nodes and a shop are much for two processors."""

_NO_JOURNAL: dict[str, Any] = {
    "verdict": "no journal", "reason": "the run left none", "baseline_met": False, "violated": [], "faults": [],
}  # fmt: skip


def _is_told(gameday: dict[str, Any]) -> bool:
    return bool(gameday["verdict"] != "inconclusive")


def until_told(
    names: Iterable[str],
    run: Callable[[list[str], int], dict[str, dict[str, Any]]],
    told: Callable[[dict[str, Any]], bool] = _is_told,
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Run all, and again those that told nothing, TURNS times in all; each that is run again is said aloud.

    Args:
        names: the runs.
        run: makes some of them; is told the how manieth time it is, from 0 on. Returns what each journal says of
            gameday, by name.
        told: whether a journal says what is asked of it; unless given, whether its verdict is one.

    Returns:
        What each said at last, where there was no journal too; and those that were run again, each with the reason.
    """
    said: dict[str, dict[str, Any]] = {}
    left, again = list(names), []
    for turn in range(TURNS):
        seen = run(left, turn)
        said |= {name: seen.get(name, _NO_JOURNAL) for name in left}
        left = [name for name in left if not told(said[name])]
        if not left or turn + 1 == TURNS:
            break
        for name in left:
            again.append(f"{name} ({said[name]['verdict']}: {said[name]['reason']})")
            print(f"run again: {again[-1]}", flush=True)
    return said, again
