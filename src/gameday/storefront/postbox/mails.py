"""Mails as they arrived: what is kept of each in memory, and what is read from the spool when somebody looks."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.utils import getaddresses
from functools import cached_property
from typing import Any

from gameday.storefront.postbox.spool import Place, Spool

SNIPPET_CHARS = 120
_MESSAGE_ID = re.compile(rb"^message-id:\s*<?([^>\r\n]*)>?", re.IGNORECASE | re.MULTILINE)


class MailboxFullError(Exception):
    """No more mails are kept: a mail that is dropped in silence would be one that nobody counts."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is remembered of a mail: about 500 bytes, whatever its size."""

    mail_id: str
    created_s: float
    recipients: tuple[str, ...]
    message_id: str
    place: Place


class Mail:
    """One accepted mail: the envelope's recipients and the bytes, parsed when somebody looks."""

    def __init__(self, kept: Kept, raw: bytes) -> None:
        self.kept, self.raw = kept, raw

    @property
    def created(self) -> datetime:
        """When it was accepted."""
        return datetime.fromtimestamp(self.kept.created_s, UTC)

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
        """The mail as it appears in a list. `Bcc`: whom the envelope names and no header does."""
        to, cc = self.addresses("To"), self.addresses("Cc")
        named = {one["Address"].lower() for one in (*to, *cc)}
        return {
            "ID": self.kept.mail_id,
            "MessageID": self.kept.message_id,
            "Read": False,
            "From": (self.addresses("From") or [{"Name": "", "Address": ""}])[0],
            "To": to,
            "Cc": cc,
            "Bcc": [{"Name": "", "Address": one} for one in self.kept.recipients if one.lower() not in named],
            "ReplyTo": self.addresses("Reply-To"),
            "Subject": self.header("Subject"),
            "Created": self.created.isoformat().replace("+00:00", "Z"),
            "Tags": [],
            "Size": len(self.raw),
            "Attachments": 0,
            "Snippet": self._snippet(),
        }

    @cached_property
    def headers(self) -> dict[str, list[str]]:
        """Every header with its values, unfolded, in the order of the mail."""
        found: dict[str, list[str]] = {}
        for name, value in self.message.items():
            found.setdefault(name, []).append(str(value))
        return found

    def header(self, name: str) -> str:
        """The first value of a header, unfolded and decoded, or an empty string."""
        return _decoded(self._plain.get(name, ""))

    def addresses(self, name: str) -> list[dict[str, str]]:
        """Names and addresses in a header."""
        pairs = getaddresses([str(value) for value in self._plain.get_all(name, [])])
        return [{"Name": _decoded(person), "Address": address} for person, address in pairs]

    @cached_property
    def _plain(self) -> Message:
        """The mail parsed in the old way, ten times as quick: lists are long."""
        return message_from_bytes(self.raw)

    def _snippet(self) -> str:
        part = next((one for one in self._plain.walk() if one.get_content_type() == "text/plain"), None)
        payload = part.get_payload(decode=True) if part is not None else b""
        return (
            " ".join(payload.decode("utf-8", "replace").split())[:SNIPPET_CHARS] if isinstance(payload, bytes) else ""
        )

    def _body(self, subtype: str) -> str:
        part = self.message.get_body((subtype,))
        return str(part.get_content()) if part is not None else ""


def _decoded(value: object) -> str:
    """A header's text without its encoding (RFC 2047); as it is when that is broken."""
    text = " ".join(str(value).split())
    try:
        return str(make_header(decode_header(text))) if "=?" in text else text
    except (ValueError, LookupError):
        return text


class Mailbox:
    """All mails that the spool holds, oldest first inside, newest first for callers."""

    def __init__(self, spool: Spool, *, max_mails: int, max_bytes: int) -> None:
        """Read what is there; beyond `max_mails` or `max_bytes` no mail is taken any more."""
        self._spool = spool
        self._max_mails, self._max_bytes = max_mails, max_bytes
        self._mails: dict[str, Kept] = {}
        for head, place in spool.records():
            if "forget" in head:
                self._mails.pop(head["forget"], None)
            else:
                mail_id = head["id"]
                self._mails[mail_id] = Kept(mail_id, head["at"], tuple(head["to"]), head["message_id"], place)

    def __len__(self) -> int:
        return len(self._mails)

    def keep(self, raw: bytes, recipients: tuple[str, ...]) -> Kept:
        """Keep a mail; raises MailboxFullError or OSError, and then it was not kept."""
        if len(self._mails) >= self._max_mails or self._spool.size + len(raw) > self._max_bytes:
            raise MailboxFullError
        found = _MESSAGE_ID.search(raw.partition(b"\r\n\r\n")[0])
        message_id = found[1].strip().decode("ascii", "replace") if found else ""
        mail_id, now_s = uuid.uuid4().hex[:22], datetime.now(UTC).timestamp()
        place = self._spool.add({"id": mail_id, "at": now_s, "to": recipients, "message_id": message_id}, raw)
        self._mails[mail_id] = kept = Kept(mail_id, now_s, recipients, message_id, place)
        return kept

    def get(self, mail_id: str) -> Mail | None:
        """The mail with this id; ``latest`` is the newest one."""
        kept = next(reversed(self._mails.values()), None) if mail_id == "latest" else self._mails.get(mail_id)
        return self.open(kept) if kept is not None else None

    def open(self, kept: Kept) -> Mail:
        """A mail with its bytes."""
        return Mail(kept, self._spool.read(kept.place))

    def newest_first(self) -> Iterator[Kept]:
        """What is remembered of each mail; may be walked beside the postbox's work."""
        return reversed(list(self._mails.values()))

    def forget(self, mail_ids: list[str]) -> None:
        """Forget these mails; all of them when the list is empty."""
        if not mail_ids:
            self._mails.clear()
            self._spool.empty()
        for mail_id in mail_ids:
            if self._mails.pop(mail_id, None) is not None:
                self._spool.add({"forget": mail_id})
