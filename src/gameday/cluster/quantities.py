"""Quantities of Kubernetes, such as `100m` or `1.5Gi`, as numbers. Pure.

Source: the grammar in apimachinery's `resource.Quantity`.
"""

from __future__ import annotations

import re
from fractions import Fraction

__all__ = ["RULE", "quantity"]

RULE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
"""What an API server says to a text that is none."""

_FORM = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:[eE]([+-]?[0-9]{1,9})|([KMGTPE]i|[numkMGTPE])?)", re.ASCII)
_DECIMAL = {"n": -3, "u": -2, "m": -1, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_MOST_DIGITS = 30
"""Exponents beyond this are cut off: no quantity is as large, or as small."""


def quantity(text: str) -> Fraction:
    """The number that a quantity stands for. Raises ValueError when it is none."""
    found = _FORM.fullmatch(text)
    if not found:
        raise ValueError(RULE)
    number, exponent, suffix = Fraction(found[1]), found[2], found[3] or ""
    if exponent:
        return number * Fraction(10) ** max(-_MOST_DIGITS, min(_MOST_DIGITS, int(exponent)))
    if suffix.endswith("i"):
        return number * Fraction(1024) ** _DECIMAL[suffix[0].replace("K", "k")]
    return number * Fraction(1000) ** _DECIMAL.get(suffix, 0)
