"""A recording is of clients that did what they should, or there is none."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.contract.recording import __main__ as recording


def test_a_client_that_fails_is_no_record() -> None:
    """Its name and its code are said."""
    running: Any = SimpleNamespace(kubeconfig=Path("none"))
    with pytest.raises(recording.RecordingError, match="kubectl: ended with code 3"):
        asyncio.run(recording._run([sys.executable, "-c", "raise SystemExit(3)"], running, "kubectl"))
    asyncio.run(recording._run([sys.executable, "-c", ""], running, "kubectl"))


def test_nothing_is_written_when_a_client_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The record stays as it was, and the exit code is 1."""

    async def record(_: list[str]) -> dict[str, list[str]]:
        raise recording.RecordingError("kubectl: ended with code 3")

    kept = tmp_path / "recorded.json"
    kept.write_text("{}")
    monkeypatch.setattr(recording, "RECORDED", kept)
    monkeypatch.setattr(recording, "record", record)
    monkeypatch.setattr(sys, "argv", ["recording"])
    assert recording.main() == 1
    assert kept.read_text() == "{}"
    assert "code 3" in capsys.readouterr().err
