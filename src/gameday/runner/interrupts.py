"""Signals of a command that makes something: the first ends it, and what it then clears up no other disturbs."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Interrupted", "interruptible", "undisturbed"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """A signal asked for the end; `number` is which."""

    def __init__(self, number: int) -> None:
        """`number`: the signal's."""
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.number = number


def _raise(number: int, _frame: Any) -> NoReturn:
    raise Interrupted(number)


@contextmanager
def interruptible() -> Iterator[None]:
    """Every signal that asks for an end raises Interrupted; one that our parent has ignored stays so."""
    heard = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    old = {number: signal.signal(number, _raise) for number in heard}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """None of these signals is heard."""
    old = {number: signal.signal(number, signal.SIG_IGN) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
