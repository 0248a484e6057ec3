"""Whatever a caller sends, bent on purpose or not: a 4xx with a reason, never a 500, nothing of our insides."""

import asyncio
import random
import re
import string
import uuid

import pytest

from .conftest import play
from .stage import Reply, Stage, Visitor

WRITES = [
    ("catalog", "/products/p001/reviews"),
    ("cart", f"/carts/{'0' * 32}/items"),
    ("orders", "/orders"),
    ("registry", "/registries"),
    ("registry", "/registries/r0001/gifts"),
    ("members", "/members"),
    ("mailer", "/campaigns"),
    ("mailer", f"/campaigns/{uuid.UUID(int=0)}/approval"),
    ("web", "/product/p001/reviews"),
    ("web", "/cart/items"),
    ("web", "/cart/items/p001"),
    ("web", "/checkout"),
    ("web", "/registry"),
    ("web", "/registry/r0001/gifts"),
    ("web", "/membership"),
]
BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "no object": b"[1]",
    "deeply nested": b"[" * 60_000,
    "a huge number": b'{"quantity": ' + b"9" * 5000 + b"}",
    "no UTF-8": b'{"name": "\xff\xfe"}',
    "half a pair": b'{"name": "\\ud800", "email": "\\ud800@shop.example", "cart": "\\u0000"}',
    "not a number": b'{"quantity": NaN, "stars": Infinity}',
    "10 MB": b'{"name": "' + b"x" * 10_000_000 + b'"}',
}
LEAK = re.compile(
    r"Traceback|File \"|\.py\b|gameday|psycopg|aiohttp|site-packages|select .* from|insert into|/work|/usr/|/opt/",
    re.IGNORECASE,
)


def judge(reply: Reply) -> None:
    """A refusal as it must be."""
    assert 400 <= reply.status < 500, reply
    assert reply.headers["content-type"].startswith("application/problem+json")
    assert reply.json["detail"]
    assert not LEAK.search(reply.text), reply.text


@pytest.mark.parametrize("what", BODIES)
@pytest.mark.parametrize(("service", "path"), WRITES)
def test_a_bent_body_is_refused(stage: Stage, service: str, path: str, what: str) -> None:
    """Also when it says that it is JSON in some other alphabet."""

    async def scene(visit: Visitor) -> list[Reply]:
        replies = []
        for media_type in ("application/json", "application/json; charset=nonsense", "text/plain"):
            headers = {"Idempotency-Key": uuid.uuid4().hex, "Content-Type": media_type}
            replies.append(await visit("POST", stage.url(service) + path, data=BODIES[what], headers=headers))
        return replies

    for reply in play(scene):
        judge(reply)


@pytest.mark.parametrize(("service", "path"), WRITES)
def test_a_packed_body_that_is_not_is_refused(stage: Stage, service: str, path: str) -> None:
    """Content-Encoding is believed, and found to be a lie."""

    async def scene(visit: Visitor) -> Reply:
        headers = {"Idempotency-Key": "k", "Content-Type": "application/json", "Content-Encoding": "gzip"}
        return await visit("POST", stage.url(service) + path, data=b"{}" * 10, headers=headers)

    judge(play(scene))


@pytest.mark.parametrize("service", ["catalog", "cart", "orders", "registry", "members", "web"])
def test_random_headers_and_cookies_do_no_harm(stage: Stage, service: str) -> None:
    """60 requests with seeded random headers, cookies and queries: answers as ever, or a refusal; never a 500."""
    dice = random.Random(service)
    letters = string.printable.translate({ord(bad): None for bad in "\r\n\x0b\x0c"})
    names = ["Cookie", "Accept", "Accept-Language", "X-Request-Id", "Idempotency-Key", "Content-Type", "If-None-Match",
             "Range", "Authorization", "Forwarded", "X-Forwarded-For", "Expect-Nothing", "Origin"]  # fmt: skip

    def noise() -> str:
        return "".join(dice.choices(letters, k=dice.choice([0, 1, 8, 200, 4000])))

    async def scene(visit: Visitor) -> list[Reply]:
        paths = [
            "/",
            "/products",
            "/cart",
            "/carts/" + "0" * 32,
            "/orders/x",
            "/registries/r0001",
            "/members/x",
            "/%00",
            "/a%2f..%2fb",
        ]
        return [
            await visit(
                "GET", stage.url(service) + dice.choice(paths),
                headers={name: noise().strip() for name in dice.sample(names, 3)}, params={"id": noise()},
            )
            for _ in range(60)
        ]  # fmt: skip

    for reply in play(scene):
        assert reply.status < 500, reply
        assert not re.search(r"Traceback|psycopg|site-packages|\.py\b", reply.text), reply.text


@pytest.mark.parametrize("service", ["catalog", "orders", "members"])
def test_a_slow_client_is_told_and_let_go(stage: Stage, service: str) -> None:
    """A body that stops half-way is a 408 after some seconds, and the connection is closed."""
    path = dict(WRITES)[service]

    async def scene() -> bytes:
        reader, writer = await asyncio.open_connection(stage.host(service), 8080)
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nContent-Length: 100\r\n\r\n{{"
        writer.write(head.encode())
        async with asyncio.timeout(15):
            answer = await reader.read()  # to the end: the other side has closed
        writer.close()
        return answer

    answer = asyncio.run(scene()).decode()
    assert answer.startswith("HTTP/1.1 408 ")
    assert "did not arrive" in answer
    assert not LEAK.search(answer.partition("\r\n\r\n")[2])


def test_what_is_not_http_is_refused(stage: Stage) -> None:
    """Garbage, and a head without end: a 400 that shows nothing of our insides."""

    async def scene(sent: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(stage.host("orders"), 8080)
        writer.write(sent)
        async with asyncio.timeout(15):
            answer = await reader.read()
        writer.close()
        return answer

    for sent in (b"\x16\x03\x01 hello\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n"):
        answer = asyncio.run(scene(sent)).decode()
        assert answer.startswith(("HTTP/1.0 400 ", "HTTP/1.1 400 "))
        assert not LEAK.search(answer.partition("\r\n\r\n")[2]), answer
