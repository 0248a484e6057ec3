"""JSON over HTTP with pods, by the standard library: no proxy of the environment, always a timeout."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
ANSWER_LIMIT = 1 << 20
"""Bytes of an answer that are read at most."""


class ExchangeError(Exception):
    """A pod did not answer, or not with JSON; the message says which URL and why. `status`: of an answer, or None."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def exchange(
    url: str, *, method: str = "GET", body: Any = None, token: str | None = None, timeout_s: float = 2.0
) -> Any:
    """Send a JSON body (or none) and return the JSON answer. Raises ExchangeError on all but 2xx with JSON."""
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    try:
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310  # our own http:// addresses
        with _OPENER.open(request, timeout=timeout_s) as answer:
            return json.loads(answer.read(ANSWER_LIMIT))
    except urllib.error.HTTPError as problem:
        raise ExchangeError(f"{method} {url}: answered {problem.code}, expected 2xx", problem.code) from problem
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise ExchangeError(f"{method} {url}: {problem}") from problem
