"""Letters: an event and a recipient, rendered into a mail. Strictly, unless that safeguard is off."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import format_datetime, localtime
from typing import Any

from jinja2 import DictLoader, StrictUndefined, TemplateError, TemplateNotFound, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gameday.storefront.mailer import mime
from gameday.storefront.mailer.config import Config, Held
from gameday.storefront.mailer.events import APOLOGY, GIFT_ALERT, NEWSLETTER, Event, Facts, Recipient
from gameday.storefront.mailer.rules import Rules
from gameday.storefront.mailer.tokens import Tokens

DOMAIN = "shop.example"
SENDER_ADDRESS = f"orders@{DOMAIN}"
SENDER = mime.address("The Shop", SENDER_ADDRESS)
PARTS = ("subject", "txt", "html")
_LEFT_OVER = re.compile(r"\{\{|\}\}|\{%|%\}|\bNone\b|\bundefined\b")
# What shoppers wrote is not the template's: a message about {{ must not hold the mail.
_SHOPPERS_WORDS = ("from_name", "message")


@dataclass(frozen=True)
class Letter:
    """A mail ready to go; `shows` is what the pages that it links to must show."""

    template: str
    event_id: str
    recipient: str
    message_id: str
    lang: str
    shows: tuple[str, ...]
    text: str
    html: str
    content: bytes


class Renderer:
    """Renders the templates of one configuration."""

    def __init__(self, config: Config, rules: Rules, tokens: Tokens, is_current: Callable[[], bool]) -> None:
        """`is_current` says, before each letter, whether this configuration is still the one to go by."""
        self.config = config
        self.is_current = is_current
        self._rules = rules
        self._tokens = tokens
        self._environment = _environment(config, strict=rules.strict_templates)

    def letter(self, event: Event, facts: Facts, recipient: Recipient) -> Letter:
        """The mail about `event` to `recipient`; raises Held when it would not be fit to send."""
        context = self._context(event, facts, recipient)
        parts = self._parts(event.kind, recipient.lang, context)
        if self._rules.strict_templates:
            trial = self._parts(event.kind, recipient.lang, _tamed(context)) if "gift" in context else parts
            for part, text in trial.items():
                _require_sound(part, text)
        name = message_id(event.kind, event.event_id, recipient.email)
        headers = _headers(event, recipient, parts["subject"], name)
        if event.kind == NEWSLETTER and self._rules.unsubscribe != "off":
            headers["List-Unsubscribe"] = f"<{context['unsubscribe_url']}>"
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        content = mime.compose(headers, parts["txt"], parts["html"], f"=_{name[1:33]}")
        shows = _shows(context)
        return Letter(event.kind, event.event_id, recipient.email, name, recipient.lang, shows,
                      parts["txt"], parts["html"], content)  # fmt: skip

    def _parts(self, kind: str, lang: str, context: dict[str, Any]) -> dict[str, str]:
        return {part: self._render(f"{kind}.{lang}.{part}.j2", context) for part in PARTS}

    def _render(self, name: str, context: dict[str, Any]) -> str:
        try:
            return self._environment.get_template(name).render(context)
        except TemplateNotFound:
            raise Held(f"{name} is missing") from None
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise Held(f"{name} does not render: {error}") from None

    def _context(self, event: Event, facts: Facts, recipient: Recipient) -> dict[str, Any]:
        lang, row = recipient.lang, facts.row
        shared = {
            "shop_url": self._rules.shop_url,
            "customer": {"name": recipient.name, "email": recipient.email, "lang": lang},
        }
        if event.kind == GIFT_ALERT:
            words = {name: row[name].replace("://", ":// ") for name in _SHOPPERS_WORDS}  # no link of a stranger's
            gift = {"id": row["gift"], "product": row[f"name_{lang}"], **words}
            return {**shared, "registry": {"id": row["registry_id"], "owner": row["name"]}, "gift": gift}
        if event.kind == APOLOGY:
            return shared
        if event.kind == NEWSLETTER:
            url = f"{self._rules.shop_url}/unsubscribe/{self._tokens.make(recipient.customer, recipient.email)}"
            product = {"id": row["id"], "name": row[f"name_{lang}"], "price": money(row["price_cents"], lang)}
            return {**shared, "product": product, "unsubscribe_url": url}
        return {**shared, "order": _order(row, facts.lines, lang)}


def money(cents: int, lang: str) -> str:
    """An amount in euros, written as the language does."""
    return f"{cents / 100:.2f} €".replace(".", ",") if lang == "fr" else f"€{cents / 100:.2f}"


def message_id(template: str, event_id: str, recipient: str) -> str:
    """The same for the same mail, so that a repeated sending can be told."""
    digest = hashlib.sha256(f"{template}|{event_id}|{recipient}".encode()).hexdigest()
    return f"<{digest[:32]}@{DOMAIN}>"


def _order(row: dict[str, Any], lines: list[dict[str, Any]], lang: str) -> dict[str, Any]:
    shown = [
        {
            "product": line[f"name_{lang}"],
            "quantity": line["quantity"],
            "price": money(line["quantity"] * line["price_cents"], lang),
        }
        for line in lines
    ]
    number, total = row["order_id"][:8].upper(), money(row["total_cents"], lang)
    return {"id": row["order_id"], "number": number, "total": total, "lines": shown}


def _shows(context: dict[str, Any]) -> tuple[str, ...]:
    """What a page that a mail links to must show, any of it, in the mail's language: its item."""
    if "gift" in context:
        return (context["gift"]["product"],)
    if "product" in context:
        return (context["product"]["name"],)
    return tuple(line["product"] for line in context["order"]["lines"]) if "order" in context else ()


def _environment(config: Config, *, strict: bool) -> ImmutableSandboxedEnvironment:
    def _printed(value: object) -> object:
        if strict and value is None:
            raise Held("a template prints a value that is None")
        return value

    return ImmutableSandboxedEnvironment(
        loader=DictLoader(config.files),
        undefined=StrictUndefined if strict else Undefined,
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        finalize=_printed,
    )


def _tamed(context: dict[str, Any]) -> dict[str, Any]:
    """The same without what shoppers wrote."""
    gift = context["gift"]
    return {**context, "gift": gift | {name: "x" for name in _SHOPPERS_WORDS if gift[name]}}


def _require_sound(part: str, text: str) -> None:
    if not text.strip():
        raise Held(f"the {part} is empty")
    if found := _LEFT_OVER.search(text):
        raise Held(f"the {part} shows {found.group()!r}")
    if part == "subject" and "\n" in text.strip():
        raise Held("the subject has more than one line")
    if part == "html" and not re.sub(r"(?s)<(style|title)\b.*?</\1>|<[^>]*>", "", text).strip():
        raise Held("the html shows nothing")


def _headers(event: Event, recipient: Recipient, subject: str, name: str) -> dict[str, str]:
    return {
        "From": SENDER,
        "To": mime.address(recipient.name, recipient.email),
        "Subject": mime.words(" ".join(subject.split())),
        "Date": format_datetime(localtime()),
        "Message-ID": name,
        "Content-Language": recipient.lang,
        "X-Shop-Template": event.kind,
        "X-Shop-Event": event.event_id,
    }
