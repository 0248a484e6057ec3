"""What the shop keeps in a browser: which cart, how many things are in it, which language.

No cookie can be read by a script, and none is sent along with a form of another site (SameSite=Lax). The number of
things is kept here so that no page has to wait for the cart; who changes it deceives only themselves.
"""

from typing import Any

from aiohttp import web

CART = "cart"
COUNT = "count"
LANGUAGE = "lang"
A_YEAR_S = 365 * 24 * 3600
MOST = 9999


def keep(request: web.Request, response: web.StreamResponse, name: str, value: str) -> None:
    """Set a cookie; the language is kept for a year, the others until the browser is closed."""
    max_age = A_YEAR_S if name == LANGUAGE else None
    secure = request.headers.get("X-Forwarded-Proto") == "https"
    response.set_cookie(name, value, max_age=max_age, httponly=True, samesite="Lax", path="/", secure=secure)


def keep_count(request: web.Request, response: web.StreamResponse, items: list[dict[str, Any]]) -> None:
    """Remember how many things are in the cart."""
    keep(request, response, COUNT, str(total(items)))


def total(items: list[dict[str, Any]]) -> int:
    """How many things these are."""
    return sum(int(item["quantity"]) for item in items)


def count(request: web.Request) -> int:
    """How many things were in the cart when it was last changed or looked at; 0 when there is no sense in it."""
    kept = request.cookies.get(COUNT, "")
    return min(int(kept), MOST) if kept.isascii() and kept.isdecimal() and len(kept) < 10 else 0  # noqa: PLR2004


def forget_cart(response: web.StreamResponse) -> None:
    """The cart was bought."""
    response.del_cookie(CART, path="/")
    response.del_cookie(COUNT, path="/")
