"""The JSON APIs of the services: members, reviews, deals' prices, registries made, health and metrics."""

import re
import uuid
from functools import partial
from typing import Any

import pytest

from .conftest import play
from .stage import Reply, Stage, Visitor


def _key(key: str = "") -> dict[str, str]:
    return {"Idempotency-Key": key or uuid.uuid4().hex}


def _post(url: str, *bodies: dict[str, Any], key: str = "") -> list[Reply]:
    """The answers to these bodies, all under one key (or each under its own when `key` is ``each``)."""
    one = uuid.uuid4().hex if key in {"", "each"} else key

    async def scene(visit: Visitor) -> list[Reply]:
        return [
            await visit("POST", url, json=body, headers=_key(uuid.uuid4().hex if key == "each" else one))
            for body in bodies
        ]

    return play(scene)


def _get(url: str) -> Reply:
    return play(partial(_visit, url=url))


async def _visit(visit: Visitor, url: str) -> Reply:
    return await visit("GET", url)


def test_a_membership_is_made_once(stage: Stage) -> None:
    """The same key or the same address finds the membership again; another address under the key is refused."""
    url, email = f"{stage.url('members')}/members", f"{uuid.uuid4().hex}@shop.example"
    body = {"name": "Zoé", "email": email, "lang": "fr"}
    key = uuid.uuid4().hex
    made, again, other = _post(url, body, body, {**body, "email": "other-" + email}, key=key)
    (by_address,) = _post(url, {**body, "email": email.upper()})
    assert [made.status, again.status, by_address.status, other.status] == [201, 200, 200, 409]
    assert made.json == again.json == by_address.json
    assert made.json.keys() == {"member", "name", "since"}
    shown = _get(f"{url}/{made.json['member']}")
    assert (shown.status, shown.json) == (200, made.json)
    assert stage.query("select name, lang from customers where email = %s", email) == [("Zoé", "fr")]


def test_a_member_can_open_a_registry(stage: Stage) -> None:
    """Once for each key; somebody who is no customer cannot; the registry takes gifts and shows its name."""
    email = f"{uuid.uuid4().hex}@shop.example"
    url = f"{stage.url('registry')}/registries"
    assert _post(url, {"email": email})[0].status == 422
    _post(f"{stage.url('members')}/members", {"name": "Ada", "email": email})
    key = uuid.uuid4().hex
    made, again = _post(url, *[{"email": email, "name": "For our daughter"}] * 2, key=key)
    assert (made.status, again.status, made.json) == (201, 200, again.json)
    assert _post(url, {"email": "customer-0001@shop.example"}, key=key)[0].status == 409
    place = f"{url}/{made.json['registry']}"
    assert _post(f"{place}/gifts", {"product": "p001", "from": "Max"})[0].status == 201
    shown = _get(place).json
    assert (shown["owner"], shown["name"], len(shown["gifts"])) == ("Ada", "For our daughter", 1)


def test_reviews_are_counted_and_shown_newest_first(stage: Stage) -> None:
    """A review is written once for each key; the product's rating is the mean of all, and the list has 20 at most."""
    url = f"{stage.url('catalog')}/products/p030"
    before = _get(url).json
    body = {"author": "Ada", "stars": 5, "text": "So\nsoft <b>"}
    made, again = _post(f"{url}/reviews", body, body)
    assert (made.status, again.status, made.json) == (201, 200, again.json)
    _post(f"{url}/reviews", *[{**body, "stars": 1, "text": "Hm."}] * 25, key="each")
    after, shown = _get(url).json, _get(f"{url}/reviews").json["reviews"]
    assert after["reviews"] == before["reviews"] + 26
    stars = stage.query("select avg(stars)::float8 from reviews where product_id = 'p030'")[0][0]
    assert after["rating"] == pytest.approx(stars, abs=0.006)
    assert (len(shown), shown[0].keys()) == (20, {"author", "stars", "text", "at"})
    assert [one["at"] for one in shown] == sorted((one["at"] for one in shown), reverse=True)
    assert _get(f"{stage.url('catalog')}/products/p999/reviews").status == 404
    assert _post(f"{stage.url('catalog')}/products/p999/reviews", body)[0].status == 404


@pytest.mark.parametrize("bad", [{"stars": 0}, {"stars": 6}, {"stars": 4.5}, {"author": ""}, {"text": "x" * 1001}])
def test_a_review_that_makes_no_sense_is_refused(stage: Stage, bad: dict[str, Any]) -> None:
    """One to five stars, a name, a text of 1,000 characters at the most."""
    body = {"author": "Ada", "stars": 4, "text": "Fine.", **bad}
    assert _post(f"{stage.url('catalog')}/products/p001/reviews", body)[0].status == 422


