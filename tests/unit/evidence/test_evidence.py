"""Evidence survives the process that recorded it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gameday import evidence


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    """Each test has the process's evidence to itself."""
    evidence.forget()
    yield
    evidence.forget()


def test_memory_only_without_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no run folder nothing is written anywhere."""
    monkeypatch.delenv("GAMEDAY_RUN_DIR", raising=False)
    evidence.record("note", text="hello")
    assert [(e["event"], e["fault"], e["text"]) for e in evidence.events()] == [("note", None, "hello")]
    assert evidence.run_dir() is None


def test_each_fact_is_on_disk_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before anything is closed; a new folder is made and used from then on."""
    for name in ("one", "two"):
        monkeypatch.setenv("GAMEDAY_RUN_DIR", str(tmp_path / name))
        evidence.record("fault-touched", fault="f1", count=3, path=tmp_path)
        (fact,) = evidence.read(tmp_path / name / evidence.FILE_NAME)
        assert (fact["fault"], fact["count"], fact["path"]) == ("f1", 3, str(tmp_path))


def test_a_torn_line_is_left_out(tmp_path: Path) -> None:
    """The writer was killed in the middle of it."""
    file = tmp_path / "evidence.jsonl"
    whole = json.dumps({"at": 1.0, "event": "note", "fault": None})
    file.write_text(f"{whole}\n[1]\n{whole[:-5]}")
    assert evidence.read(file) == [json.loads(whole)]
    assert evidence.read(tmp_path / "none.jsonl") == []
