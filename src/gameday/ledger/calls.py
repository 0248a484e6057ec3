"""API calls that survive a short loss of the connection, and errors in one line."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from urllib3.exceptions import HTTPError, MaxRetryError

from gameday.kube import ApiException, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

REQUEST_TIMEOUT_S = 3.0
"""Bound of one HTTP exchange with the API server."""

PERSIST_S = 5.0
"""How long a call is tried again after a transient failure."""

TRANSIENT = frozenset({429, 500, 502, 503, 504})
NOT_FOUND = 404
CONFLICT = 409
REFUSED = 422
"""Of a JSON patch: what it tests is not so; or the object that it makes is none."""

CONNECTION_ERRORS = (HTTPError, OSError)
_POOL = re.compile(r"^(<[^>]*>|HTTPS?Connection\([^)]*\)): ")
"""How urllib3 begins the reason of a connection that failed: with the pool, by its address in memory or by its host."""


class LedgerError(Exception):
    """The ledger could not be read or written; the message is one line."""


class OvertakenError(Exception):
    """A change was not made, for what its undo would put back is no longer so; the message is one line.

    `sure`: nothing of the change can be there. Else a try of it may have come through, and somebody changed that.
    """

    def __init__(self, message: str, *, sure: bool) -> None:
        super().__init__(message)
        self.sure = sure


def persist(call: Callable[..., Any], *args: Any, within_s: float = PERSIST_S, **options: Any) -> Any:
    """Call an API method, again on a transient failure, for `within_s` seconds at most.

    Only for calls that may safely happen twice. Raises what the last try raised.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            return call(*args, _request_timeout=REQUEST_TIMEOUT_S, **options)
        except ApiException as problem:
            if problem.status not in TRANSIENT or time.monotonic() > deadline:
                raise
        except CONNECTION_ERRORS:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


class Answer(NamedTuple):
    """What became of a change, and what the server said against it."""

    how: Literal["made", "refused", "unclear"]
    why: str = ""


def change(call: Callable[..., Any], *args: Any, **options: Any) -> Answer:
    """Make a change that says what must still be so. `refused`: that is not so, and nothing of the change is there.

    `unclear`: refused as well, but after a try whose answer was lost, and which may have come through. Raises what
    the last try raised otherwise.
    """
    tries = 0

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal tries
        tries += 1
        return call(*args, **options)

    try:
        persist(counted, *args, **options)
    except ApiException as problem:
        if problem.status not in (CONFLICT, REFUSED):
            raise
        return Answer("refused" if tries == 1 else "unclear", said(problem))
    return Answer("made")


def find(call: Callable[..., Any], *args: Any, **options: Any) -> Any | None:
    """What `persist` returns, or None when there is no such object."""
    try:
        return persist(call, *args, **options)
    except ApiException as problem:
        if problem.status == NOT_FOUND:
            return None
        raise


def wait_until(holds: Callable[[], bool], timeout_s: float, *, every_s: float = 0.1) -> bool:
    """Ask until the answer is yes (True) or `timeout_s` is over (False); asks at least once."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True


def said(problem: BaseException) -> str:
    """An exception in one line: the API's own message where there is one."""
    if isinstance(problem, ApiException):
        try:
            message = json.loads(problem.body or "")["message"]
        except (ValueError, TypeError, KeyError):
            message = problem.reason
        return f"the API answered {problem.status}: {message}"
    if isinstance(problem, MaxRetryError):
        server = f"{getattr(problem.pool, 'host', '?')}:{getattr(problem.pool, 'port', '?')}"
        return f"{server} does not answer: {_POOL.sub('', one_line(problem.reason or problem))}"
    return one_line(problem)
