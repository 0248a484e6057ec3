"""Activities that are not ours: which a file has, and what the journal says that they did not do. Pure.

Chaos Toolkit calls a method passed whose action matched nothing or exited with 1, and an experiment passed
whose rollback raised. Of our own activities the ledger and the evidence tell more than a journal could; what
others did, or left behind, is nowhere on record, so their own word is all there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gameday.allowlist import activities_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Look", "calls_others", "failed_rollbacks", "idle_actions", "violated_looks"]

_OURS = "gameday.activities."
_HTTP_ERROR = 400


def calls_others(experiment: Mapping[str, Any]) -> bool:
    """Whether anything that Chaos Toolkit might call of it, wherever it stands, could set what we do not know of."""
    return not all(_is_ours(provider) for _, provider in activities_of(experiment))


def idle_actions(journal: Mapping[str, Any]) -> tuple[str, ...]:
    """The actions of the method that did nothing by their own word, though they did not raise; each a phrase.

    An empty list, as chaostoolkit-kubernetes returns for a selector without a match; a process that exited with
    anything but 0; an HTTP answer of 400 or more.
    """
    return tuple(
        f"the action {run['activity'].get('name')} did nothing: {why}"
        for run in _foreign(journal.get("run"))
        if run["activity"].get("type") == "action" and run.get("status") == "succeeded" and (why := _nothing_done(run))
    )


def failed_rollbacks(journal: Mapping[str, Any]) -> tuple[str, ...]:
    """The rollbacks that raised, were cut short, or failed by their own word; each a phrase.

    An empty list is not among them: of an undo it may mean that nothing was left to do.
    """
    return tuple(
        f"the rollback {run['activity'].get('name')} failed: {why}"
        for run in _foreign(journal.get("rollbacks"))
        if (why := _raised(run) or _refused(run))
    )


@dataclass(frozen=True)
class Look:
    """One look of a probe of somebody else's, that was not within tolerance; in Unix seconds."""

    probe: str
    began: float
    ended: float
    output: str


def violated_looks(journal: Mapping[str, Any]) -> list[Look]:
    """Every look at a continuous hypothesis, while the method ran, that a foreign probe was not content with.

    Chaos Toolkit forgets them when the last look is fine. One that raised is not among them: it could not tell.
    """
    states = (journal.get("steady_states") or {}).get("during") or []
    return [
        Look(str(run["activity"]["name"]), _unix(run["start"]), _unix(run["end"]), f"{run.get('output')!r:.200}")
        for state in states
        for run in _foreign((state or {}).get("probes"))
        if run.get("status") == "succeeded" and not run.get("tolerance_met")
    ]


def _unix(moment: str) -> float:
    """A moment of the journal, which is in UTC and does not always say so."""
    read = datetime.fromisoformat(moment)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def _foreign(runs: Any) -> Iterator[Mapping[str, Any]]:
    for run in runs or []:
        if not _is_ours(run["activity"].get("provider") or {}):
            yield run


def _is_ours(provider: Mapping[str, Any]) -> bool:
    return f"{provider.get('module', '')}.".startswith(_OURS)


def _nothing_done(run: Mapping[str, Any]) -> str:
    return "it matched nothing" if run.get("output") == [] else _refused(run)


def _refused(run: Mapping[str, Any]) -> str:
    kind, output = run["activity"]["provider"].get("type"), run.get("output")
    status = output.get("status") if isinstance(output, dict) else None
    if kind == "process" and status:
        return f"its process exited with {status}"
    if kind == "http" and isinstance(status, int) and status >= _HTTP_ERROR:
        return f"it was answered {status}"
    return ""


def _raised(run: Mapping[str, Any]) -> str:
    if run.get("status") == "succeeded":
        return ""
    said = "".join(run.get("exception") or []).strip().splitlines()
    return said[-1] if said else "it was cut short"
