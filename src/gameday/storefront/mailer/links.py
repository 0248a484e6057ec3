"""The link check: before a mail goes out, its links are followed as its reader would.

Each must be on the shop's own host and answer 200 with a page that is not blank; those to a page about the mail's item
must show that item. The shop is asked at its Service, in the mail's language: what a page says does not depend on the
name that it is called by.
"""

import re
from html import unescape
from urllib.parse import urlsplit

import aiohttp

from gameday.storefront.mailer.config import Held
from gameday.storefront.mailer.letters import Letter
from gameday.storefront.problems import Unavailable
from gameday.storefront.settings import Address

CHECK_S = 4.0
_HREF = re.compile(r"""(?:href|src)\s*=\s*["']([^"']*)["']""", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s<>\"')]+")
_WORDS = re.compile(r"(?s)<(style|script|head)\b.*?</\1>|<[^>]*>")


def links(letter: Letter) -> list[str]:
    """Every link of a letter's text and HTML, once each."""
    found = [unescape(link) for link in _HREF.findall(letter.html)] + _URL.findall(letter.text)
    return list(dict.fromkeys(link.rstrip(".,;") for link in found if not link.startswith("mailto:")))


class LinkCheck:
    """Follows links; what was found good for a mail's item is not followed again within one delivery."""

    def __init__(self, shop_url: str, web: Address, session: aiohttp.ClientSession) -> None:
        self._shop_url = shop_url
        self._host = urlsplit(shop_url).netloc
        self._web = web
        self._session = session

    async def check(self, letters: list[Letter]) -> None:
        """Follow the links of these letters, those to unsubscribe for one of each language.

        Raises Held for a link that is wrong, Unavailable when the shop does not answer: then it is too early to say.
        """
        good: set[tuple[str, ...]] = set()
        for letter in letters:
            found = links(letter)
            if not found:
                raise Held(f"the mail has no link to {self._shop_url}")
            for link in found:
                path = self._path(link)
                kind = "/unsubscribe/" if path.startswith("/unsubscribe/") else path
                key = (letter.lang, kind, *letter.shows)
                if key not in good:
                    await self._follow(letter, link, path)
                    good.add(key)

    def _path(self, link: str) -> str:
        parts = urlsplit(link)
        if parts.scheme not in ("http", "https") or parts.netloc != self._host:
            raise Held(f"the mail links to {link[:80]!r}, which is not on {self._host}")
        return f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"

    async def _follow(self, letter: Letter, link: str, path: str) -> None:
        headers = {"Accept": "text/html", "Accept-Language": letter.lang, "Host": self._host}
        try:
            async with self._session.get(
                self._web.url + path, headers=headers, allow_redirects=False, timeout=aiohttp.ClientTimeout(CHECK_S)
            ) as answer:
                status, page = answer.status, await answer.text(errors="replace")
        except (aiohttp.ClientError, TimeoutError):
            raise Unavailable("the page that a mail links to") from None
        if status >= 500:  # noqa: PLR2004
            raise Unavailable("the page that a mail links to")
        words = " ".join(unescape(_WORDS.sub(" ", page)).split())
        if status != 200 or not words:  # noqa: PLR2004
            raise Held(f"the mail links to {link[:120]}, which answers {status}{'' if words else ' and is blank'}")
        about_nothing = path == "/" or path.startswith("/unsubscribe/")
        missing = [item for item in letter.shows if " ".join(item.split()) not in words]
        if missing and not about_nothing:
            raise Held(f"the mail links to {link[:120]}, which does not show {missing[0]!r}")
