"""Writes the reports of a game day into its folder, each whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gameday.report import html, markdown
from gameday.report.folder import read_gameday
from gameday.report.model import build_report

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_report"]


def write_report(folder: Path) -> Path:
    """Write `summary.md` and `index.html`, from what the folder holds; returns the path of the page."""
    report = build_report(*read_gameday(folder))
    _write(folder / markdown.FILE_NAME, markdown.render(report))
    page = folder / html.FILE_NAME
    _write(page, html.render(report))
    return page


def _write(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.part")
    # Half a character, as a torn \\ud83d in a journal gives, has no UTF-8: it is written as it was read.
    part.write_text(text, encoding="utf-8", errors="backslashreplace")
    part.replace(path)
