"""What shoppers do: look, buy, keep a cart for days, give presents, become members. One coroutine each."""

from __future__ import annotations

import asyncio
import random
import threading
import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gameday.load.client import Answer, Client, Visit

if TYPE_CHECKING:
    from gameday.load.samples import Recorder
    from gameday.load.schedule import Arrival

__all__ = ["CartBook", "CartLoss", "Stock", "visit_shop"]


IMPATIENT_AFTER_S = 1.0
"""Buyers who have no answer to their order by then send it again, as people click twice."""


@dataclass(frozen=True)
class Stock:
    """What is on offer: how many products (p001, ...) and registries (r0001, ...) shoppers know."""

    products: int = 40
    registries: int = 20


@dataclass(frozen=True)
class CartLoss:
    """An acknowledged item that a shopper did not find in the cart again."""

    at: float
    cart: str
    missing: str
    seen: str


class CartBook:
    """Long-lived carts as their owners remember them: every acknowledged item, and how often it was checked."""

    def __init__(self, size: int = 6) -> None:
        """Keep at most `size` carts."""
        self.size = size
        self._lock = threading.Lock()
        self._carts: dict[str, dict[str, int]] = {}
        self._losses: list[CartLoss] = []
        self._checks: list[tuple[float, str]] = []

    def carts(self) -> dict[str, dict[str, int]]:
        """Quantity by product by cart, as acknowledged so far."""
        with self._lock:
            return {cart: dict(items) for cart, items in self._carts.items()}

    def acknowledge(self, cart: str, product: str, quantity: int) -> None:
        """The shop said that this is in the cart."""
        with self._lock:
            items = self._carts.setdefault(cart, {})
            items[product] = items.get(product, 0) + quantity

    def check(self, cart: str, remembered: dict[str, int], answer: Answer) -> None:
        """Compare what a cart holds with what was `remembered` before asking; no good answer says nothing."""
        now = time.time()
        if answer.status == 404:  # noqa: PLR2004
            held: dict[str, int] = {}
        elif answer.failed:
            return
        else:
            held = {str(i.get("product")): int(i.get("quantity") or 0) for i in answer.data.get("items") or []}
        missing = {p: n for p, n in remembered.items() if held.get(p, 0) < n}
        with self._lock:
            self._checks.append((now, cart))
            if missing:
                self._losses.append(CartLoss(now, cart, str(missing), f"status {answer.status}, items {held}"))

    def losses(self, since: float = 0.0) -> list[CartLoss]:
        """What was found missing since a time."""
        with self._lock:
            return [loss for loss in self._losses if loss.at >= since]

    def checks(self, since: float = 0.0) -> list[str]:
        """The carts that could be read since a time, each as many times as it was."""
        with self._lock:
            return [cart for at, cart in self._checks if at >= since]


async def visit_shop(
    client: Client, recorder: Recorder, carts: CartBook, stock: Stock, arrival: Arrival, due: float
) -> None:
    """Play one visit, due at `due` (Unix seconds)."""
    dice = random.Random(arrival.seed)  # noqa: S311  # a schedule, not a secret
    visit = Visit(arrival.behaviour, arrival.accept_language, due)
    product = f"p{dice.randint(1, stock.products):03d}"
    if arrival.behaviour == "home":
        await client.page(visit, "/", shows="/product/")
    elif arrival.behaviour == "product":
        await client.page(visit, f"/product/{product}", shows=product)
    elif arrival.behaviour == "head":
        await client.head(visit, f"/product/{product}")
    elif arrival.behaviour == "buy":
        await _buy(client, recorder, visit, product, dice)
    elif arrival.behaviour == "cart":
        await _use_cart(client, recorder, carts, visit, product, dice)
    elif arrival.behaviour == "join":
        await _join(client, recorder, visit, dice)
    else:
        await _give(client, recorder, visit, product, f"r{dice.randint(1, stock.registries):04d}", dice)


