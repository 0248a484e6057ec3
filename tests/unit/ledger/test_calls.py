"""What is said of calls that failed."""

from __future__ import annotations

import socket

import pytest
import urllib3

from gameday.ledger.calls import said


def test_a_server_that_refuses_is_named_once() -> None:
    """Its address and why, and nothing of retries, URLs or objects."""
    with socket.socket() as nobody:  # bound, so that nobody else takes the port; it does not listen
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        with urllib3.PoolManager(retries=0) as pool, pytest.raises(urllib3.exceptions.MaxRetryError) as refused:
            pool.request("GET", f"http://127.0.0.1:{port}/api")
    assert said(refused.value) == (
        f"127.0.0.1:{port} does not answer: Failed to establish a new connection: [Errno 111] Connection refused"
    )
