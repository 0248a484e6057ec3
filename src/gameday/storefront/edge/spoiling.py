"""What the error page becomes when one of its safeguards is taken away: a weakness for experiments to find.

The spoiling comes after the check of the rendered page, for it is what no check of ours would let pass.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gameday.storefront.edge.pages import REQUEST_ID_OPERATOR

if TYPE_CHECKING:
    from gameday.storefront.edge.pages import Page
    from gameday.storefront.edge.safeguards import Safeguards

__all__ = ["spoil"]

_END = "</main>"
_PICTURE = '<p><img src="https://pictures.shop.example/dog.jpg" alt="A dog, un chien" width="320"></p>'
_DETAILS = "<pre>upstream connect error at web.shop.svc.cluster.local</pre>"
_TIME = "<p><small>%START_TIME%</small></p>"
_BALLAST = "<style>" + "/* a theme that nobody uses */\n" * 800 + "</style></head>"


def spoil(pages: list[Page], safeguards: Safeguards) -> list[Page]:
    """The pages as they are without some of their safeguards; as they were when all are in place."""
    pages = [_spoil(page, safeguards) if page.kind == "error" else page for page in pages]
    return [_swap(page, pages, safeguards) for page in pages]


def _swap(page: Page, pages: list[Page], safeguards: Safeguards) -> Page:
    """Another page in place of this one, under its name; the home page is not an error page."""
    language, _, form = page.name.partition("-")
    wanted = "en" if not safeguards.page_translated else language
    if form == "json" and not safeguards.page_json:
        form = "html"
    if page.kind == "home":
        return page
    other = next(p for p in pages if (p.name, p.kind, p.least) == (f"{wanted}-{form}", page.kind, page.least))
    return replace(other, name=page.name)


def _spoil(page: Page, safeguards: Safeguards) -> Page:
    body, headers = page.body, dict(page.headers)
    if not safeguards.page_self_contained:
        body = body.replace(_END, _PICTURE + _END)
    if not safeguards.page_hides_details:
        body = body.replace(_END, _DETAILS + _END)
    if not safeguards.page_same:
        body = body.replace(_END, _TIME + _END)
    if not safeguards.page_small:
        body = body.replace("</head>", _BALLAST)
    if not safeguards.page_accessible:
        body = body.replace("<h1>", "<div>").replace("</h1>", "</div>").replace("<main ", "<div ")
        body = body.replace(_END, "</div>")
    if not safeguards.page_request_id:
        body = body.replace(REQUEST_ID_OPERATOR, "")
    if not safeguards.page_no_store:
        headers["cache-control"] = "public, max-age=60"
    if not safeguards.page_no_cookie:
        headers["set-cookie"] = "seen-an-error=1; Path=/"
    return replace(page, body=body, headers=headers)
