"""What a check found: one line each, with the next step where something is missing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gameday.kube import one_line
from gameday.runner.errors import EnvironmentFailure, GamedayError, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Finding", "exit_code", "lacking", "last_line", "not_allowed", "note", "ok", "refusal"]


@dataclass(frozen=True)
class Finding:
    """One fact about what a run needs.

    `state`: `missing` keeps a run from going well, `note` is a limitation to know of. `exit_code` is that of a run
    which it keeps from going: 0 unless it is missing.
    """

    what: str
    state: Literal["ok", "missing", "note"]
    observed: str
    expected: str = ""
    next_step: str = ""
    exit_code: int = 0

    def __str__(self) -> str:
        expected = f", expected {self.expected}" if self.expected else ""
        next_step = f"; {self.next_step}" if self.next_step else ""
        return f"{self.state:<7}  {self.what}: {self.observed}{expected}{next_step}"


def ok(what: str, observed: str) -> Finding:
    """It is as it should be."""
    return Finding(what, "ok", observed)


def note(what: str, observed: str, next_step: str = "") -> Finding:
    """A limitation, or something that cannot be told: it keeps nobody from running."""
    return Finding(what, "note", observed, next_step=next_step)


def lacking(what: str, observed: str, expected: str, next_step: str) -> Finding:
    """This machine or the cluster lacks something: exit 5."""
    return Finding(what, "missing", observed, expected, next_step, EnvironmentFailure.exit_code)


def not_allowed(what: str, observed: str, expected: str, next_step: str) -> Finding:
    """Somebody has to ask otherwise, or to allow it: exit 2."""
    return Finding(what, "missing", observed, expected, next_step, InvalidRequest.exit_code)


def refusal(what: str, problem: GamedayError) -> Finding:
    """What a run would refuse with; the message has observed, expected and next step in it."""
    return Finding(what, "missing", one_line(problem), exit_code=problem.exit_code)


def exit_code(findings: Sequence[Finding]) -> int:
    """The worst: 5 before 2, as a game day ranks error before invalid; 0 when nothing is missing."""
    return max((finding.exit_code for finding in findings), default=0)


def last_line(findings: Sequence[Finding]) -> str:
    """`gameday: ready`, or how many things are missing."""
    missing = sum(finding.state == "missing" for finding in findings)
    if not missing:
        return "gameday: ready"
    return "gameday: 1 thing is missing" if missing == 1 else f"gameday: {missing} things are missing"
