"""A product as the pages show it."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from markupsafe import Markup

from gameday.storefront.web.asking import ask_if_quick
from gameday.storefront.web.pictures import picture


@dataclass(frozen=True)
class Goods:
    """A product, in one language; `deal_cents` is what it costs while it is a deal, `rating` the mean of its stars."""

    id: str
    name: str
    english: str
    description: str
    price_cents: int
    deal_cents: int | None
    rating: float | None
    reviews: int

    @property
    def cost_cents(self) -> int:
        """What it costs today."""
        return self.price_cents if self.deal_cents is None else self.deal_cents

    @property
    def saving(self) -> int:
        """How much less a deal costs, in percent; 0 when it is none."""
        return 100 - round(100 * self.cost_cents / self.price_cents)

    @property
    def picture(self) -> Markup:
        """Its picture, as decoration beside its name."""
        return picture(self.id, self.english)

    @property
    def portrait(self) -> Markup:
        """Its picture, which says what it is."""
        return picture(self.id, self.english, self.name)


def read(product: dict[str, Any], lang: str) -> Goods:
    """From what the catalog says of it; only a deal of the day has a `deal_cents`."""
    return Goods(
        id=product["id"],
        name=product["name"][lang],
        english=product["name"]["en"],
        description=(product.get("description") or {}).get(lang) or "",
        price_cents=product["price_cents"],
        deal_cents=product.get("deal_cents"),
        rating=product.get("rating"),
        reviews=product.get("reviews") or 0,
    )


async def known_goods(request: web.Request, products: Iterable[str], lang: str) -> dict[str, Goods]:
    """Those of the products that the catalog tells of in time, by id."""
    calls = (ask_if_quick(request, "catalog", f"/products/{product}") for product in products)
    return {product["id"]: read(product, lang) for product in await asyncio.gather(*calls) if product}
