"""What callers may say: the checks that several services share."""

import re
import unicodedata
import uuid
from typing import Any

from aiohttp import web

from gameday.storefront.problems import Problem

_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
)

IDENTIFIER = r"[A-Za-z0-9_-]{1,64}"

LONGEST_NAME, LONGEST_MESSAGE, LONGEST_REVIEW = 80, 500, 1000
"""Characters of what people write: web's forms take what the services behind them do."""
MOST_IN_CART = 99
"""Of one product."""


def route(name: str) -> str:
    """The part of a route that is an id."""
    return "{" + name + ":" + IDENTIFIER + "}"


def identifier(body: dict[str, Any], name: str) -> str:
    """The id in field `name`; raises Problem 422."""
    value = body.get(name)
    if not isinstance(value, str) or not re.fullmatch(IDENTIFIER, value):
        raise Problem(422, f"{name} is missing or not an id")
    return value


def count(body: dict[str, Any], name: str, *, most: int, default: int | None = None) -> int:
    """The whole number from 1 to `most` in field `name`; raises Problem 422."""
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise Problem(422, f"{name} is not a whole number from 1 to {most}")
    return value


def email(body: dict[str, Any], name: str = "email") -> str:
    """The address in field `name`, in lower case; raises Problem 422."""
    value = body.get(name)
    if not isinstance(value, str) or len(value) > 254 or not _EMAIL.fullmatch(value):  # noqa: PLR2004 - RFC 5321
        raise Problem(422, f"{name} is not an e-mail address")
    return value.lower()


def line(body: dict[str, Any], name: str, *, longest: int, required: bool = True) -> str:
    """Free text in field `name` as one line without control characters; raises Problem 422."""
    value = body.get(name, "" if not required else None)
    if not isinstance(value, str):
        raise Problem(422, f"{name} is missing" if value is None else f"{name} is not text")
    spaced = "".join(" " if char.isspace() else char for char in value)
    clean = " ".join("".join(char for char in spaced if unicodedata.category(char) not in {"Cc", "Cs"}).split())
    if required and not clean:
        raise Problem(422, f"{name} is empty")
    if len(clean) > longest:
        raise Problem(422, f"{name} is longer than {longest} characters")
    return clean


def language(body: dict[str, Any], name: str = "lang") -> str:
    """The language in field `name`: French when it says so, else English."""
    return "fr" if body.get(name) == "fr" else "en"


def uuid_in(request: web.Request, name: str, otherwise: str) -> str:
    """The UUID in the route's part `name`; else raises Problem 404 with the words `otherwise`."""
    try:
        return str(uuid.UUID(request.match_info[name]))
    except ValueError:
        raise Problem(404, otherwise) from None
