"""The report page, from a hand-made game day."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from selectolax.lexbor import LexborHTMLParser as HTMLParser

from gameday.report.writing import write_report

if TYPE_CHECKING:
    from pathlib import Path


def test_page_needs_nothing_from_elsewhere(gameday_folder: Path) -> None:
    """No script, and no address of anything that a browser would fetch."""
    text = write_report(gameday_folder).read_text()
    assert not re.search(r"<script|<link|<img|@import|url\(|https?://", text)


def test_every_link_leads_to_a_file_or_a_section(gameday_folder: Path) -> None:
    """Links to journals are relative and exist; links to runs name an id of the page."""
    page = HTMLParser(write_report(gameday_folder).read_text())
    ids = {node.attributes["id"] for node in page.css("[id]")}
    targets = [node.attributes["href"] or "" for node in page.css("a")]
    assert len(targets) >= 3 + 2 * 4
    for target in targets:
        assert target[1:] in ids if target.startswith("#") else (gameday_folder / target).is_file()


def test_ids_are_unique_and_page_has_its_landmarks(gameday_folder: Path) -> None:
    """One h1, a main, a language, headings that do not skip, and no id twice."""
    page = HTMLParser(write_report(gameday_folder).read_text())
    ids = [node.attributes["id"] for node in page.css("[id]")]
    assert len(ids) == len(set(ids))
    assert len(page.css("h1")) == len(page.css("main")) == 1
    assert [node.attributes["lang"] for node in page.css("html")] == ["en"]
    assert all(svg.css_first("title") for svg in page.css("svg.chart"))


def test_what_a_run_says_is_escaped(gameday_folder: Path) -> None:
    """A violation's text cannot become markup."""
    text = write_report(gameday_folder).read_text()
    assert "<b>blank</b>" not in text
    assert "&lt;b&gt;blank" in text


def test_a_run_without_a_journal_is_an_error_never_a_pass(gameday_folder: Path) -> None:
    """What left nothing behind is shown as an error."""
    page = HTMLParser(write_report(gameday_folder).read_text())
    (section,) = page.css("#gone")
    assert [node.text() for node in section.css(".head .verdict")] == ["error"]
    assert "there is no journal" in section.text()


def test_an_empty_or_torn_folder_still_gives_a_page(tmp_path: Path) -> None:
    """A killed game day leaves half a line here and there: the page comes all the same."""
    (tmp_path / "gameday.json").write_text(json.dumps({"runs": [{"name": "a"}]}))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "journal.json").write_text('{"gameday": ')
    (tmp_path / "a" / "evidence.jsonl").write_text('{"at": 1, "event": "phase", "phase": "baseline"}\n{"at": 2, "ev')
    assert "baseline" in write_report(tmp_path).read_text()
