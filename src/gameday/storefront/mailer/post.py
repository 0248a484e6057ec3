"""The way to the postbox: one SMTP session for many letters. Blocking: call it in a thread."""

import smtplib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from gameday.storefront.mailer.letters import SENDER_ADDRESS, Letter
from gameday.storefront.mailer.seal import Seal
from gameday.storefront.settings import Address

SMTP_S = 5.0
SESSION_S = 4.0
_PERMANENT = 500  # RFC 5321: 5yz will not get better by itself


class PostboxDown(Exception):  # noqa: N818 - a state of the world
    """The postbox cannot be reached, or asks to come back later: the mail stays in the outbox."""


class Fate(Enum):
    """What became of a letter."""

    ACCEPTED = "accepted"
    BOUNCED = "bounced"
    """Refused for good because of its recipient."""
    REFUSED = "refused"
    """Refused for good because of itself."""
    UNSENT = "unsent"
    """Certainly not taken: come back later."""
    DOUBTFUL = "doubtful"
    """Handed over, but no answer came."""


@dataclass(frozen=True)
class Outcome:
    """A letter, what became of it, and what the other side or the world said."""

    letter: Letter
    fate: Fate
    said: str


@dataclass
class Post:
    """Sends letters; keeps its session open until `hang_up`."""

    postbox: Address
    seal: Seal | None
    _session: smtplib.SMTP | None = field(default=None, init=False)

    def send_all(self, letters: list[Letter], go_on: Callable[[], bool]) -> list[Outcome]:
        """Hand over the letters in turn, until the world is down, `go_on` says no, or SESSION_S is over."""
        outcomes: list[Outcome] = []
        until = time.monotonic() + SESSION_S
        trouble = ""
        for letter in letters:
            if not trouble and not go_on():
                trouble = "stopped"
            if not trouble and time.monotonic() > until:
                trouble = "the rest is sent in the next round"
            outcome = Outcome(letter, Fate.UNSENT, trouble) if trouble else self.send(letter)
            if outcome.fate in (Fate.UNSENT, Fate.DOUBTFUL) and not _is_about_recipient(outcome):
                trouble = trouble or outcome.said
            outcomes.append(outcome)
        return outcomes

    def send(self, letter: Letter) -> Outcome:
        """Hand over one letter and wait for the answer."""
        content = self.seal.sign(letter.content) if self.seal else letter.content
        handed_over = False
        try:
            session = self._session or self._open()
            code, said = session.mail(SENDER_ADDRESS)
            if code == 250:  # noqa: PLR2004
                code, said = session.rcpt(letter.recipient)
                if code not in (250, 251):
                    session.rset()
                    return Outcome(letter, _refusal(code, Fate.BOUNCED), f"recipient: {code} {_text(said)}")
                handed_over = True
                code, said = session.data(content)
        except smtplib.SMTPDataError as error:  # the answer to DATA itself: nothing was handed over yet
            self.hang_up()
            return Outcome(letter, _refusal(error.smtp_code, Fate.REFUSED), f"it said {error.smtp_code}")
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            fate = Fate.DOUBTFUL if handed_over else Fate.UNSENT
            return Outcome(letter, fate, f"{type(error).__name__}: {error}")
        if code == 250:  # noqa: PLR2004
            return Outcome(letter, Fate.ACCEPTED, _text(said))
        self.hang_up()
        return Outcome(letter, _refusal(code, Fate.REFUSED), f"it said {code} {_text(said)}")

    def hang_up(self) -> None:
        """End the session, if there is one."""
        session, self._session = self._session, None
        if session is not None:
            try:
                session.quit()
            except (OSError, smtplib.SMTPException):
                session.close()

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _open(self) -> smtplib.SMTP:
        session = smtplib.SMTP(self.postbox.host, self.postbox.port, local_hostname="mailer", timeout=SMTP_S)
        code, said = session.ehlo()
        if code != 250:  # noqa: PLR2004
            session.close()
            raise smtplib.SMTPHeloError(code, said)
        self._session = session
        return session


def _refusal(code: int, permanent: Fate) -> Fate:
    return permanent if code >= _PERMANENT else Fate.UNSENT


def _is_about_recipient(outcome: Outcome) -> bool:
    return outcome.said.startswith("recipient: ")


def _text(said: bytes) -> str:
    return said.decode("ascii", "replace")[:200]
