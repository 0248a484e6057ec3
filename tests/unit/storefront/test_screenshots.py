"""Pictures of the shop for the README: `make screenshots` keeps them under docs/screenshots."""
# ruff: noqa: RUF001 - the apostrophes of good typesetting

import asyncio
import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.chromium import Chromium, Tab

from .conftest import play
from .places import edge_page
from .stage import Stage, Visitor

MOST_BYTES = 150_000
OWNER = "customer-0013@shop.example"
GIFTS = (
    ("p018", "Léo", "Moitié moins grand que toi, pour l’instant."),
    ("p012", "Tante Claire", "Dors bien, petit trésor !"),
    ("p005", "Les Martin", "Pour la première tour, et pour sa première chute."),
)
REVIEWS = (
    ("Grandpa Joe", 5, "I bought a second one for myself."),
    ("Emma & Zoë", 4, "Washed three times, still smiling."),
    ("Nora", 5, "Soft as a cloud. It has not left the cot since."),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pictures go: to $GAMEDAY_SCREENSHOTS or, without it, away."""
    kept = os.environ.get("GAMEDAY_SCREENSHOTS")
    made = Path(kept) if kept else tmp_path_factory.mktemp("screenshots")
    made.mkdir(parents=True, exist_ok=True)
    return made


@pytest.fixture(scope="module")
def lively(stage: Stage) -> str:
    """A shop with reviews and presents in it, and the gift of which a mail was sent."""

    async def scene(visit: Visitor) -> str:
        async def post(path: str, body: dict[str, Any]) -> Any:
            headers = {"Idempotency-Key": uuid.uuid4().hex}
            return (await visit("POST", stage.url("web") + path, json=body, headers=headers)).json

        for author, stars, text in REVIEWS:
            await post("/product/p018/reviews", {"author": author, "stars": stars, "text": text})
        gifts = [
            await post("/registry/r0013/gifts", {"product": product, "from": giver, "message": message})
            for product, giver, message in GIFTS
        ]
        return str(gifts[-1]["gift"])

    return play(scene)


def _keep(folder: Path, name: str, tab: Tab) -> None:
    picture = tab.picture()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) <= MOST_BYTES, f"{name} takes {len(picture)} bytes"
    (folder / f"{name}.png").write_bytes(picture)


@pytest.mark.parametrize(
    ("name", "path", "window"),
    [
        ("home", "/", {}),
        ("product", "/product/p018", {}),
        ("registry", "/registry/r0013", {"language": "fr"}),
        ("dark", "/membership", {"dark": True, "height": 640}),
        ("telephone", "/", {"width": 390, "height": 844, "language": "fr"}),
    ],
)
def test_the_shop(
    chromium: Chromium, stage: Stage, lively: str, folder: Path, name: str, path: str, window: dict[str, Any]
) -> None:
    """The pages of the shop."""
    with chromium.tab(**{"width": 1200, "height": 860, **window}) as tab:
        tab.open(stage.url("web") + path)
        _keep(folder, name, tab)


def test_the_error_page(chromium: Chromium, folder: Path) -> None:
    """What edge shows when nothing else works."""
    with chromium.tab(width=900, height=780) as tab:
        tab.show(edge_page("en"))
        _keep(folder, "error-page", tab)


def test_a_mail_in_the_postbox(chromium: Chromium, stage: Stage, lively: str, folder: Path) -> None:
    """The alert that the owner of a registry got."""

    async def find(visit: Visitor) -> str:
        messages = f"{stage.url('postbox')}/api/v1"
        async with asyncio.timeout(20):
            while True:
                found = await visit("GET", f"{messages}/search", params={"query": OWNER})
                for mail in found.json["messages"]:
                    if lively in (await visit("GET", f"{messages}/message/{mail['ID']}")).text:
                        return str(mail["ID"])
                await asyncio.sleep(0.05)

    mail = play(find)
    with chromium.tab(width=900, height=720) as tab:
        tab.open(f"{stage.url('postbox')}/?query={OWNER}")
        if tab.evaluate("!!document.querySelector('summary')"):
            tab.evaluate("document.querySelector('summary').click()")
        else:
            tab.open(f"{stage.url('postbox')}/view/{mail}")
        assert lively in tab.evaluate("document.body.innerText")
        _keep(folder, "mail", tab)
