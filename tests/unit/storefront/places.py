"""Every page of the shop, as the tests of the pages visit them."""

import asyncio
import re
import uuid
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from gameday.storefront.edge.pages import render_pages
from gameday.storefront.mailer.tokens import Tokens

from .stage import ROOT, UNSUBSCRIBE_KEY, Reply, Stage, Visitor

PAGES = (
    "home", "product", "cart", "empty cart", "checkout", "nothing to check out", "confirmation", "find", "registry",
    "new registry", "gift", "membership", "welcome", "unsubscribe",
    "fallback", "not found", "another site",
    "wrong addition", "wrong review", "wrong cart", "wrong checkout", "wrong gift", "wrong membership",
    "wrong registry", "wrong owner", "unknown owner", "used key",
)  # fmt: skip
#: Those that a form was answered with for what was wrong in it.
WRONG = tuple(name for name in PAGES if name.startswith(("wrong", "unknown")))
#: The name that the tests give, write and join with: no word of any language.
SOMEBODY = "Zyx Qwv"


@dataclass(frozen=True)
class Place:
    """How to get to a page, and the status that it must come with."""

    url: str
    cookies: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    async def visit(self, visitor: Visitor, lang: str) -> Reply:
        """Go there with a browser that speaks `lang`."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Accept": "text/html", "Accept-Language": lang, **self.headers}
        headers |= {"Cookie": cookies} if cookies else {}
        return await visitor("GET" if self.form is None else "POST", self.url, data=self.form, headers=headers)


async def _made(visitor: Visitor, url: str, body: dict[str, Any]) -> Any:
    reply = await visitor("POST", url, json=body, headers={"Idempotency-Key": uuid.uuid4().hex})
    assert reply.status == 201, reply.text
    return reply.json


async def _places(visitor: Visitor, stage: Stage, tired: str) -> dict[str, Place]:
    web, key = stage.url("web"), {"key": uuid.uuid4().hex}
    filled = {"product": "p001", "quantity": 2}
    cart = (await _made(visitor, f"{web}/cart/items", filled))["cart"]
    bought = (await _made(visitor, f"{web}/cart/items", filled))["cart"]
    order = await _made(visitor, f"{web}/checkout", {"cart": bought, "email": "customer-0003@shop.example"})
    member = await _made(visitor, f"{web}/membership", {"name": SOMEBODY, "email": f"{uuid.uuid4().hex}@shop.example"})
    await _made(visitor, f"{web}/product/p010/reviews", {"author": SOMEBODY, "stars": 4, "text": "❤"})
    present = {"product": "p005", "from": SOMEBODY, "message": "❤"}
    used = {"Idempotency-Key": uuid.uuid4().hex}
    given = await visitor("POST", f"{web}/registry/r0001/gifts", json=present, headers=used)
    opened = await _made(visitor, f"{web}/registry", {"owner": "customer-0004@shop.example", "registry_name": "❤"})
    with_cart = {"cart": cart, "count": "2"}
    token = Tokens(UNSUBSCRIBE_KEY.encode()).make(5, "customer-0005@shop.example")
    return {
        "home": Place(f"{web}/", with_cart),
        "product": Place(f"{web}/product/p010"),
        "cart": Place(f"{web}/cart", with_cart),
        "empty cart": Place(f"{web}/cart"),
        "checkout": Place(f"{web}/checkout", with_cart),
        "nothing to check out": Place(f"{web}/checkout"),
        "confirmation": Place(f"{web}/confirmation?order={order['order']}"),
        "find": Place(f"{web}/registry?product=p010"),
        "registry": Place(f"{web}/registry/r0001?product=p020"),
        "new registry": Place(f"{web}/registry/{opened['registry']}"),
        "gift": Place(f"{web}/registry/r0001/items/{given.json['gift']}"),
        "membership": Place(f"{web}/membership"),
        "welcome": Place(f"{web}/membership/{member['member']}"),
        "unsubscribe": Place(f"{web}/unsubscribe/{token}"),
        "fallback": Place(f"{tired}/"),
        "not found": Place(f"{web}/nowhere", status=404),
        "another site": Place(f"{web}/checkout", form=key, status=403, headers={"Origin": "http://elsewhere.example"}),
        "wrong addition": Place(f"{web}/cart/items", form={**key, "product": "p010", "quantity": "0"}, status=422),
        "wrong review": Place(
            f"{web}/product/p010/reviews", form={**key, "author": "", "stars": "6", "text": "x" * 1001}, status=422
        ),
        "wrong cart": Place(f"{web}/cart/items/p001", with_cart, form={"quantity": "100"}, status=422),
        "wrong checkout": Place(f"{web}/checkout", with_cart, form={**key, "email": "nobody"}, status=422),
        "wrong gift": Place(f"{web}/registry/r0001/gifts", form={**key, "from": "", "message": "x" * 501}, status=422),
        "wrong membership": Place(f"{web}/membership", form={**key, "name": "", "email": "nobody"}, status=422),
        "wrong registry": Place(f"{web}/registry?registry=../x", status=422),
        "wrong owner": Place(f"{web}/registry", form={**key, "owner": "", "registry_name": "x" * 81}, status=422),
        "unknown owner": Place(f"{web}/registry", form={**key, "owner": "nobody@elsewhere.example"}, status=422),
        "used key": Place(
            f"{web}/registry/r0002/gifts", form={"product": "p005", "from": SOMEBODY}, status=409, headers=used
        ),
    }


def places(stage: Stage, tired: str) -> dict[str, Place]:
    """Fill the shop and say where each of PAGES is; `tired` is a web service whose catalog is dead."""

    async def _run() -> dict[str, Place]:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            return await _places(Visitor(session), stage, tired)

    return asyncio.run(_run())


def edge_page(lang: str) -> str:
    """The error page that edge shows in place of a failed one, as a browser gets it."""
    bodies = [page.body for page in render_pages(ROOT / "k8s" / "base" / "files" / "edge")]
    html = next(body for body in bodies if f'<html lang="{lang}">' in body and 'data-page="error"' in body)
    filled = re.sub(r"%REQ\([\w-]+\)%", "5a9e3f0c-7c1d-4f6e-9b7a-1f2d3c4b5a69", html)
    return re.sub(r"%[A-Z_]+%", "503", filled).replace("%%", "%")
