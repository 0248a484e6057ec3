"""What becomes of a run's own namespace when the cluster does not answer any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from urllib3.exceptions import HTTPError

from gameday.kube import connect
from gameday.runner.catalogue import find_catalogue
from gameday.runner.outcome import Judged
from gameday.runner.plan import Selection, plan
from gameday.runner.rendering import Renderer
from gameday.runner.single import SingleRun, Stop
from gameday.runner.target import Target

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path) -> SingleRun:
    """A run on a cluster at a port where nobody listens."""
    cluster = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
    context = {"name": "far", "context": {"cluster": "c", "user": "u"}}
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "clusters": [cluster], "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [context], "current-context": "far",
    }))  # fmt: skip
    catalogue = find_catalogue()
    return SingleRun(
        planned=plan(Selection(("slow-catalog-falls-back",)), catalogue)[0],
        target=Target(file, "far", lasting=True),
        kube=connect(kubeconfig=file),
        renderer=Renderer(catalogue),
        folder=tmp_path,
        namespace="gd-1",
        run_id="1",
        seed=1,
        stop=Stop(),
        tell=lambda _event, _text: None,
    )


@pytest.mark.parametrize("verdict", ["passed", "failed", "inconclusive"])
def test_a_namespace_that_cannot_be_deleted_is_dirty(run: SingleRun, verdict: str) -> None:
    """Whatever was found: a whole storefront is left behind, and the words say how to be rid of it."""
    run._made_namespace = True
    judged = run._clean_up(Judged(verdict, "so it was"))
    assert judged.verdict == "dirty"
    assert judged.reason.startswith("namespace gd-1 could not be deleted: ")
    assert judged.mend == (f"kubectl --kubeconfig {run.target.kubeconfig} --context far delete namespace gd-1",)


def test_a_namespace_that_was_never_made_is_no_dirt(run: SingleRun) -> None:
    """There is nothing to delete, so nobody is asked."""
    assert run._clean_up(Judged("invalid", "refused")) == Judged("invalid", "refused")


def test_a_namespace_kept_for_a_look_says_how_it_goes(run: SingleRun) -> None:
    """What could not be undone is in it, and on record there alone: so it is undone first."""
    run._made_namespace = True
    judged = run._clean_up(Judged("dirty", "left", ("mend it",)))
    assert judged.mend[0] == "mend it"
    revert, delete = judged.mend[1].split(" && ")
    assert revert == "gameday revert --context far --namespace gd-1"
    assert "delete namespace gd-1" in delete


def test_when_nobody_can_tell_whether_it_was_made_it_was(run: SingleRun) -> None:
    """The answer was lost, not the request."""
    with pytest.raises((HTTPError, OSError)):
        run._make_namespace()
    assert run._made_namespace
