"""The seed of what an experiment leaves to chance: an argument's, or $GAMEDAY_SEED. Pure but for the environment."""

from __future__ import annotations

import os

__all__ = ["SeedError", "seed_of"]


class SeedError(ValueError):
    """$GAMEDAY_SEED is no whole number."""


def seed_of(given: int | None = None, *, default: int = 0) -> int:
    """The seed given, else $GAMEDAY_SEED, else the default. Raises SeedError."""
    if given is not None:
        return given
    said = os.environ.get("GAMEDAY_SEED") or str(default)
    if not said.removeprefix("-").isdecimal():
        raise SeedError(f"GAMEDAY_SEED is {said!r}, expected a whole number")
    return int(said)
