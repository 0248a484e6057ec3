"""What `gameday run` exits with when the cluster that it made cannot be ended."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gameday.cli import edge, run
from gameday.runner.errors import EnvironmentFailure

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize(("verdict", "expected"), [(4, 4), (0, 5), (1, 5), (3, 5), (130, 5)])
def test_a_cluster_that_stays_is_an_error_unless_the_run_was_dirty(
    verdict: int, expected: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said in either case; dirty is worse."""

    @contextmanager
    def made_for_it(_options: object) -> Iterator[None]:
        yield None
        raise EnvironmentFailure("docker is not running")

    monkeypatch.setattr(run, "_cluster", made_for_it)
    monkeypatch.setattr(run, "_run", lambda *_: verdict)
    with pytest.raises(SystemExit) as ended:
        edge.main(["run", "--only", "slow-*"])
    assert ended.value.code == expected
    assert "docker is not running" in capsys.readouterr().err
