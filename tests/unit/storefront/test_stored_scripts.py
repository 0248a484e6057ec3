"""What visitors write is shown to others as text, and never run: as HTML, and in a real browser."""

import uuid
from functools import partial
from typing import Any

import pytest
from selectolax.lexbor import LexborHTMLParser

from tests.chromium import Chromium

from .conftest import play
from .payloads import PAYLOADS
from .stage import Reply, Stage, Visitor

SHORT = tuple(payload[:80] for payload in PAYLOADS)
HTML = {"Accept": "text/html"}
ADDED = ("script", "iframe", "img", "base", "details", "math", "animate", "#bait", "meta[http-equiv]", "[autofocus]")


@pytest.fixture(scope="module")
def written(stage: Stage) -> dict[str, tuple[str, ...]]:
    """Pages that show all payloads, written as reviews, gifts, names of registries and of members: URL to texts."""

    async def scene(visit: Visitor) -> dict[str, tuple[str, ...]]:
        web = stage.url("web")

        async def post(path: str, body: dict[str, Any]) -> Any:
            reply = await visit("POST", web + path, json=body, headers={"Idempotency-Key": uuid.uuid4().hex})
            assert reply.status == 201, reply.text
            return reply.json

        pages: dict[str, tuple[str, ...]] = {}
        for start in range(0, len(PAYLOADS), 13):  # a page shows 20 reviews
            product = f"p{start + 2:03d}"
            for payload in PAYLOADS[start : start + 13]:
                await post(f"/product/{product}/reviews", {"author": payload[:80], "stars": 1, "text": payload})
            pages[f"{web}/product/{product}"] = PAYLOADS[start : start + 13]
        for payload in PAYLOADS:
            gift = await post("/registry/r0019/gifts", {"product": "p003", "from": payload[:80], "message": payload})
            pages[f"{web}/registry/r0019/items/{gift['gift']}"] = (payload,)
            member = await post("/membership", {"name": payload[:80], "email": f"{uuid.uuid4().hex}@shop.example"})
            pages[f"{web}/membership/{member['member']}"] = (payload[:80],)
            body = {"owner": "customer-0019@shop.example", "registry_name": payload[:80]}
            pages[f"{web}/registry/{(await post('/registry', body))['registry']}"] = (payload[:80],)
        pages[f"{web}/registry/r0019"] = SHORT
        return pages

    return play(scene)


def _as_kept(payload: str) -> str:
    """A payload as one line, as the services keep it."""
    return " ".join(payload.split())


def test_what_was_written_is_text_in_the_html(written: dict[str, tuple[str, ...]]) -> None:
    """Each payload can be read on its page, word for word, and has added no element and no attribute."""
    for url, payloads in written.items():
        reply = play(partial(_look, url=url))
        tree = LexborHTMLParser(reply.text)
        assert reply.status == 200
        body = tree.body
        assert body
        said = " ".join(body.text().split())
        assert [p for p in payloads if _as_kept(p) not in said] == []
        assert [css for css in ADDED if tree.css(css)] == []
        assert not [node for node in tree.css("*") if any(name.startswith("on") for name in node.attributes)]


@pytest.mark.parametrize(
    "path", ["?lang={}", "nowhere/{}", "cart?id={}", "registry?registry={}&product={}", "confirmation?order={}"]
)
def test_what_an_address_says_is_no_html(stage: Stage, path: str) -> None:
    """A payload in an address, reflected or not, adds nothing to the page."""
    for payload in PAYLOADS:
        reply = play(partial(_look, url=f"{stage.url('web')}/{path.replace('{}', _quoted(payload))}"))
        assert reply.status in {200, 404, 422}
        assert [css for css in ADDED if LexborHTMLParser(reply.text).css(css)] == []


async def _look(visit: Visitor, url: str) -> Reply:
    return await visit("GET", url, headers=HTML)


def _quoted(payload: str) -> str:
    return "".join(f"%{byte:02x}" for byte in payload.encode())


@pytest.mark.parametrize("policy", ["in force", "ignored"])
def test_no_script_runs_in_a_browser(chromium: Chromium, written: dict[str, tuple[str, ...]], policy: str) -> None:
    """No payload is run, hovered over or clicked, whether the browser minds the policy or not: text it is to both."""
    with chromium.tab() as tab:
        tab.call("Page.setBypassCSP", enabled=policy == "ignored")
        for url, payloads in written.items():
            tab.open(url)
            tab.evaluate(
                "for (const e of document.querySelectorAll('main *'))"
                " for (const kind of ['mouseover', 'focus', 'toggle', 'load', 'error'])"
                " e.dispatchEvent(new Event(kind))"
            )
            assert tab.evaluate("window.ran") is None, url
            said = " ".join(tab.evaluate("document.body.textContent").split())
            assert [p for p in payloads if _as_kept(p) not in said] == []
        assert tab.seen("Page.javascriptDialogOpening") == []
        assert [entry for entry in tab.seen("Log.entryAdded") if entry["entry"]["source"] == "security"] == []


def test_a_script_that_got_in_would_not_run(chromium: Chromium, stage: Stage) -> None:
    """The policy is a second lock: a script put into a page by force does not run, and does once the policy is off."""
    add = "document.body.insertAdjacentHTML('beforeend', '<svg onload=\"window.ran=1\"></svg>');"
    add += "const s = document.createElement('script'); s.textContent = 'window.ran=1';"
    add += "document.body.append(s); window.ran"
    with chromium.tab() as tab:
        tab.open(f"{stage.url('web')}/product/p001")
        assert tab.evaluate(add) is None
        tab.call("Page.setBypassCSP", enabled=True)
        tab.open(f"{stage.url('web')}/product/p001")
        assert tab.evaluate(f"{{{add}}}") == 1
