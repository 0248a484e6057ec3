"""Reads what a game day wrote; missing or torn files are as empty, for a killed run still has a report."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["RunFiles", "read_gameday", "read_lines", "read_object"]

Json = dict[str, Any]


@dataclass(frozen=True)
class RunFiles:
    """One run's folder as data."""

    name: str
    entry: Json
    journal: Json = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)
    samples: list[Json] = field(default_factory=list)
    mails: list[Json] = field(default_factory=list)
    files: tuple[str, ...] = ()


def read_gameday(folder: Path) -> tuple[Json, list[RunFiles]]:
    """The summary of a game day and its runs, in the order of the plan."""
    summary = read_object(folder / "gameday.json")
    return summary, [_read_run(folder, entry) for entry in summary.get("runs", [])]


def _read_run(folder: Path, entry: Json) -> RunFiles:
    name = str(entry.get("name"))
    place = folder / name
    found = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else []
    return RunFiles(
        name=name,
        entry=entry,
        journal=read_object(place / "journal.json"),
        events=read_lines(place / "evidence.jsonl"),
        samples=read_lines(place / "samples.jsonl"),
        mails=read_lines(place / "mails.jsonl"),
        files=tuple(path.relative_to(folder).as_posix() for path in found),
    )


def read_object(path: Path) -> Json:
    """A JSON object; empty when there is none to be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_lines(path: Path) -> list[Json]:
    """The JSON objects of a file of lines; a torn line is left out."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            one = json.loads(line)
        except ValueError:
            continue
        if isinstance(one, dict):
            found.append(one)
    return found
