"""Whether the experiments lint, with the flags that they need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gameday.runner.errors import InvalidRequest
from gameday.runner.plan import plan
from gameday.runner.preflight.findings import Finding, note, ok, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gameday.runner.preflight.request import Request

__all__ = ["check_experiments"]

_DRAIN = "drain_node"


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
    if _DRAIN in request.calls() and request.on_this_machine:
        yield note(
            "drain", "an experiment drains a node, and the embedded cluster has only one, so it is refused there"
        )