def test_orders_charge_the_price_of_the_day(stage: Stage) -> None:
    """What the deals show is what the order charges, and other products cost what they cost."""
    deals = _get(f"{stage.url('catalog')}/deals").json["deals"]
    assert len(deals) == 6
    assert all(0 < deal["deal_cents"] < deal["price_cents"] for deal in deals)
    products = _get(f"{stage.url('catalog')}/products").json["products"]
    other = next(one for one in products if one["id"] not in {deal["id"] for deal in deals})
    items = [{"product": deals[0]["id"], "quantity": 3}, {"product": other["id"], "quantity": 1}]
    order = {"cart": "0" * 32, "email": "a@shop.example", "items": items}
    (made,) = _post(f"{stage.url('orders')}/orders", order)
    assert made.json["total_cents"] == 3 * deals[0]["deal_cents"] + other["price_cents"]
    lines = _get(f"{stage.url('orders')}/orders/{made.json['order']}").json["lines"]
    assert {line["product"]: line["price_cents"] for line in lines}[deals[0]["id"]] == deals[0]["deal_cents"]


@pytest.mark.parametrize(("idempotency", "orders"), [("on", 1), ("off", 2)])
def test_a_key_is_one_order_unless_it_is_ignored(stage: Stage, idempotency: str, orders: int) -> None:
    """The weakness no-idempotency-key makes two orders of one that was sent twice, and two mails."""
    email = f"{uuid.uuid4().hex}@shop.example"
    body = {"cart": "0" * 32, "email": email, "items": [{"product": "p001", "quantity": 1}]}
    with stage.start("orders", stage.spare_host(), ORDERS_IDEMPOTENCY=idempotency) as pod:
        first, second = _post(f"{pod.url}/orders", body, body)
    assert (first.status, len({first.json["order"], second.json["order"]})) == (201, orders)
    told = "select count(*) from outbox join orders on orders.id = event_id where email = %s"
    assert stage.query(told, email) == [(orders,)]


@pytest.mark.parametrize(("outbox", "told"), [("on", 1), ("off", 0)])
def test_a_pod_that_dies_after_its_answer_keeps_its_word_unless_without_outbox(
    stage: Stage, outbox: str, told: int
) -> None:
    """The weakness no-outbox forgets the confirmation of an order whose pod is killed within the next moment."""
    email = f"{uuid.uuid4().hex}@shop.example"
    body = {"cart": "0" * 32, "email": email, "items": [{"product": "p001", "quantity": 1}]}
    with stage.start("orders", stage.spare_host(), ORDERS_OUTBOX=outbox) as pod:
        assert _post(f"{pod.url}/orders", body)[0].status == 201
        pod.popen.kill()
        pod.popen.wait()
    assert stage.query("select count(*) from orders where email = %s", email) == [(1,)]
    count = "select count(*) from outbox join orders on orders.id = event_id where email = %s"
    assert stage.query(count, email) == [(told,)]


@pytest.mark.parametrize("service", ["catalog", "cart", "orders", "registry", "members", "mailer", "postbox", "web"])
def test_every_service_tells_prometheus(stage: Stage, service: str) -> None:
    """Requests by route, method and status and a histogram of latency; to nobody who comes through a proxy."""
    _get(f"{stage.url(service)}/no-such-path-{uuid.uuid4().hex}")
    reply = _get(f"{stage.url(service)}/metrics")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain")
    assert re.search(
        r'^http_requests_total\{method="GET",route="unmatched",status="404"\} [1-9]', reply.text, re.MULTILINE
    )
    assert re.search(
        r'^http_request_duration_seconds_bucket\{le="0\.05",method="GET",route="unmatched"\}', reply.text, re.MULTILINE
    )
    assert "no-such-path" not in reply.text

    async def from_outside(visit: Visitor) -> Reply:
        return await visit("GET", f"{stage.url(service)}/metrics", headers={"X-Forwarded-Proto": "http"})

    assert play(from_outside).status == 404


def test_orders_tell_how_far_the_outbox_is_behind(stage: Stage) -> None:
    """Events that wait, and the age of the oldest, as the database has them."""
    stage.processes["mailer"].stop()
    try:
        body = {"cart": "0" * 32, "email": "a@shop.example", "items": [{"product": "p001", "quantity": 1}]}
        _post(f"{stage.url('orders')}/orders", body)
        text = _get(f"{stage.url('orders')}/metrics").text
        waiting = re.search(r"^outbox_waiting (\S+)", text, re.MULTILINE)
        assert waiting
        assert float(waiting[1]) >= 1
        assert re.search(r"^outbox_lag_seconds \d", text, re.MULTILINE)
        assert re.search(r"^db_connections_in_use \d", text, re.MULTILINE)
    finally:
        stage.processes["mailer"] = stage.start("mailer")
