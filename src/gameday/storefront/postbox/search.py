"""Mailpit's search syntax, the part that test suites use.

Terms are joined by "and"; quotes keep words together; `-` or `!` in front of a term excludes. `to:`, `cc:`, `bcc:`,
`from:`, `reply-to:`, `addressed:` (any of these), `subject:`, `message-id:`, `before:` and `after:` (ISO 8601); a plain
word may be anywhere in addresses, subject or text. https://mailpit.axllent.org/docs/usage/search-filters/
"""

import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from gameday.storefront.postbox.mails import Kept, Mail, Mailbox

Term = Callable[[Mail], bool]
_ADDRESSES = {"to": "To", "cc": "Cc", "bcc": "Bcc", "from": "From", "reply-to": "Reply-To"}


def search(mailbox: Mailbox, query: str = "") -> list[Kept]:
    """The mails that match every term, newest first; all when there is none. Reads the spool: call it in a thread."""
    words = _words(query)
    found = list(mailbox.newest_first())
    for word in words:  # these are in memory, so they go first
        if word.lower().startswith("message-id:"):
            wanted = word[len("message-id:") :].strip("<>").lower()
            found = [kept for kept in found if wanted in kept.message_id.lower()]
    terms = [_term(word) for word in words if not word.lower().startswith("message-id:")]
    if not terms:
        return found
    return [kept for kept in found if _matches(mailbox.open(kept), terms)]


def _matches(mail: Mail, terms: list[Term]) -> bool:
    return all(term(mail) for term in terms)


def _words(query: str) -> list[str]:
    try:
        return shlex.split(query)
    except ValueError:  # a quote without its pair
        return query.split()


def _term(word: str) -> Term:
    if len(word) > 1 and word[0] in "-!":
        return partial(_is_not, term=_term(word[1:]))
    name, colon, value = word.lower().partition(":")
    if colon and name in _ADDRESSES:
        return partial(_is_addressed, name=name, value=value)
    fields: dict[str, Term] = {
        "addressed": lambda mail: any(_is_addressed(mail, name=one, value=value) for one in _ADDRESSES),
        "subject": lambda mail: value in mail.header("Subject").lower(),
        "message-id": lambda mail: value.strip("<>") in mail.kept.message_id.lower(),
    }
    if colon and name in fields:
        return fields[name]
    if colon and name in ("before", "after") and (when := _time(value)):
        return lambda mail: mail.created <= when if name == "before" else mail.created >= when
    return partial(_says, word=word.lower())


def _is_not(mail: Mail, term: Term) -> bool:
    return not term(mail)


def _is_addressed(mail: Mail, name: str, value: str) -> bool:
    if name == "bcc":
        return any(value in one["Address"].lower() for one in mail.summary["Bcc"])
    return value in mail.header(_ADDRESSES[name]).lower() or (name == "to" and value in " ".join(mail.kept.recipients))


def _says(mail: Mail, word: str) -> bool:
    if word.encode() in mail.raw.lower():
        return True
    return word in f"{mail.headers}\n{mail.text}\n{mail.html}".lower()


def _time(value: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(value.upper())
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
