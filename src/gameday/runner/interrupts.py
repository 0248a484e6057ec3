"""Signals of a command that makes something: the first ends it, and what it then clears up no other disturbs."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

__all__ = ["Interrupted", "interruptible", "undisturbed"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """A signal asked for the end; `number` is which."""

    def __init__(self, number: int) -> None:
        """`number`: the signal's."""
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.number = number


def interruptible() -> AbstractContextManager[None]:
    """The first signal that asks for an end raises Interrupted; one that our parent has ignored stays so.

    A second, often sent together with the first, would be raised on the way to what clears up after the first.
    """
    heard: list[int] = []

    def hear(number: int, _frame: Any) -> None:
        heard.append(number)
        if len(heard) == 1:
            raise Interrupted(number)

    return _handled(hear, [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN])


def undisturbed() -> AbstractContextManager[None]:
    """None of these signals is heard."""
    return _handled(signal.SIG_IGN, _SIGNALS)


@contextmanager
def _handled(handler: Any, numbers: Iterable[signal.Signals]) -> Iterator[None]:
    old = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, before in old.items():
            signal.signal(number, before)
