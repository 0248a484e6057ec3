"""The keys that Chaos Toolkit knows at each level of an experiment file.

From the experiment reference of chaostoolkit-lib 1.44 and 1.45. Chaos Toolkit
itself ignores any other key, so a slip of the pen silently switches a part off.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gameday.authoring.source import Source, Where

__all__ = ["KEYS", "check_keys", "did_you_mean"]

_ACTIVITY = {"type", "name", "provider", "background", "pauses", "controls", "secrets", "configuration", "ref", "dry"}

KEYS: Mapping[str, frozenset[str]] = {
    "experiment": frozenset(
        {
            "version", "title", "description", "contributions", "tags", "runtime", "controls", "configuration",
            "secrets", "extensions", "steady-state-hypothesis", "method", "rollbacks", "dry",
        }
    ),
    "hypothesis": frozenset({"title", "probes", "controls"}),
    "runtime": frozenset({"rollbacks", "hypothesis"}),
    "strategy": frozenset({"strategy"}),
    "activity": frozenset(_ACTIVITY),
    "probe": frozenset(_ACTIVITY | {"tolerance"}),
    "pauses": frozenset({"before", "after"}),
    "python": frozenset({"type", "module", "func", "arguments", "secrets"}),
    "process": frozenset({"type", "path", "arguments", "timeout", "secrets", "encoding"}),
    "http": frozenset(
        {
            "type", "url", "method", "headers", "arguments", "timeout", "expected_status", "verify_tls", "max_retries",
            "secrets", "auth",
        }
    ),
    "control": frozenset({"name", "provider", "scope", "automatic"}),
    "weakness": frozenset({"name", "violates"}),
}  # fmt: skip


def check_keys(source: Source, where: Where, value: Mapping[str, Any], level: str) -> None:
    """Complain of every key of `value` that its level does not know."""
    for key in value:
        if key not in KEYS[level]:
            known = KEYS[level]
            source.complain((*where, key), f"unknown key '{key}'{did_you_mean(str(key), known)}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """What to add to an error: the nearest known word, or else all of them."""
    words = sorted(known)
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(words) or 'none'}"
