"""Where carts are kept."""

from typing import Protocol, TypedDict

from psycopg.errors import CheckViolation, ForeignKeyViolation

from gameday.storefront.database import Database
from gameday.storefront.problems import Problem


class Item(TypedDict):
    """So many of a product."""

    product: str
    quantity: int


class Store(Protocol):
    """Keeps carts. Adding is idempotent by key: a key seen before adds nothing."""

    async def add(self, cart: str, item: Item, key: str, *, create: bool) -> list[Item]:
        """Add to a cart and return what it holds; raises Problem 404 when it is unknown and not to be made."""

    async def put(self, cart: str, item: Item) -> list[Item] | None:
        """Change how many of a product the cart holds, 0 to take it out; None when the cart is unknown.

        A product that is not in the cart (any more) stays out.
        """

    async def items(self, cart: str) -> list[Item] | None:
        """What the cart holds; None when it is unknown."""


class DatabaseStore:
    """Carts in PostgreSQL: they survive any pod."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, cart: str, item: Item, key: str, *, create: bool) -> list[Item]:
        """See Store."""
        async with self._database.connection() as connection:
            try:
                async with connection.transaction():
                    if create:
                        await connection.execute("insert into carts (id) values (%s) on conflict do nothing", (cart,))
                    added = await connection.execute(
                        "insert into cart_additions (cart_id, idempotency_key) values (%s, %s) on conflict do nothing",
                        (cart, key),
                    )
                    if added.rowcount:
                        await connection.execute(
                            "insert into cart_items as held (cart_id, product_id, quantity) values (%s, %s, %s)"
                            " on conflict (cart_id, product_id) do update"
                            " set quantity = held.quantity + excluded.quantity",
                            (cart, item["product"], item["quantity"]),
                        )
            except ForeignKeyViolation as error:
                raise _unknown(error.diag.constraint_name or "") from None
            except CheckViolation:
                raise Problem(422, "that is more of one product than a cart takes") from None
        return await self.items(cart) or []

    async def put(self, cart: str, item: Item) -> list[Item] | None:
        """See Store."""
        change = (
            "update cart_items set quantity = %(quantity)s where cart_id = %(cart)s and product_id = %(product)s"
            if item["quantity"]
            else "delete from cart_items where cart_id = %(cart)s and product_id = %(product)s"
        )
        async with self._database.connection() as connection:
            await connection.execute(change.encode(), {"cart": cart, **item})
        return await self.items(cart)

    async def items(self, cart: str) -> list[Item] | None:
        """See Store."""
        async with self._database.connection() as connection:
            cursor = await connection.execute(
                "select i.product_id, i.quantity from carts c left join cart_items i on i.cart_id = c.id"
                " where c.id = %s order by i.product_id",
                (cart,),
            )
            rows = await cursor.fetchall()
        if not rows:
            return None
        return [Item(product=row["product_id"], quantity=row["quantity"]) for row in rows if row["product_id"]]


class MemoryStore:
    """The weakness: carts end with the pod that holds them, and no other pod sees them."""

    def __init__(self) -> None:
        self._carts: dict[str, dict[str, int]] = {}
        self._keys: set[tuple[str, str]] = set()

    async def add(self, cart: str, item: Item, key: str, *, create: bool) -> list[Item]:
        """See Store."""
        if not create and cart not in self._carts:
            raise Problem(404, "no such cart")
        held = self._carts.setdefault(cart, {})
        if (cart, key) not in self._keys:
            self._keys.add((cart, key))
            held[item["product"]] = held.get(item["product"], 0) + item["quantity"]
        return await self.items(cart) or []

    async def put(self, cart: str, item: Item) -> list[Item] | None:
        """See Store."""
        held = self._carts.get(cart, {})
        if item["product"] in held:
            del held[item["product"]]
            if item["quantity"]:
                held[item["product"]] = item["quantity"]
        return await self.items(cart)

    async def items(self, cart: str) -> list[Item] | None:
        """See Store."""
        held = self._carts.get(cart)
        return None if held is None else [Item(product=name, quantity=held[name]) for name in sorted(held)]


def _unknown(constraint: str) -> Problem:
    if "product" in constraint:
        return Problem(422, "no such product")
    return Problem(404, "no such cart")
