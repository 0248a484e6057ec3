"""Where Chaos Toolkit's verdict cannot be trusted: every case, under `gameday run` and under plain `chaos run`.

What Chaos Toolkit says of each by itself: exit 0 and "completed" unless told otherwise below.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from gameday.ledger.calls import wait_until
from tests.e2e.rows import TWIN, Shops, ours, probe, process, sound, theirs, watched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gameday.kube import Kube
    from tests.e2e.rows import Experiment

RAISES = theirs("scale-nobody", "deployment.actions:scale_deployment", name="nobody", replicas=1)
MATCHES_NOTHING = theirs("kill-nobody", "pod.actions:terminate_pods", label_selector="app=nobody")
EXITS_1 = process("fail-quietly", "false")


@pytest.fixture(scope="module")
def shops(lasting: Kube, environment: dict[str, str]) -> Shops:
    """Two shops, one for each way to run an experiment."""
    return Shops(lasting, environment)


@pytest.fixture(autouse=True)
def untouched(shops: Shops) -> Iterator[None]:
    """Whatever the verdict, nothing stays behind, and both shops serve."""
    yield
    for namespace in ("shop", TWIN):
        assert shops.left(namespace) == []
        assert wait_until(lambda namespace=namespace: shops.serves(namespace), 30)  # type: ignore[misc]


def with_action(action: dict[str, Any], *, alone: bool = False, background: bool = False) -> Experiment:
    """The experiment that passes, with one more action after its fault, or in its place."""
    experiment = sound()
    experiment["method"][0 if alone else 1 : 1] = [{**action, "background": True} if background else action]
    return experiment


def with_probe(added: dict[str, Any], *proxies: str) -> Experiment:
    """The experiment that passes, with one more hypothesis."""
    experiment = sound()
    experiment["steady-state-hypothesis"]["probes"].append(added)
    experiment["controls"][0]["provider"]["arguments"]["faultproxies"] = proxies
    return experiment


def test_the_experiment_without_a_slip_passes(shops: Shops, tmp_path: Path) -> None:
    """What the others are made of: so each of them is kept from passing by its slip alone."""
    game, plain = shops.ends(sound(), tmp_path)
    assert game.outcome == (0, "passed"), game.said
    assert plain.outcome == (0, "passed"), plain.said


@pytest.mark.parametrize(
    ("experiment", "why"),
    [
        pytest.param(with_action(RAISES), "scale-nobody failed", id="an-action-raises"),
        pytest.param(with_action(RAISES, background=True), "scale-nobody failed", id="one-in-the-background-raises"),
        pytest.param(with_action(MATCHES_NOTHING, alone=True), "kill-nobody did nothing", id="nothing-matched"),
        pytest.param(with_action(MATCHES_NOTHING), "kill-nobody did nothing", id="nothing-matched-beside-a-fault"),
        pytest.param(with_action(EXITS_1), "exited with 1", id="a-process-exits-1"),
        pytest.param(
            with_probe(probe("pages-come-before-they-are-asked-for", "pages:page_latency_share_within", latency_ms=0.01)),
            "baseline not met: pages-come-before",
            id="the-baseline-is-not-met",
        ),
        pytest.param(
            {**sound(), "rollbacks": [*sound()["rollbacks"], RAISES]},
            "the rollback scale-nobody failed",
            id="a-rollback-raises",
        ),
    ],
)
def test_what_did_not_happen_is_inconclusive(shops: Shops, tmp_path: Path, experiment: Experiment, why: str) -> None:
    """Chaos Toolkit passes over it; the verdict here names it."""
    game, plain = shops.ends(experiment, tmp_path)
    assert game.outcome == (3, "inconclusive"), game.said
    assert plain.outcome == (1, "inconclusive"), plain.said
    assert why in game.reason
    assert why in plain.reason
