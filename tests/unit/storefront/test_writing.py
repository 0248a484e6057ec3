"""How languages write amounts, dates and numbers; and the pictures of things."""

from xml.etree import ElementTree as ET

import pytest

from gameday.storefront.web import writing
from gameday.storefront.web.motifs import MOTIFS
from gameday.storefront.web.pictures import Subject, picture

from .stage import Stage


@pytest.mark.parametrize(
    ("cents", "english", "french"),
    [(0, "€0.00", "0,00\u00a0€"), (5, "€0.05", "0,05\u00a0€"), (123456, "€1,234.56", "1\u202f234,56\u00a0€")],
)
def test_amounts(cents: int, english: str, french: str) -> None:
    """The sign before and points in English, after and commas in French, and no line ends in the middle."""
    assert (writing.money(cents, "en"), writing.money(cents, "fr")) == (english, french)


@pytest.mark.parametrize(
    ("at", "english", "french"),
    [
        ("2026-11-28T16:00:00+00:00", "28 November 2026", "28 novembre 2026"),
        ("2026-02-01", "1 February 2026", "1er février 2026"),
        ("soon", "", ""),
    ],
)
def test_days(at: str, english: str, french: str) -> None:
    """The day of a time, in words; of what is no time, nothing."""
    assert (writing.day(at, "en"), writing.day(at, "fr")) == (english, french)


@pytest.mark.parametrize(
    ("number", "english", "french"),
    [(0, "0 things", "0 article"), (1, "1 thing", "1 article"), (2, "2 things", "2 articles")],
)
def test_numbers_of_things(number: int, english: str, french: str) -> None:
    """None is plural in English and singular in French."""
    assert (writing.counted(number, "item", "en"), writing.counted(number, "item", "fr")) == (english, french)


def test_ratings() -> None:
    """A half has a point in English and a comma in French; a whole has neither."""
    assert [writing.decimal(4.5, "en"), writing.decimal(4.5, "fr"), writing.decimal(4.0, "en")] == ["4.5", "4,5", "4"]


def test_each_product_has_a_picture_of_its_own(stage: Stage) -> None:
    """Every picture is well-formed, small, distinct, the same each time, and of what the name says."""
    rows = stage.query("select id, name_en from products")
    drawn = {product: str(picture(product, name)) for product, name in rows}
    assert len(set(drawn.values())) == len(rows)
    for product, name in rows:
        ET.fromstring(drawn[product])
        assert len(drawn[product]) < 4096
        assert not any(word in drawn[product] for word in ("id=", "style=", "href", "http"))
        assert Subject.of(name).motif in name.lower()
        picture.cache_clear()
        assert str(picture(product, name)) == drawn[product]


def test_what_nobody_has_heard_of_comes_as_a_parcel() -> None:
    """An unknown name has a picture all the same, and what a label says is text."""
    assert Subject.of("Solar yacht").motif == "parcel"
    label = '"><script>alert(1)</script>'
    for motif in MOTIFS:
        drawn = ET.fromstring(str(picture("p1", motif, label)))
        assert drawn.attrib["aria-label"] == label
        assert not list(drawn.iter("script"))
