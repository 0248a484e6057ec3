"""Whether the experiments lint, with the flags that they need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gameday.allowlist import CONTROL
from gameday.runner.errors import InvalidRequest
from gameday.runner.plan import plan
from gameday.runner.preflight.findings import Finding, not_allowed, ok, refusal
from gameday.runner.preflight.request import DRAIN, functions_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gameday.runner.plan import Planned
    from gameday.runner.preflight.request import Request

__all__ = ["check_experiments"]


def check_experiments(request: Request) -> Iterator[Finding]:
    """Plan the run, as `run` does, and keep the plan in the request: every problem is a finding."""
    try:
        request.planned.extend(plan(request.selection, request.catalogue))
    except InvalidRequest as problem:
        yield from (refusal("experiments", InvalidRequest(line)) for line in str(problem).splitlines())
        return
    allowed = str(request.selection.allowance)
    beyond = f"; allowed beyond the list: {allowed}" if allowed else ""
    yield ok("experiments", f"{len(request.planned)} checked, no problem{beyond}")
    unallowed = [one.name for one in request.planned if DRAIN in functions_of(one) and not _may_drain(one, request)]
    if unallowed:
        observed = f"a node is drained by {', '.join(unallowed)}"
        yield not_allowed("drain", observed, "somebody's word that it may be", "say --allow-drain")
    elif DRAIN in request.calls() and request.on_this_machine and request.target is None:
        yield not_allowed("drain", "the embedded cluster has one node", "two, to drain one", "say --context NAME")


def _may_drain(one: Planned, request: Request) -> bool:
    """Whether a flag or the experiment's control allows it, as the guard asks when it is run."""
    arguments = [
        (control.get("provider") or {}).get("arguments") or {}
        for control in one.experiment.get("controls") or []
        if (control.get("provider") or {}).get("module") == CONTROL
    ]
    return request.selection.allowance.drain or any(one.get("allow_drain") is True for one in arguments)
