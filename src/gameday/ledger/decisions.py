"""What undoing does with a value it finds: put it back, leave it, or say that another changed it. Pure."""

from __future__ import annotations

from enum import Enum
from typing import Any


class Decision(Enum):
    """What to do with one value."""

    DONE = "done"
    RESTORE = "restore"
    CONFLICT = "conflict"


def decide(current: Any, old: Any, fault: Any, *, same_object: bool, telling: bool) -> Decision:
    """Decide on a value by what it is, what it was, and what the fault set.

    The old value needs nothing. The fault's value goes back; in an object that was replaced
    meanwhile (`same_object` false) only when the value is `telling`: nobody but the fault
    would have set it (a selector of a proxy's, a broken template; not a count of 0). Any
    other value is another's: of a replaced object it is none of our business, of the same
    object it is a conflict, which is never overwritten.
    """
    if current == old:
        return Decision.DONE
    if current == fault:
        return Decision.RESTORE if same_object or telling else Decision.CONFLICT
    return Decision.CONFLICT if same_object else Decision.DONE


def selector_text(labels: dict[str, str]) -> str:
    """A selector as the API's lists take it.

    >>> selector_text({"app": "web", "tier": "front"})
    'app=web,tier=front'
    """
    return ",".join(f"{key}={value}" for key, value in labels.items())


def selector_change(current: dict[str, str], wanted: dict[str, str]) -> dict[str, str | None]:
    """The merge patch that makes one mapping of another: keys that are too many become null.

    >>> selector_change({"a": "1", "b": "2"}, {"b": "3"})
    {'a': None, 'b': '3'}
    """
    gone: dict[str, str | None] = dict.fromkeys(current.keys() - wanted.keys())
    return gone | wanted
