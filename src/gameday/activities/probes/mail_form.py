"""Probes on a mail itself: its words, its links, its signature, and the way out of bulk mail."""

from __future__ import annotations

import base64
import re
import time
from functools import lru_cache, partial
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError

from gameday.activities.books import BooksError, fetch
from gameday.activities.mailreading import ALERT, NEWSLETTER, enough, judge_mails
from gameday.activities.session import Reading, View
from gameday.kube import ApiException

if TYPE_CHECKING:
    from gameday.activities.books import Gift
    from gameday.activities.mailbox import Mail

__all__ = ["bulk_mail_can_be_unsubscribed", "links_lead_to_the_item", "mails_are_signed", "mails_are_whole"]

BULK = frozenset({NEWSLETTER})
RECORD, RECORD_KEY = "mailer-dkim-record", "public.txt"
_BROKEN = re.compile(
    r"\{\{|\{%|%\}|\}\}|\$\{|\bNone\b|\b[Uu]ndefined\b|\bnull\b|\bTODO\b|\b[Ll]orem [Ii]psum\b"
    r"|\b[Tt]emplate [Tt]est\b|\b[Ii]ntegration [Tt]est\b"
    r"|\b(?:Dear|Hello|Bonjour) (?:[Cc]ustomer|[Cc]lient|[Ff]riend)\b"
)
_HREF = re.compile(r"""(?:href|src)\s*=\s*["']([^"']*)["']""", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s<>\"')]+")
_MARKUP = re.compile(r"(?s)<(style|script|head)\b.*?</\1>|<[^>]*>")
_ONE_CLICK = b"List-Unsubscribe=One-Click"


def mails_are_whole(templates: list[str] | None = None, at_least: int = 5) -> dict[str, Any]:
    """Is each mail's subject, text and HTML there, without template tokens, None, fallback greeting or test marker?

    What a mail is about must be named in its text and its HTML. Of `templates` only when given. Undecided with fewer
    than `at_least` of them in the fault window.
    """
    return judge_mails("mails_are_whole", partial(measure_words, templates=templates, at_least=at_least))


def links_lead_to_the_item(host: str = "shop.example", at_least: int = 5, follow: int = 12) -> dict[str, Any]:
    """Is every link on `host`, and does it answer 200 with a page that is not blank and shows the mail's item?

    A gift's link must lead into the registry that it was bought for. At the end of the window the links of the newest
    `follow` mails are followed, through the edge, in the mail's language. Undecided with fewer than `at_least` mails.
    """
    return judge_mails("links_lead_to_the_item", partial(measure_links, host=host, at_least=at_least, follow=follow))


def mails_are_signed(record: str | None = None, at_least: int = 5) -> dict[str, Any]:
    """Does each mail's DKIM signature verify, its `d=` align with From, and is there one From, Date and Message-ID?

    `record`: the DNS record of the key; else it is read from the ConfigMap mailer-dkim-record, key public.txt. No DNS
    is asked. Undecided with fewer than `at_least` mails in the fault window.
    """
    return judge_mails("mails_are_signed", partial(_measure_signatures, record=record, at_least=at_least))


def bulk_mail_can_be_unsubscribed(record: str | None = None, at_least: int = 1) -> dict[str, Any]:
    """Has each bulk mail both List-Unsubscribe headers (RFC 8058), signed, and does the one-click POST suppress?

    At the end of the window one reader of a bulk mail unsubscribes, without a cookie, and stays unsubscribed: as any
    reader may. Undecided with fewer than `at_least` bulk mails in the fault window. `record` as in mails_are_signed.
    """
    return judge_mails(
        "bulk_mail_can_be_unsubscribed", partial(_measure_unsubscribing, record=record, at_least=at_least)
    )


def measure_words(view: View, mails: list[Mail], *, templates: list[str] | None, at_least: int) -> Reading:
    """Mails as their readers see them."""
    ours = [mail for mail in mails if mail.template and (templates is None or mail.template in templates)]
    items = _items(view) if ours else {}
    for mail in ours:
        words = {"subject": mail.subject, "text": mail.text, "HTML": shown(mail.html)}
        for part, said in words.items():
            broken = _BROKEN.search(said)
            if broken or not said.strip():
                what = f"its {part} has {broken.group()!r} in it" if broken else f"its {part} is empty"
                return Reading("violated", f"{mail.template} {mail.subject!r}: {what}", {"mails": len(ours)})
            shows = items.get(mail.event, ())
            if part != "subject" and shows and not any(item in " ".join(said.split()) for item in shows):
                what = f"its {part} has a gap where its item is ({shows[0]})"
                return Reading("violated", f"{mail.template} {mail.subject!r}: {what}", {"mails": len(ours)})
    return enough(view, ours, at_least if templates is None or not view.baseline_phase else 0, "are whole", {})


