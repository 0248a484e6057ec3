"""A shopper for end-to-end tests: buys and gives through edge, reads what arrived in the postbox; prints JSON.

It is a program of its own, on the standard library alone, so that it can run wherever the shop's addresses are real:
``python shopper.py EDGE_URL POSTBOX_URL``.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from typing import Any

#: No proxy: the shop's addresses mean something here only.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def call(url: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], str]:
    """One request, JSON by default: status, headers by lower-case name, text."""
    named = {"Accept": "application/json", "Content-Type": "application/json"}
    named |= {name.replace("_", "-").title(): value for name, value in headers.items()}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=named)
    try:
        with _open(request, timeout=10) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read().decode()


def expect(wanted: int, answer: tuple[int, dict[str, str], str]) -> Any:
    """The JSON of an answer that must have a certain status."""
    status, _, text = answer
    assert status == wanted, f"status {status}, expected {wanted}: {text[:500]}"
    return json.loads(text)


def shop(edge: str, postbox: str) -> dict[str, Any]:
    """Order, give, and wait for the two mails.

    Returns:
        ``order``, ``again`` (the same order asked for a second time), ``gift``, and ``mails``: those to the buyer
        and to the owner of the registry, each ``{"to": [...], "subject", "text", "headers"}``.
    """
    buyer = f"customer-0042+{uuid.uuid4().hex[:8]}@shop.example"
    cart = expect(201, call(f"{edge}/cart/items", {"product": "p001", "quantity": 2}))["cart"]
    key = str(uuid.uuid4())
    order = expect(201, call(f"{edge}/checkout", {"cart": cart, "email": buyer}, idempotency_key=key))
    again = expect(200, call(f"{edge}/checkout", {"cart": cart, "email": buyer}, idempotency_key=key))
    present = {"product": "p002", "from": "Alex", "message": "Enjoy!"}
    gift = expect(201, call(f"{edge}/registry/r0001/gifts", present, idempotency_key=str(uuid.uuid4())))
    # Counted where they are received; the owner of r0001 may have had mails before.
    mails = [
        mail_about(postbox, f'to:"{buyer}"', order["order"]),
        mail_about(postbox, 'to:"customer-0001@shop.example"', gift["gift"]),
    ]
    return {"order": order, "again": again, "gift": gift, "buyer": buyer, "mails": mails}


def mail_about(postbox: str, query: str, thing: str, timeout_s: float = 20) -> dict[str, Any]:
    """Wait for the mail that a query finds and that names ``thing`` in its event header or text."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = expect(200, call(f"{postbox}/api/v1/search?query={urllib.parse.quote(query)}"))
        for summary in found["messages"]:
            mail = expect(200, call(f"{postbox}/api/v1/message/{summary['ID']}"))
            headers = expect(200, call(f"{postbox}/api/v1/message/{summary['ID']}/headers"))
            if thing in json.dumps(headers) or thing in mail["Text"]:
                to = [address["Address"] for address in mail["To"]]
                return {"to": to, "subject": mail["Subject"], "text": mail["Text"], "headers": headers}
        assert time.monotonic() < deadline, f"no mail about {thing} within {timeout_s} s: {found}"
        time.sleep(0.2)


def look(edge: str) -> dict[str, Any]:
    """A product's page as a French browser gets it."""
    browser = {"accept": "text/html,*/*;q=0.8", "accept_language": "fr-CA,fr;q=0.9,en;q=0.5"}
    status, headers, text = call(f"{edge}/product/p001", **browser)
    return {"status": status, "headers": headers, "text": text}


def main(arguments: list[str]) -> int:
    """Print what shopping (two URLs) or looking (one URL) gave, or why it failed."""
    try:
        result = shop(*arguments) if len(arguments) > 1 else look(*arguments)
    except (AssertionError, OSError) as error:
        print(f"shopper: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps(result))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
