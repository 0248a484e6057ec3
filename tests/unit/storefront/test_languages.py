"""Which language web speaks."""

from __future__ import annotations

import pytest

from gameday.storefront.web.languages import preferred_language
from tests.unit.languages import LANGUAGES_BY_HEADER


@pytest.mark.parametrize(("header", "language"), LANGUAGES_BY_HEADER)
def test_web_reads_the_header_as_edge_does(header: str, language: str) -> None:
    """A page that web wrote and a page that edge put in its place are in one language."""
    assert preferred_language(header) == language