def measure_links(view: View, mails: list[Mail], *, host: str, at_least: int, follow: int) -> Reading:
    """Links, and at the end of the window the pages behind them."""
    ours = [mail for mail in mails if mail.template]
    for mail in ours:
        for link in links(mail):
            parts = urlsplit(link)
            if parts.scheme not in ("http", "https") or parts.netloc != host:
                return Reading("violated", f"{mail.template} {mail.subject!r} links to {link[:80]}, not on {host}", {})
    wanted = sorted(ours, key=lambda mail: mail.created_at)[-follow:] if view.final else []
    gifts, items = (view.session.database.gifts(), _items(view)) if wanted else ({}, {})
    for mail in wanted:
        shows = items.get(mail.event, ())
        for link in links(mail):
            if wrong := _misled(mail, link, gifts) or _wrong_page(view, mail, link, shows):
                return Reading("violated", f"{mail.template} {mail.subject!r}: {link[:120]} {wrong}", {})
    return enough(view, ours, at_least, "link to the shop, and to what they are about", {"followed": len(wanted)})


def measure_signatures(view: View, mails: list[Mail], *, record: str, at_least: int) -> Reading:
    """Signatures by the key of the record. In the baseline: mail comes; the window shows whether it is signed."""
    if view.baseline_phase:
        return enough(view, mails, 1, "came", {})
    for mail in mails:
        if wrong := _unsigned(mail, record):
            return Reading("violated", f"{mail.template or 'a mail'} {mail.subject!r}: {wrong}", {"mails": len(mails)})
    return enough(view, mails, at_least, "are signed by the shop", {})


def measure_unsubscribing(view: View, mails: list[Mail], *, record: str, at_least: int) -> Reading:
    """The headers of bulk mail, and what one click does."""
    bulk = [mail for mail in mails if mail.template in BULK]
    for mail in bulk:
        if wrong := _no_way_out(mail, record):
            return Reading("violated", f"{mail.template} to {mail.to[0]}: {wrong}", {"bulk": len(bulk)})
    if view.baseline_phase:
        return Reading("holds", f"{len(bulk)} bulk mails so far", {"bulk": len(bulk)})
    reading = enough(view, bulk, at_least, "can be unsubscribed from by one click", {"bulk": len(bulk)})
    if reading.verdict == "holds" and view.final:
        mail = min(bulk, key=lambda one: one.to[0])
        if wrong := _click(view, mail):
            return Reading(
                "violated", f"the one-click POST of {mail.template} to {mail.to[0]}: {wrong}", reading.numbers
            )
    return reading


def links(mail: Mail) -> list[str]:
    """Every link of a mail's HTML and text, once each."""
    found = [unescape(link) for link in _HREF.findall(mail.html)] + _URL.findall(mail.text)
    return list(dict.fromkeys(link.rstrip(".,;") for link in found if not link.startswith("mailto:")))


def shown(html: str) -> str:
    """The words of a page or of a mail's HTML."""
    return " ".join(unescape(_MARKUP.sub(" ", html)).split())


def _items(view: View) -> dict[str, tuple[str, ...]]:
    """By a mail's event, what a page about it shows at least one of."""
    database = view.session.database
    gifts = {ident: gift.product_names for ident, gift in database.gifts().items()}
    return {**database.order_products(), **{one.id: one.product_names for one in database.campaigns()}, **gifts}


def _misled(mail: Mail, link: str, gifts: dict[str, Gift]) -> str:
    """Why a gift alert's link is not to that gift in its registry, or nothing."""
    path = urlsplit(link).path
    if mail.template != ALERT or path in ("", "/"):
        return ""
    gift = gifts.get(mail.event)
    right = gift is not None and path == f"/registry/{gift.registry}/items/{gift.id}"
    return "" if right else "is not about the gift in its registry"


