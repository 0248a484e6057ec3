"""Letters: an event and a recipient, rendered into a mail. Strictly, unless that safeguard is off."""

import hashlib
import re
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, localtime
from typing import Any

from jinja2 import DictLoader, StrictUndefined, TemplateError, TemplateNotFound, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gameday.storefront.mailer.config import Config, Held
from gameday.storefront.mailer.events import GIFT_ALERT, Event, Facts, Recipient

DOMAIN = "shop.example"
SENDER = formataddr(("The Shop", f"orders@{DOMAIN}"))
PARTS = ("subject", "txt", "html")
_LEFT_OVER = re.compile(r"\{\{|\}\}|\{%|%\}|\bNone\b|\bundefined\b")
# What shoppers wrote is not the template's: a message about {{ must not hold the mail.
_SHOPPERS_WORDS = ("from_name", "message")


@dataclass(frozen=True)
class Letter:
    """A mail ready to go."""

    template: str
    event_id: str
    recipient: str
    content: bytes


class Renderer:
    """Renders the templates of one configuration."""

    def __init__(self, config: Config, *, strict: bool, shop_url: str) -> None:
        self.config = config
        self._strict = strict
        self._shop_url = shop_url
        self._environment = _environment(config, strict=strict)

    def letter(self, event: Event, facts: Facts, recipient: Recipient) -> Letter:
        """The mail about `event` to `recipient`; raises Held when it would not be fit to send."""
        context = self._context(event, facts, recipient)
        if self._strict:
            trial = self._parts(event.kind, recipient.lang, _without_shoppers_words(context))
            for part, text in trial.items():
                _require_sound(part, text)
        parts = self._parts(event.kind, recipient.lang, context)
        content = _message(event, recipient, parts).as_bytes()
        return Letter(event.kind, event.event_id, recipient.email, content)

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
            "shop_url": self._shop_url,
            "customer": {"name": recipient.name, "email": recipient.email, "lang": lang},
        }
        if event.kind == GIFT_ALERT:
            words = {name: row[name] for name in _SHOPPERS_WORDS}
            gift = {"id": row["gift"], "product": row[f"name_{lang}"], **words}
            return {**shared, "registry": {"id": row["registry_id"], "owner": row["name"]}, "gift": gift}
        lines = [
            {
                "product": line[f"name_{lang}"],
                "quantity": line["quantity"],
                "price": money(line["quantity"] * line["price_cents"], lang),
            }
            for line in facts.lines
        ]
        number, total = row["order_id"][:8].upper(), money(row["total_cents"], lang)
        return {**shared, "order": {"id": row["order_id"], "number": number, "total": total, "lines": lines}}


def money(cents: int, lang: str) -> str:
    """An amount in euros, written as the language does."""
    return f"{cents / 100:.2f} €".replace(".", ",") if lang == "fr" else f"€{cents / 100:.2f}"


def message_id(template: str, event_id: str, recipient: str) -> str:
    """The same for the same mail, so that a repeated sending can be told."""
    digest = hashlib.sha256(f"{template}|{event_id}|{recipient}".encode()).hexdigest()
    return f"<{digest[:32]}@{DOMAIN}>"


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


def _without_shoppers_words(context: dict[str, Any]) -> dict[str, Any]:
    if "gift" not in context:
        return context
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


def _message(event: Event, recipient: Recipient, parts: dict[str, str]) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = SENDER
    message["To"] = formataddr((recipient.name, recipient.email))
    message["Subject"] = " ".join(parts["subject"].split())
    message["Date"] = format_datetime(localtime())
    message["Message-ID"] = message_id(event.kind, event.event_id, recipient.email)
    message["Content-Language"] = recipient.lang
    message["X-Shop-Template"] = event.kind
    message["X-Shop-Event"] = event.event_id
    message.set_content(parts["txt"], cte="quoted-printable")
    message.add_alternative(parts["html"], subtype="html", cte="quoted-printable")
    return message
