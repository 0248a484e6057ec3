"""What holds of every page, in both languages."""

import base64
import hashlib
import re
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser

import gameday.storefront.web
from gameday.storefront.web.phrases import LANGUAGES, NAMES, PHRASES

from .conftest import play
from .places import PAGES, WRONG, Place
from .stage import Reply, Stage

WEB = Path(gameday.storefront.web.__file__).parent
SOURCES = "\n".join(file.read_text() for file in sorted(WEB.rglob("*")) if file.suffix in {".py", ".j2"})
BUDGET_BYTES = 14 * 1024
every_page = pytest.mark.parametrize("name", PAGES)
both_languages = pytest.mark.parametrize("lang", LANGUAGES)


def _visit(place: Place, lang: str) -> tuple[Reply, LexborHTMLParser]:
    reply = play(lambda visitor: place.visit(visitor, lang))
    return reply, LexborHTMLParser(reply.text)


def _words(tree: LexborHTMLParser) -> str:
    """All that a visitor reads or hears, without what other visitors wrote."""
    for node in tree.css("style, .said, blockquote, [hreflang]"):
        node.decompose()
    heard = [node.attributes.get("aria-label") or "" for node in tree.css("[aria-label]")]
    title, body = tree.css_first("title"), tree.body
    assert title
    assert body
    return " ".join([title.text(), body.text(separator=" "), *heard])


@every_page
@both_languages
def test_every_page_is_a_sound_page(shop_pages: dict[str, Place], name: str, lang: str) -> None:
    """Status, language, title, one heading, main, a way past the menu, within budget, with labels, fetching nothing."""
    reply, tree = _visit(shop_pages[name], lang)
    assert reply.status == shop_pages[name].status
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.headers["content-language"] == lang
    html, title = tree.css_first("html"), tree.css_first("title")
    assert html
    assert html.attributes["lang"] == lang
    assert title
    assert PHRASES[lang]["shop"] in title.text()
    assert [len(tree.css(tag)) for tag in ("h1", "main", "style")] == [1, 1, 1]
    assert tree.css_first('a.skip[href="#content"]')
    assert tree.css_first("main#content")
    assert len(re.sub(r"<svg.*?</svg>", "", reply.text, flags=re.DOTALL).encode()) <= BUDGET_BYTES
    labels = {label.attributes.get("for") for label in tree.css("label[for]")}
    loose = [f for f in tree.css("input:not([type=hidden]):not([type=radio]), select, textarea") if f.id not in labels]
    assert not loose
    assert not tree.css("script, img, link, iframe, object, [style], [onload], [onclick]")
    assert "url(" not in reply.text
    ids = [node.id for node in tree.css("[id]")]
    assert len(ids) == len(set(ids))


@every_page
def test_the_policy_lets_the_style_in_and_no_script(shop_pages: dict[str, Place], name: str) -> None:
    """The one style on the page is the very one that the policy names; nothing else may be loaded or run."""
    reply, _ = _visit(shop_pages[name], "en")
    style = reply.text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = reply.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert "unsafe" not in policy
    assert "script-src" not in policy


@every_page
@both_languages
def test_no_page_mixes_languages(stage: Stage, shop_pages: dict[str, Place], name: str, lang: str) -> None:
    """Nothing that is said in one language only, nor a product's name or description, is on a page of the other."""
    other = next(one for one in LANGUAGES if one != lang)
    said = _words(_visit(shop_pages[name], lang)[1])
    shared = {fragment for phrase in PHRASES[lang].values() for fragment in _fragments(phrase)}
    foreign = {f for phrase in PHRASES[other].values() for f in _fragments(phrase)} - shared
    foreign |= {text for row in stage.query(f"select name_{other}, description_{other} from products") for text in row}
    found = [text for text in foreign if re.search(rf"(?<!\w){re.escape(text)}(?!\w)", said)]
    assert not found


def _fragments(phrase: str) -> list[str]:
    """The parts of a phrase between what is put into it, where they are long enough to tell a language."""
    parts = (part.strip(" .,:!?\u00a0\u202f") for part in re.split(r"\{\w+\}", phrase))
    return [part for part in parts if len(part) > 3 and part not in {"Total", *NAMES.values()}]


def test_templates_have_no_words_of_their_own() -> None:
    """Every word of a template comes from the table of phrases."""
    for file in sorted((WEB / "templates").glob("*.html.j2")):
        text = re.sub(
            r"\{% block name %\}\w*|\{[{%#].*?[}%#]\}|<style>.*?</style>|<[^>]*>|&\w+;",
            " ",
            file.read_text(),
            flags=re.DOTALL,
        )
        assert not re.findall(r"[^\W\d_]{2,}", text), file.name
        labels = re.findall(r'(?:aria-label|alt|title|placeholder)="([^"]*)"', file.read_text())
        assert all(label.startswith("{{") for label in labels), file.name


def test_every_phrase_is_said_somewhere() -> None:
    """The table has no phrase that no page uses, and what is computed from a prefix is known here."""
    computed = re.compile(r"(?:problem|stars|errors|item|review|gift)_\w+|\w+_error")
    unused = [
        name
        for name in PHRASES["en"]
        if not computed.fullmatch(name) and not re.search(rf"\bt\.{name}\b|\"{name}\"", SOURCES)
    ]
    assert not unused


@pytest.mark.parametrize("name", WRONG)
@both_languages
def test_what_is_wrong_is_said_at_its_field(shop_pages: dict[str, Place], name: str, lang: str) -> None:
    """Every wrong field is marked, described by its error, and led to from a list that is read out; nothing is lost."""
    place = shop_pages[name]
    _, tree = _visit(place, lang)
    errors = tree.css(".error")
    assert errors
    described = {
        part: node
        for node in tree.css("[aria-describedby]")
        for part in (node.attributes["aria-describedby"] or "").split()
    }
    assert tree.css_first("[role=alert]")
    for error in errors:
        field = described[error.id or ""]
        assert field.tag == "fieldset" or field.attributes["aria-invalid"] == "true"
        assert error.text() in PHRASES[lang].values()
    for link in tree.css("[role=alert] a"):
        assert tree.css_first(link.attributes["href"] or "")
    typed = {field.attributes.get("value") or field.text() for field in tree.css("main input, main textarea")}
    kept = {value for key, value in (place.form or {}).items() if key not in {"product", "stars"} and value}
    assert kept <= typed


@both_languages
def test_a_lost_visitor_is_helped(shop_pages: dict[str, Place], lang: str) -> None:
    """The page of a 404 has a picture, kind words, a way home and a number to quote, the same as in the header."""
    reply, tree = _visit(shop_pages["not found"], lang)
    main = tree.css_first("main")
    assert main
    assert main.css_first("svg")
    assert main.css_first('a[href="/"]')
    assert PHRASES[lang]["problem_404"] in main.text()
    assert reply.headers["x-request-id"] in main.text()
