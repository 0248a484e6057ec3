"""500 checkouts during a minute of random kills: what shoppers saw confirmed is there, once, with one mail each.

The mailer may die between the postbox's yes and its own note of it: it looks there before it sends that mail again.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.e2e.checkouts import Killer, Purchase
from tests.e2e.checkouts import shop as go_shopping
from tests.e2e.shopper import call, expect
from tests.e2e.storefronts import Shop, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHECKOUTS, MINUTE_S, KILL_EVERY_S = 500, 60.0, 0.8
#: Mails, and pods, may take so long to come once nobody is killed any more.
CALM_S = 60.0


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """An open shop; its cluster ends with the test."""
    monkeypatch.setenv("GAMEDAY_STATE", str(tmp_path))
    with opened() as made:
        yield made


def _query(shop: Shop, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    secret = json.loads(shop.kubectl("get", "secret", "db-credentials", "-o", "json"))["data"]
    said = {name: base64.b64decode(value).decode() for name, value in secret.items()}
    host = shop.url("db").removeprefix("http://").partition(":")[0]
    with psycopg.connect(
        host=host, user=said["username"], password=said["password"], dbname=said["database"], connect_timeout=3
    ) as connection:
        return connection.execute(sql.encode(), values or None).fetchall()


def _calm(shop: Shop) -> None:
    """Wait until every pod is there again and every event was dealt with."""
    shop.kubectl("wait", "--for=condition=Available", "deployment", "--all", f"--timeout={CALM_S:.0f}s")
    until = time.monotonic() + CALM_S
    while waiting := _query(shop, "select count(*) from outbox where processed_at is null")[0][0]:
        assert time.monotonic() < until, f"{waiting} events in the outbox were not dealt with within {CALM_S:.0f} s"
        time.sleep(0.2)


def _mails(shop: Shop) -> Counter[str]:
    """By address: mails in the postbox."""
    postbox, start = shop.url("postbox"), 0
    found: Counter[str] = Counter()
    while True:
        page = expect(200, call(f"{postbox}/api/v1/messages?start={start}&limit=200"))
        found.update(to["Address"] for mail in page["messages"] for to in mail["To"])
        start += len(page["messages"])
        if not page["messages"] or start >= page["total"]:
            return found


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_what_was_confirmed_is_kept_under_kills(shop: Shop) -> None:
    """Of 500 checkouts during 60 s of SIGKILLs none is lost or doubled, and each confirmed one has exactly one mail."""
    seed = int(os.environ.get("GAMEDAY_KILLS_SEED") or random.SystemRandom().randrange(10**6))
    print(f"seed {seed}: GAMEDAY_KILLS_SEED={seed} plays it again")  # noqa: T201 - shown when the test fails
    killer = Killer(shop.kubectl, shop.state, random.Random(seed))
    killing = threading.Thread(target=killer.work, args=(MINUTE_S, KILL_EVERY_S))
    killing.start()
    bought = asyncio.run(go_shopping(shop.url("edge"), seed=seed, checkouts=CHECKOUTS, over_s=MINUTE_S))
    killing.join()
    if killer.problem:
        raise killer.problem
    _calm(shop)
    _judge(shop, bought, killer)


def _judge(shop: Shop, bought: list[Purchase], killer: Killer) -> None:
    orders = Counter(key for (key,) in _query(shop, "select idempotency_key from orders"))
    known = {str(order) for (order,) in _query(shop, "select id from orders")}
    buyers = Counter(email for (email,) in _query(shop, "select email from orders"))
    mails = _mails(shop)
    confirmed = [one for one in bought if one.confirmed]
    print(  # noqa: T201
        f"{len(confirmed)} of {len(bought)} confirmed in {sum(one.attempts for one in bought)} attempts; "
        f"{sum(killer.kills.values())} kills: {killer.kills}; {sum(mails.values())} mails"
    )
    assert len(confirmed) >= CHECKOUTS // 2, "too few were confirmed to say anything"
    assert {"db", "mailer", "orders"} <= killer.kills.keys(), "what matters most was not killed"
    assert [one for one in confirmed if not one.confirmed <= known] == [], "confirmed, and lost"
    assert [one for one in bought if len(one.confirmed) > 1 or orders[one.key] > 1 or buyers[one.email] > 1] == []
    assert [one for one in confirmed if mails[one.email] != 1] == [], "not exactly one mail"
    assert set(mails) <= {one.email for one in bought if orders[one.key]}, "mails about no order"
