"""What the parameters of a fault may be: each kind of value checks exactly, and says in words what it expects. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Check", "Headers", "Number", "OneOf", "Text", "checked", "parameter"]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_VALUE = re.compile(r"[ -~]{0,1024}")
_FRAMING = {"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"}
_MOST_HEADERS = 20


class Check(Protocol):
    """Whether a value out of JSON is one that a parameter may have."""

    @property
    def expected(self) -> str:
        """What it may be, in words."""
        ...

    def accepts(self, value: Any) -> bool:
        """Whether this value is that."""
        ...


@dataclass(frozen=True)
class Number:
    """A number within bounds, `whole` or not; true and false are none."""

    least: float
    most: float
    whole: bool = False

    @property
    def expected(self) -> str:
        """Its bounds."""
        return f"a {'whole ' if self.whole else ''}number from {self.least:g} to {self.most:g}"

    def accepts(self, value: Any) -> bool:
        """Whether it is one within them."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return self.least <= value <= self.most


@dataclass(frozen=True)
class OneOf:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def expected(self) -> str:
        """All of them."""
        return f"one of {', '.join(self.words)}"

    def accepts(self, value: Any) -> bool:
        """Whether it is among them."""
        return isinstance(value, str) and value in self.words


@dataclass(frozen=True)
class Text:
    """A text of bounded length, or none."""

    longest: int

    @property
    def expected(self) -> str:
        """Its length."""
        return f"a text of at most {self.longest} characters"

    def accepts(self, value: Any) -> bool:
        """Whether it is null, or a text that is not longer; a lone half of a pair of surrogates is no character."""
        if not isinstance(value, str):
            return value is None
        return len(value) <= self.longest and not any("\ud800" <= letter <= "\udfff" for letter in value)


@dataclass(frozen=True)
class Headers:
    """HTTP headers, a mapping of names to values; not those by which the end of an answer is known."""

    @property
    def expected(self) -> str:
        """What they may be."""
        return f"at most {_MOST_HEADERS} headers of printable ASCII, none of {', '.join(sorted(_FRAMING))}"

    def accepts(self, value: Any) -> bool:
        """Whether each of them is fit to be sent as it is."""
        if not isinstance(value, dict):
            return value is None
        return len(value) <= _MOST_HEADERS and all(
            isinstance(text, str) and _NAME.fullmatch(name) and _VALUE.fullmatch(text) and name.lower() not in _FRAMING
            for name, text in value.items()
        )


def parameter(check: Check, **default: Any) -> Any:
    """A dataclass field whose values out of JSON are checked."""
    return field(metadata={"check": check}, **default)


def checked(metadata: Any, value: Any) -> str | None:
    """What a field expects, when this value is not that; else None."""
    check: Check = metadata["check"]
    return None if check.accepts(value) else check.expected
