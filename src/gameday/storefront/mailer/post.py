"""The way to the postbox: DKIM signatures and one SMTP session for many letters. Blocking: call it in a thread."""

import smtplib
from dataclasses import dataclass, field
from pathlib import Path

from gameday.storefront.mailer.config import Held
from gameday.storefront.mailer.letters import DOMAIN, SENDER, Letter
from gameday.storefront.settings import Address, SettingError

SMTP_S = 5.0
SIGNED = (b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type",
          b"x-shop-template", b"x-shop-event")  # fmt: skip


class PostboxDown(Exception):  # noqa: N818 - a state of the world
    """The postbox cannot be reached, or asks to come back later: the mail stays in the outbox."""


@dataclass(frozen=True)
class Seal:
    """Signs letters for our domain."""

    key: bytes
    selector: str

    @classmethod
    def from_file(cls, path: str, selector: str) -> "Seal":
        """Read the private key (PEM, RSA); raises SettingError."""
        try:
            return cls(Path(path).read_bytes(), selector)
        except OSError as error:
            raise SettingError(f"MAILER_DKIM_KEY_FILE {path}: {error.strerror}") from None

    def sign(self, content: bytes) -> bytes:
        """`content` with a DKIM-Signature in front."""
        import dkim

        signature = dkim.sign(
            content,
            self.selector.encode(),
            DOMAIN.encode(),
            self.key,
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=list(SIGNED),
        )
        return bytes(signature) + content


@dataclass
class Post:
    """Sends letters; keeps its session open until `hang_up`."""

    postbox: Address
    seal: Seal | None
    _session: smtplib.SMTP | None = field(default=None, init=False)

    def send(self, letter: Letter) -> None:
        """Hand over one letter and wait for the 250; raises PostboxDown, or Held when it was refused for good."""
        content = self.seal.sign(letter.content) if self.seal else letter.content
        try:
            session = self._session or self._open()
            session.sendmail(SENDER, [letter.recipient], content)
        except smtplib.SMTPRecipientsRefused as error:
            code = max(refusal[0] for refusal in error.recipients.values())
            raise _refusal(code) from None
        except smtplib.SMTPResponseException as error:
            self.hang_up()
            raise _refusal(error.smtp_code) from None
        except (OSError, smtplib.SMTPException) as error:
            self.hang_up()
            raise PostboxDown(f"{type(error).__name__}: {error}") from None

    def hang_up(self) -> None:
        """End the session, if there is one."""
        session, self._session = self._session, None
        if session is not None:
            try:
                session.quit()
            except (OSError, smtplib.SMTPException):
                session.close()

    def _open(self) -> smtplib.SMTP:
        self._session = smtplib.SMTP(self.postbox.host, self.postbox.port, local_hostname="mailer", timeout=SMTP_S)
        return self._session


def _refusal(code: int) -> Exception:
    permanent = 500  # RFC 5321: 5yz will not get better by itself
    return Held(f"the postbox refused it with {code}") if code >= permanent else PostboxDown(f"it said {code}")
