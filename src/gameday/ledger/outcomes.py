"""What became of undoing one fault."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """What became of one entry. `mend_command` is empty when `ok`; else a shell line that mends it."""

    fault: str
    ok: bool
    detail: str
    mend_command: str = ""
    conflict: bool = False