def _wrong_page(view: View, mail: Mail, link: str, items: tuple[str, ...]) -> str:
    """What is wrong with the page behind a link, or nothing."""
    parts = urlsplit(link)
    about_item = parts.path not in ("", "/") and not parts.path.startswith("/unsubscribe/")
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    headers = {"Accept": "text/html", "Accept-Language": mail.lang}
    status, body = fetch(view.session.shoppers.base_url + path, headers=headers)
    words = shown(body.decode("utf-8", "replace"))
    if status != 200 or not words:  # noqa: PLR2004
        return f"answers {status}" if words else f"answers {status} and is blank"
    missing = about_item and items and not any(" ".join(item.split()) in words for item in items)
    return f"does not show {items[0]}" if missing else ""


def _measure_signatures(view: View, mails: list[Mail], *, record: str | None, at_least: int) -> Reading:
    return measure_signatures(view, mails, record=_record(view, record), at_least=at_least)


def _measure_unsubscribing(view: View, mails: list[Mail], *, record: str | None, at_least: int) -> Reading:
    return measure_unsubscribing(view, mails, record=_record(view, record), at_least=at_least)


def _record(view: View, given: str | None) -> str:
    if given is not None:
        return given
    session = view.session
    try:
        found = session.kube.core.read_namespaced_config_map(RECORD, session.namespace, _request_timeout=5)
        return str(found.data[RECORD_KEY]).strip()
    except (ApiException, HTTPError, OSError, KeyError, TypeError) as problem:
        raise BooksError(f"configmap {session.namespace}/{RECORD}: {problem}") from problem


def _unsigned(mail: Mail, record: str) -> str:
    """What is wrong with a mail's signature or its singular headers, or nothing."""
    for name in ("from", "date", "message-id"):
        if (n := len(mail.headers.get(name, ()))) != 1:
            return f"it has {n} headers {name}, expected one"
    if "dkim-signature" not in mail.headers:
        return "it is not signed"
    domain, sender = _tags(mail).get("d", ""), mail.headers["from"][0].rstrip(">").rpartition("@")[2].lower()
    if sender != domain and not sender.endswith(f".{domain}"):
        return f"it is signed by {domain}, and comes from {sender}"
    return "" if _verifies(mail.raw, record) else "its signature does not verify"


def _no_way_out(mail: Mail, record: str) -> str:
    """What is wrong with the unsubscribe headers, or nothing."""
    where = mail.headers.get("list-unsubscribe", ("",))[0]
    if not re.search(r"<https?://[^>]+>", where):
        return f"List-Unsubscribe is {where[:60]!r}, expected <http…>"
    if mail.headers.get("list-unsubscribe-post", ("",))[0] != _ONE_CLICK.decode():
        return f"List-Unsubscribe-Post is not {_ONE_CLICK.decode()}"
    signed = {name.strip().lower() for name in _tags(mail).get("h", "").split(":")}
    if not {"list-unsubscribe", "list-unsubscribe-post"} <= signed:
        return "the signature does not cover both unsubscribe headers"
    return "" if _verifies(mail.raw, record) else "its signature does not verify"


def _click(view: View, mail: Mail) -> str:
    """Unsubscribe as a mail program does; what went wrong, or nothing."""
    found = re.search(r"<(https?://[^>]+)>", mail.headers["list-unsubscribe"][0])
    assert found, "checked before"
    url = view.session.shoppers.base_url + urlsplit(found[1]).path
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    status, _ = fetch(url, headers=headers, body=_ONE_CLICK)
    if status not in (200, 202, 204):
        return f"answered {status}"
    until = time.time() + 2
    while mail.to[0].lower() not in view.session.database.suppressed():
        if time.time() > until:
            return f"answered {status}, and suppressed nobody"
        time.sleep(0.1)  # another process's database tells no events
    return ""


def _tags(mail: Mail) -> dict[str, str]:
    signature = re.sub(r"\s+", "", mail.headers.get("dkim-signature", ("",))[0])
    return dict(tag.split("=", 1) for tag in signature.split(";") if "=" in tag)


@lru_cache(maxsize=4096)
def _verifies(raw: bytes, record: str) -> bool:
    """Whether the signature verifies by that record; nobody is asked."""
    import dkim  # late: only who verifies needs it

    try:
        base64.b64decode(record.rpartition("p=")[2], validate=True)
        return bool(dkim.verify(raw, dnsfunc=lambda *_, **__: record.encode()))
    except (dkim.DKIMException, ValueError) as problem:
        raise BooksError(f"the DKIM record cannot be used: {problem}") from problem
