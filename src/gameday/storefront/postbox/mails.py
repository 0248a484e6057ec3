"""Mails as they arrived, and the search among them."""

import shlex
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import getaddresses
from functools import cached_property
from typing import Any

SNIPPET_CHARS = 120


@dataclass(frozen=True)
class Mail:
    """One accepted mail: the envelope's recipients and the bytes, parsed when somebody looks."""

    raw: bytes
    recipients: tuple[str, ...]
    mail_id: str = field(default_factory=lambda: uuid.uuid4().hex[:22])
    created: datetime = field(default_factory=lambda: datetime.now(UTC))

    @cached_property
    def message(self) -> EmailMessage:
        """The parsed mail."""
        parsed = message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @cached_property
    def text(self) -> str:
        """The plain text part."""
        return self._body("plain")

    @cached_property
    def html(self) -> str:
        """The HTML part."""
        return self._body("html")

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The mail as it appears in a list."""
        return {
            "ID": self.mail_id,
            "MessageID": self.header("Message-ID").strip("<> "),
            "From": (self.addresses("From") or [{"Name": "", "Address": ""}])[0],
            "To": self.addresses("To"),
            "Cc": self.addresses("Cc"),
            "Bcc": [],
            "Subject": self.header("Subject"),
            "Created": self.created.isoformat().replace("+00:00", "Z"),
            "Size": len(self.raw),
            "Attachments": 0,
            "Snippet": " ".join(self.text.split())[:SNIPPET_CHARS],
        }

    @cached_property
    def headers(self) -> dict[str, list[str]]:
        """Every header with its values, unfolded, in the order of the mail."""
        found: dict[str, list[str]] = {}
        for name, value in self.message.items():
            found.setdefault(name, []).append(str(value))
        return found

    def header(self, name: str) -> str:
        """The first value of a header, or an empty string."""
        return str(self.message.get(name, ""))

    def addresses(self, name: str) -> list[dict[str, str]]:
        """Names and addresses in a header."""
        values = [str(value) for value in self.message.get_all(name, [])]
        return [{"Name": person, "Address": address} for person, address in getaddresses(values)]

    def _body(self, subtype: str) -> str:
        part = self.message.get_body((subtype,))
        return str(part.get_content()) if part is not None else ""


class Mailbox:
    """All mails since the start, oldest first inside, newest first for callers."""

    def __init__(self) -> None:
        self._mails: dict[str, Mail] = {}

    def __len__(self) -> int:
        return len(self._mails)

    def keep(self, mail: Mail) -> None:
        """Keep `mail`."""
        self._mails[mail.mail_id] = mail

    def get(self, mail_id: str) -> Mail | None:
        """The mail with this id; ``latest`` is the newest one."""
        if mail_id == "latest":
            return next(reversed(self._mails.values()), None)
        return self._mails.get(mail_id)

    def forget(self, mail_ids: list[str]) -> None:
        """Forget these mails; all of them when the list is empty."""
        for mail_id in mail_ids or list(self._mails):
            self._mails.pop(mail_id, None)

    def search(self, query: str = "") -> list[Mail]:
        """The mails that match every term of `query`, newest first; all when it is empty."""
        terms = [_term(word) for word in _words(query)]
        return [mail for mail in reversed(self._mails.values()) if all(term(mail) for term in terms)]


def _words(query: str) -> list[str]:
    try:
        return shlex.split(query)
    except ValueError:  # a quote without its pair
        return query.split()


def _term(word: str) -> Callable[[Mail], bool]:
    """One term: ``to:``, ``from:``, ``subject:``, ``message-id:``, or a plain word that may be anywhere."""
    wanted = word.lower()
    for prefix in ("to:", "from:", "subject:", "message-id:"):
        if wanted.startswith(prefix):
            name, value = prefix.rstrip(":"), wanted.removeprefix(prefix)
            return lambda mail: value in _searched(mail, name)
    return lambda mail: wanted in f"{mail.headers}\n{mail.text}\n{mail.html}".lower()


def _searched(mail: Mail, name: str) -> str:
    if name == "to":
        return " ".join((mail.header("To"), *mail.recipients)).lower()
    return mail.header(name).lower()
