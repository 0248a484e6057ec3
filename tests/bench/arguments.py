"""What the command lines of the benches have in common."""

from __future__ import annotations

import argparse

__all__ = ["at_least_one"]


def at_least_one(text: str) -> int:
    """A count from a command line: a bench of nothing would find nothing wrong. Raises ArgumentTypeError."""
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number, 1 at least")
    return count
