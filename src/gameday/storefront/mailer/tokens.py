"""Unsubscribe tokens: whoever has the mail has one, nobody can make one, and no database is asked to check it."""

import hashlib
import hmac
from dataclasses import dataclass


@dataclass(frozen=True)
class Tokens:
    """Makes and checks tokens by a secret key. A token ends with the address that it was made for."""

    key: bytes

    def make(self, customer: int, email: str) -> str:
        """The token of a customer: fit for a path, at most 64 characters."""
        return f"{customer}-{self._seal(customer, email)}"

    def is_sound(self, token: str, email: str) -> bool:
        """Whether `token` was made for this address."""
        customer, _, seal = token.partition("-")
        return customer.isdecimal() and hmac.compare_digest(seal, self._seal(int(customer), email))

    def _seal(self, customer: int, email: str) -> str:
        said = f"unsubscribe|{customer}|{email}".encode()
        return hmac.new(self.key, said, hashlib.sha256).hexdigest()[:32]


def customer_of(token: str) -> int | None:
    """Whose token it says it is."""
    customer = token.partition("-")[0]
    return int(customer) if customer.isascii() and customer.isdecimal() and len(customer) < 10 else None  # noqa: PLR2004