async def _buy(client: Client, recorder: Recorder, visit: Visit, product: str, dice: random.Random) -> None:
    added = await client.post(visit, "/cart/items", {"product": product, "quantity": dice.randint(1, 3)})
    cart = added.data.get("cart")
    if added.failed or not cart:
        client.skip(visit, "POST", "/checkout", "not reached: the cart could not be filled")
        return
    await client.get(replace(visit, due=time.time()), f"/cart?id={cart}")
    key = _new_key()
    email = f"shopper-{key[:8]}@shop.example"
    wanted = {"cart": cart, "email": email}
    async with asyncio.TaskGroup() as clicks:
        sent = [clicks.create_task(client.post(replace(visit, due=time.time()), "/checkout", wanted, key=key))]
        await asyncio.wait(sent, timeout=IMPATIENT_AFTER_S)
        if not sent[0].done():
            sent.append(clicks.create_task(client.post(replace(visit, due=time.time()), "/checkout", wanted, key=key)))
    good = [answer for answer in (click.result() for click in sent) if not answer.failed]
    # A shop that makes another order of a second click has promised both.
    for order in {str(answer.data["order"]) for answer in good if answer.data.get("order")}:
        recorder.confirm("order", order, key, email)
    for answer in good:
        if not answer.data.get("order"):
            client.skip(replace(visit, due=time.time()), "POST", "/checkout", "answered without an order")


async def _join(client: Client, recorder: Recorder, visit: Visit, dice: random.Random) -> None:
    key = _new_key()
    wanted = {"name": dice.choice(("Ada", "Noé", "Zoë")), "email": f"member-{key[:8]}@shop.example"}
    joined = await client.post(visit, "/membership", wanted, key=key)
    if not joined.failed and joined.data.get("member"):
        recorder.confirm("membership", str(joined.data["member"]), key, wanted["email"])
    elif not joined.failed:
        client.skip(replace(visit, due=time.time()), "POST", "/membership", "answered without a membership")


def _new_key() -> str:
    # Never from the seed: a shop that has seen the same game day before would answer with that day's order.
    return str(uuid.uuid4())


async def _give(
    client: Client, recorder: Recorder, visit: Visit, product: str, registry: str, dice: random.Random
) -> None:
    key = _new_key()
    gift = {"product": product, "from": dice.choice(("Ada", "Noé", "Zoë & Max")), "message": "With love"}
    given = await client.post(visit, f"/registry/{registry}/gifts", gift, key=key)
    if not given.failed and given.data.get("gift"):
        recorder.confirm("gift", str(given.data["gift"]), key, registry)
    elif not given.failed:
        client.skip(replace(visit, due=time.time()), "POST", f"/registry/{registry}/gifts", "answered without a gift")


async def _use_cart(
    client: Client, recorder: Recorder, carts: CartBook, visit: Visit, product: str, dice: random.Random
) -> None:
    known = carts.carts()
    if len(known) < carts.size:
        await _put(client, recorder, carts, visit, None, product)
        return
    cart = dice.choice(sorted(known))
    if product not in known[cart] and dice.random() < 0.25:  # noqa: PLR2004  # mostly they just look
        await _put(client, recorder, carts, visit, cart, product)
        visit = replace(visit, due=time.time())
    remembered = carts.carts()[cart]
    carts.check(cart, remembered, await client.get(visit, f"/cart?id={cart}"))


async def _put(
    client: Client, recorder: Recorder, carts: CartBook, visit: Visit, cart: str | None, product: str
) -> None:
    payload: dict[str, object] = {"product": product, "quantity": 1}
    if cart:
        payload["cart"] = cart
    answer = await client.post(visit, "/cart/items", payload)
    if not answer.failed and answer.data.get("cart"):
        carts.acknowledge(str(answer.data["cart"]), product, 1)
        recorder.confirm("cart", str(answer.data["cart"]), f"{product}:1")
