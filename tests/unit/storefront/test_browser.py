"""The pages in a real browser: anybody can use them, by keyboard too, in the light and in the dark."""

import json
import os
from typing import Any

import pytest

from gameday.storefront.web.phrases import LANGUAGES, PHRASES
from tests.axe import AxeUnavailableError, source
from tests.chromium import Chromium, Tab

from .places import PAGES, Place, edge_page
from .stage import Stage

BAD = {"serious", "critical"}
both_languages = pytest.mark.parametrize("lang", LANGUAGES)


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core; skips where it cannot be had, unless GAMEDAY_TEST_BROWSER=required."""
    try:
        return source()
    except AxeUnavailableError as error:
        (pytest.fail if os.environ.get("GAMEDAY_TEST_BROWSER") == "required" else pytest.skip)(str(error))


def _complaints(tab: Tab, axe: str) -> list[str]:
    tab.evaluate(axe)
    found: list[dict[str, Any]] = tab.evaluate("axe.run().then(said => said.violations)")
    return [f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:120]}" for one in found if one["impact"] in BAD]


def _go(tab: Tab, place: Place) -> None:
    """Visit a place as people do: with cookies, and by sending a form, whatever its own checks would say."""
    for name, value in place.cookies.items():
        tab.call("Network.setCookie", name=name, value=value, url=place.url)
    if place.form is None:
        tab.open(place.url)
        return
    tab.open(place.url.split("/cart/")[0].rsplit("/checkout")[0] + "/membership")
    fields = "".join(f"<input name={json.dumps(name)} value={json.dumps(value)}>" for name, value in place.form.items())
    form = f"<form id=sent method=post action={json.dumps(place.url)}>{fields}<button>x</button></form>"
    tab.evaluate(f"document.body.innerHTML = {json.dumps(form)}")
    tab.submit("#sent")


@pytest.mark.parametrize("name", [name for name in PAGES if name not in {"another site", "used key"}])
@pytest.mark.parametrize(("lang", "how"), [("en", "light"), ("fr", "light"), ("en", "dark"), ("fr", "telephone")])
def test_axe_has_nothing_serious_to_say(
    chromium: Chromium, axe: str, shop_pages: dict[str, Place], name: str, lang: str, how: str
) -> None:
    """No page fails the automatic checks of WCAG, in either language, in the dark, on a telephone (long words)."""
    width = 390 if how == "telephone" else 1280
    with chromium.tab(language=lang, dark=how == "dark", width=width) as tab:
        _go(tab, shop_pages[name])
        assert tab.evaluate("document.documentElement.lang") == lang
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert _complaints(tab, axe) == []


@both_languages
@pytest.mark.parametrize("how", ["light", "dark"])
def test_axe_has_nothing_serious_to_say_of_the_error_page(chromium: Chromium, axe: str, lang: str, how: str) -> None:
    """Nor does the page that edge shows in place of a failed one."""
    with chromium.tab(dark=how == "dark") as tab:
        tab.show(edge_page(lang))
        assert tab.evaluate("document.querySelector('main').dataset.page") == "error"
        assert _complaints(tab, axe) == []


def test_axe_does_complain_of_a_bad_page(chromium: Chromium, axe: str) -> None:
    """The checker is at work: a page with a nameless field and a pale text is complained of."""
    with chromium.tab() as tab:
        tab.show(
            "<!doctype html><html lang=en><title>x</title><main><input><p style='color:#ddd'>pale</p></main></html>"
        )
        assert {complaint.partition(" ")[0] for complaint in _complaints(tab, axe)} >= {"label", "color-contrast"}


@both_languages
def test_a_real_browser_buys(chromium: Chromium, stage: Stage, lang: str) -> None:
    """From the deals to the confirmation by clicks; the header counts; the language that was chosen stays."""
    other = next(one for one in LANGUAGES if one != lang)
    with chromium.tab(language=other) as tab:
        tab.open(f"{stage.url('web')}/?lang={lang}")
        tab.open(f"{stage.url('web')}{tab.evaluate('document.querySelector(`.card a`).getAttribute(`href`)')}")
        tab.submit("form.buy", quantity="3")
        assert tab.evaluate("document.querySelector('.count').textContent") == "3"
        tab.submit(".rows form", quantity="2")
        assert tab.evaluate("document.querySelector('.count').textContent") == "2"
        total = tab.evaluate("document.querySelector('.sum .price').textContent")
        tab.open(f"{stage.url('web')}/checkout")
        tab.submit("main form", email="customer-0011@shop.example")
        assert tab.evaluate("document.querySelector('h1').textContent") == PHRASES[lang]["thanks"]
        assert tab.evaluate("document.querySelector('tfoot .price').textContent") == total
        assert tab.evaluate("document.querySelector('.count')") is None


def test_the_keyboard_is_enough(chromium: Chromium, shop_pages: dict[str, Place]) -> None:
    """The first stop of Tab leads past the menu; every stop can be seen; Enter sends the form."""
    focus = "document.activeElement"
    with chromium.tab() as tab:
        tab.open(shop_pages["membership"].url)
        tab.press("Tab")
        assert tab.evaluate(f"{focus}.getAttribute('href')") == "#content"
        assert tab.evaluate(f"{focus}.getBoundingClientRect().top") >= 0
        stops = []
        for _ in range(20):
            tab.press("Tab")
            if tab.evaluate(f"{focus}.tagName") == "BODY":
                break
            stops.append(tab.evaluate(f"{focus}.name || {focus}.getAttribute('href') || {focus}.tagName"))
            assert tab.evaluate(f"getComputedStyle({focus}).outlineStyle") == "solid", stops[-1]
        assert stops[-3:] == ["name", "email", "BUTTON"]


def test_a_wrong_field_is_announced(chromium: Chromium, shop_pages: dict[str, Place]) -> None:
    """What a screen reader gets of a wrong field: that it is invalid, and why."""
    with chromium.tab() as tab:
        _go(tab, shop_pages["wrong membership"])
        nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
        fields = [node for node in nodes if node.get("role", {}).get("value") == "textbox"]
        said = {node["name"]["value"]: node.get("description", {}).get("value", "") for node in fields}
        assert PHRASES["en"]["email_error"] in said[PHRASES["en"]["email"]]
        assert PHRASES["en"]["name_error"] in said[PHRASES["en"]["name"]]
        invalid = [
            prop["value"]["value"] for node in fields for prop in node["properties"] if prop["name"] == "invalid"
        ]
        assert invalid == ["true", "true"]
