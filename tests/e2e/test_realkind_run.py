"""`gameday run --cluster kind` with no cluster up, on the real kind at hand: the one that is made goes, or stays."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from gameday.ledger.calls import wait_until
from tests.e2e.kindsite import DOWN, UP, Site, line, site

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.realkind, pytest.mark.timeout(900)]
RUN = ("run", "--cluster", "kind", "--only", "slow-*", "--report")


@pytest.fixture
def nothing() -> Iterator[Site]:
    """The engine, and no cluster."""
    with site() as where:
        yield where
        where.gameday(*DOWN)
        assert where.left() == []


def verdicts(where: Site, name: str) -> list[str]:
    """What the runs of a report came to."""
    summary = json.loads((where.folder / name / "gameday.json").read_text())
    return [str(one["verdict"]) for one in summary["runs"]]


def test_a_cluster_made_for_a_run_goes_with_it_unless_it_is_to_be_kept(nothing: Site) -> None:
    """Kept, the next run uses it, and leaves it as it found it; `up` makes it one with a shop."""
    first = nothing.gameday(*RUN, str(nothing.folder / "first"), "--keep")
    assert (first.returncode, verdicts(nothing, "first")) == (0, ["passed"]), first.stdout + first.stderr
    nodes = nothing.docker("ps", "--quiet", "--no-trunc")

    second = nothing.gameday(*RUN, str(nothing.folder / "second"))
    assert (second.returncode, verdicts(nothing, "second")) == (0, ["passed"]), second.stdout + second.stderr
    assert nothing.docker("ps", "--quiet", "--no-trunc") == nodes
    # Their namespaces are on their way out: the controllers there take a while over it.
    assert wait_until(lambda: nothing.kubectl("get", "ns", "-l", "gameday.dev/allowed")["items"] == [], 60)

    assert nothing.gameday(*UP).returncode == 0
    assert "</html>" in nothing.served()
    assert nothing.docker("ps", "--quiet", "--no-trunc") == nodes

    nothing.docker("rm", "--force", "--volumes", *nothing.nodes())
    preflight = nothing.gameday("preflight", "--cluster", "kind")
    assert preflight.returncode == 0, preflight.stdout
    assert "gameday is not up" in preflight.stdout


def test_a_run_that_is_interrupted_takes_its_cluster_with_it(nothing: Site) -> None:
    """Its experiment is under way: that is undone first."""
    report = nothing.folder / "interrupted"
    with nothing.start(*RUN, str(report), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
        assert wait_until((report / "slow-catalog-falls-back" / "evidence.jsonl").exists, 300)
        line(nothing.gameday(*DOWN), 2, "a run is under way in the kind cluster")
        run.send_signal(signal.SIGTERM)
        said, _ = run.communicate(timeout=120)
    assert run.returncode == 143, said
    assert verdicts(nothing, "interrupted") == ["inconclusive"]
    assert nothing.nodes() == []


def test_a_signal_while_the_cluster_of_a_run_is_deleted_changes_nothing(nothing: Site) -> None:
    """Everything was well and is told so; the cluster goes, whoever asks for an end then."""
    report = nothing.folder / "late"
    with nothing.start(*RUN, str(report), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
        assert run.stderr is not None
        said = ""
        for told in run.stderr:
            said += told
            if "deleting 3 nodes" in told:
                break
        for number in (signal.SIGTERM, signal.SIGINT):
            run.send_signal(number)
        _, rest = run.communicate(timeout=120)
    assert run.returncode == 0, said + rest
    assert verdicts(nothing, "late") == ["passed"]
    assert nothing.nodes() == []
