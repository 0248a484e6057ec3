"""Hunts of pods that end by what they have hit, so that no window need be long enough for a busy machine."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gameday import evidence

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def over_after(hits: int) -> Iterator[None]:
    """The hunt in the block ends early once it has hit so many pods, as it does when its window was ended.

    Of facts recorded from here on; whoever looks at facts afterwards, or hunts again, has them forgotten first.
    """
    ended, known = threading.Event(), len(evidence.events())

    def watch() -> None:
        while not ended.wait(0.02):
            facts = evidence.events()[known:]
            if any(fact["event"] == "fault-touched" and fact["count"] >= hits for fact in facts):
                evidence.record("aborted", reason=f"{hits} pods were hit")
                return

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()
