"""The step summary, from a hand-made game day, and read as GitHub reads it: by a parser of Markdown."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from markdown_it import MarkdownIt
from selectolax.lexbor import LexborHTMLParser as HTMLParser
from selectolax.lexbor import LexborNode

from gameday.report.folder import read_gameday
from gameday.report.markdown import LIMIT_BYTES, render
from gameday.report.model import GameDayReport, build_report
from gameday.report.writing import write_report

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = (
    "a | b | c",
    "`code` ``` fence",
    "one\n\n# two\n- three\n\n| x | y |\n| - | - |",
    "</pre><script>alert(1)</script><img src=x onerror=alert(1)>",
    "[click](https://evil.example) ![x](https://evil.example/x.png) <https://evil.example> www.evil.example",
    "*bold* _low_ ~~gone~~ $x$ :tada: \\| &lt;b&gt; &amp; ^[x]",
    "<!-- hidden --> <details>",
    "::error::not a command\n::add-mask::x",
)


def parsed(text: str) -> HTMLParser:
    """The HTML that comes of it."""
    return HTMLParser(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text))


def first(page: HTMLParser, css: str) -> LexborNode:
    """The first element of that kind; there is one."""
    return page.css(css)[0]


def report_of(folder: Path) -> GameDayReport:
    """What the folder says."""
    return build_report(*read_gameday(folder))


def said_everywhere(report: GameDayReport, text: str) -> GameDayReport:
    """The same game day, in which every text is `text`."""
    runs = []
    for run in report.runs:
        faults = tuple(replace(one, kind=text, target=text, touched=text, problem=text) for one in run.faults)
        runs.append(replace(run, experiment=text, weakness=text, reason=text, mend=(text,), faults=faults))
    return replace(report, version=text, run_id=text, context=text, seed=text, runs=tuple(runs))


def test_the_heading_says_the_verdict_and_the_table_every_run(gameday_folder: Path) -> None:
    """One heading, the counts, and a row for each experiment in the order of the plan."""
    page = parsed(render(report_of(gameday_folder)))
    assert first(page, "h1").text() == "Game day: error"
    assert first(page, "p").text() == "1 passed, 1 failed, 1 error in 41 s; began: 2023-11-14 22:13:20 UTC"
    rows = [[cell.text() for cell in row.css("td")] for row in first(page, "table").css("tbody tr")]
    assert rows == [
        ["friendly", "none", "passed", "20.5", "held over the whole window"],
        ["friendly", "no-error-page", "failed", "20.5", "pages-are-friendly: 40 of 80 were not"],
        ["gone", "none", "error", "-", "there is no journal"],
    ]


def test_what_did_not_pass_says_why_and_what_its_faults_did(gameday_folder: Path) -> None:
    """A section for each that did not pass, the worst first, with its faults; none for what passed."""
    page = parsed(render(report_of(gameday_folder)))
    heads = [node.text() for node in page.css("h2")]
    assert heads == ["gone: error", "friendly: failed on a storefront with the weakness no-error-page"]
    (faults,) = page.css("table")[1:]
    cells = [cell.text() for cell in faults.css("tbody td")]
    assert cells == ["scale-to-zero", "Deployment web", "5.0 s", "13.0 s", "40", "none"]


def test_a_long_reason_is_cut_in_the_table_and_whole_below(gameday_folder: Path) -> None:
    """The table stays readable, and nothing of the reason is lost."""
    report = report_of(gameday_folder)
    reason = "because " * 500
    page = parsed(render(replace(report, runs=(replace(report.runs[1], reason=reason),))))
    cell = first(page, "table").css("tbody td")[-1].text()
    assert len(cell) <= 200
    assert cell.endswith("…")
    assert first(page, "pre").text() == reason


def test_what_is_dirty_says_the_command_that_mends_it(gameday_folder: Path) -> None:
    """The commands stand as they are to be typed, before all that is less bad."""
    report = report_of(gameday_folder)
    mend = ("gameday revert --context kind-x --namespace 'gd-1'", "kubectl -n gd-1 get pods | grep web && echo <ok>")
    dirty = replace(report.runs[1], verdict="dirty", mend=mend)
    page = parsed(render(replace(report, verdict="dirty", runs=(report.runs[2], dirty))))
    assert first(page, "h2").text().startswith("friendly: dirty")
    assert page.css("pre")[1].text().splitlines() == list(mend)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_run_becomes_markup(gameday_folder: Path, text: str) -> None:
    """Whatever a run says: the same elements as of a harmless text, no link or picture, and the text to be read."""
    report = report_of(gameday_folder)
    page = parsed(render(said_everywhere(report, text)))
    harmless = parsed(render(said_everywhere(report, "harmless")))
    assert [node.tag for node in page.css("*")] == [node.tag for node in harmless.css("*")]
    assert not page.css("a, img, script, details, em")
    row = first(page, "table tbody tr")
    assert [cell.text().replace("\n", " ") for cell in row.css("td")][4] == " ".join(text.split())
    assert first(page, "pre").text() == text


@pytest.mark.parametrize("text", ["@octocat", "mail @a/team-b @c", "https://evil.example", "www.evil.example"])
def test_nobody_is_mentioned_and_nothing_is_linked_by_itself(gameday_folder: Path, text: str) -> None:
    """GitHub looks for mentions and addresses in text too: outside of `<pre>` there is none in one piece."""
    report = report_of(gameday_folder)
    passed = replace(said_everywhere(report, text), runs=(replace(report.runs[0], experiment=text, reason=text),))
    written = render(passed)
    assert "<pre>" not in written
    assert text not in written
    assert not any(words in written for words in ("@o", "@a", "@c", "https:", "www."))


def test_control_characters_and_changes_of_direction_are_shown_as_such(gameday_folder: Path) -> None:
    """Nothing that a terminal acts upon, or that shows a text in another order than it has."""
    report = report_of(gameday_folder)
    written = render(said_everywhere(report, "a\x1b[31mred\x07 \u202egnp.exe \ud83d"))
    assert "a�&#91;31mred� �gnp.exe �" in written
    assert not set("\x1b\x07\u202e\ud83d") & set(written)


@pytest.mark.parametrize("runs", [3, 20_000])
@pytest.mark.parametrize("length", [10, 1_000_000])
def test_the_summary_fits_whatever_was_said(gameday_folder: Path, runs: int, length: int) -> None:
    """At most 900 kB, the verdict and the table first; what is left out is said."""
    report = report_of(gameday_folder)
    one = said_everywhere(report, "é&" * (length // 2)).runs[1]
    written = render(replace(report, runs=(one,) * runs))
    assert len(written.encode()) <= LIMIT_BYTES
    assert written.startswith("# Game day: error\n")
    assert ("More than fits here" in written) == (runs > 3)
    assert "## " in written


def test_a_torn_or_missing_journal_still_gives_a_summary(tmp_path: Path) -> None:
    """A killed game day leaves half a line here and there: nothing of it is a pass."""
    (tmp_path / "gameday.json").write_text(json.dumps({"runs": [{"name": "a", "seconds": None}, {"name": "b"}]}))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "journal.json").write_text('{"gameday": {"verdict": "pas')
    write_report(tmp_path)
    written = (tmp_path / "summary.md").read_text()
    assert written.startswith("# Game day: error\n\n2 error; began: unknown\n")
    assert "passed" not in written


@pytest.mark.parametrize("summary", [None, "", '{"verdict": "pass', "[]"])
def test_a_torn_or_missing_game_day_is_an_error(tmp_path: Path, summary: str | None) -> None:
    """Without its summary a game day has no verdict, and so is our own fault."""
    if summary is not None:
        (tmp_path / "gameday.json").write_text(summary)
    write_report(tmp_path)
    assert (tmp_path / "summary.md").read_text().startswith("# Game day: error\n\nno experiment left a verdict")


def test_both_reports_are_written_whole_also_of_half_a_character(gameday_folder: Path) -> None:
    """A torn surrogate in a journal has no UTF-8: both files come, and no part of one stays behind."""
    path = gameday_folder / "friendly" / "journal.json"
    journal: dict[str, Any] = json.loads(path.read_text())
    journal["gameday"]["reason"] = "torn \ud83d"
    path.write_text(json.dumps(journal))
    assert write_report(gameday_folder) == gameday_folder / "index.html"
    assert "torn �" in (gameday_folder / "summary.md").read_text(encoding="utf-8")
    assert "torn \\ud83d" in (gameday_folder / "index.html").read_text(encoding="utf-8")
    assert not list(gameday_folder.glob("*.part"))
