"""Where Chaos Toolkit's verdict cannot be trusted: every case, under `gameday run` and under plain `chaos run`.

What it says of each by itself, without our control and probes, is looked at too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.rows import TWIN, bare, ours, probe, process, sound, theirs, watched

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.rows import Experiment, Shops

pytestmark = [pytest.mark.usefixtures("untouched"), pytest.mark.timeout(300)]

RAISES = theirs("scale-nobody", "deployment.actions:scale_deployment", name="nobody", replicas=1)
MATCHES_NOTHING = theirs("kill-nobody", "pod.actions:terminate_pods", label_selector="app=nobody")
EXITS_1 = process("fail-quietly", "false")


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


def with_rollback(added: dict[str, Any]) -> Experiment:
    """The experiment that passes, with one more rollback."""
    experiment = sound()
    experiment["rollbacks"].append(added)
    return experiment


SLIPS = {
    "an-action-raises": (with_action(RAISES), "scale-nobody failed"),
    "one-in-the-background-raises": (with_action(RAISES, background=True), "scale-nobody failed"),
    "nothing-matched": (with_action(MATCHES_NOTHING, alone=True), "kill-nobody did nothing: it matched nothing"),
    "nothing-matched-beside-a-fault": (with_action(MATCHES_NOTHING), "kill-nobody did nothing: it matched nothing"),
    "a-process-exits-1": (with_action(EXITS_1), "fail-quietly did nothing: its process exited with 1"),
    "a-rollback-raises": (with_rollback(RAISES), "the rollback scale-nobody failed"),
}


def test_the_experiment_without_a_slip_passes(shops: Shops, tmp_path: Path) -> None:
    """What the others are made of: so each of them is kept from passing by its slip alone."""
    game, plain = shops.ends(sound(), tmp_path)
    assert game.outcome == (0, "passed"), game.said
    assert plain.outcome == (0, "passed"), plain.said


@pytest.mark.parametrize("slip", SLIPS)
def test_what_did_not_happen_is_inconclusive(shops: Shops, tmp_path: Path, slip: str) -> None:
    """Chaos Toolkit passes over it; the verdict here names it."""
    experiment, why = SLIPS[slip]
    game, plain = shops.ends(experiment, tmp_path)
    assert game.outcome == (3, "inconclusive"), game.said
    assert plain.outcome == (1, "inconclusive"), plain.said
    assert why in game.reason
    assert why in plain.reason


@pytest.mark.parametrize("slip", SLIPS)
def test_chaos_toolkit_by_itself_passes_over_it(shops: Shops, tmp_path: Path, slip: str) -> None:
    """So what the test before asks for is nothing that Chaos Toolkit would see to."""
    experiment, _ = SLIPS[slip]
    with shops.chaos(bare(experiment), tmp_path) as run:
        ended = run.end()
    assert ended.outcome == (0, None), ended.said
    assert "Experiment ended with status: completed" in ended.said


def test_an_undo_in_the_method_hides_no_fault_that_had_gone_before(shops: Shops, tmp_path: Path) -> None:
    """The proxy let go of it after its two seconds: what was seen later was seen without it."""
    experiment = sound()
    experiment["controls"][0]["provider"]["arguments"]["faultproxies"] = ["catalog"]
    experiment["method"] = [
        ours("slow-the-catalog", "network:delay_requests", service="catalog", latency_ms=2000, ttl_s=2),
        watched(5),
        ours("clear-it", "network:clear_faults", service="catalog"),
    ]
    game, plain = shops.ends(experiment, tmp_path)
    assert game.outcome == (3, "inconclusive"), game.said
    assert plain.outcome == (1, "inconclusive"), plain.said
    assert "reverted" in game.reason
    assert "reverted" in plain.reason


def test_a_baseline_that_is_not_met_is_inconclusive(shops: Shops, tmp_path: Path) -> None:
    """The method is skipped, so nothing was tried."""
    within = probe("pages-come-within-no-time", "pages:page_latency_share_within", latency_ms=0.01, share=0.5)
    game, plain = shops.ends(with_probe(within), tmp_path)
    assert game.outcome == (3, "inconclusive"), game.said
    assert plain.outcome == (1, "inconclusive"), plain.said
    assert "baseline not met: pages-come-within-no-time" in game.reason
    assert "baseline not met: pages-come-within-no-time" in plain.reason


def test_a_rollback_that_cannot_undo_is_dirty(shops: Shops, tmp_path: Path) -> None:
    """Somebody else changed what the fault had changed: what is left is said, with the command that mends it."""
    experiment = sound()
    somebody = theirs("scale-it-elsewhere", "deployment.actions:scale_deployment", name="catalog", replicas=3)
    experiment["method"].append(somebody)
    game, plain = shops.ends(experiment, tmp_path)
    assert game.outcome == (4, "dirty"), game.said
    assert plain.outcome == (1, "dirty"), plain.said
    assert "catalog" in game.reason
    for namespace, ended in (("shop", game), (TWIN, plain)):
        assert shops.left(namespace)
        shops.mend(namespace, ended.journal["remains"][0])


PAGES_COME = probe("page-errors-below-10-percent", "pages:page_error_rate_below", limit=0.1)
PODS_COUNTED = {
    **theirs("two-pods", "pod.probes:count_pods", label_selector="app=web"),
    "type": "probe",
    "tolerance": 2,
}


@pytest.mark.parametrize("hypothesis", [PAGES_COME, PODS_COUNTED], ids=["ours", "theirs"])
def test_what_fails_and_recovers_is_failed(shops: Shops, tmp_path: Path, hypothesis: dict[str, Any]) -> None:
    """A continuous hypothesis that is broken for a while, and met again at the end: not deviated, exit 0."""
    experiment = sound()
    experiment["steady-state-hypothesis"]["probes"] = [hypothesis]
    experiment["controls"][0]["provider"]["arguments"]["shoppers"]["mix"] = {"product": 1}  # a page without a fallback
    gone = ours("take-the-pages-away", "pods:scale_to_zero", label_selector="app=web")
    experiment["method"] = [gone, watched(2.5), ours("bring-them-back", "undo:revert_faults"), watched(2)]
    experiment["runtime"]["hypothesis"] = {"strategy": "continuously"}
    game, plain = shops.ends(experiment, tmp_path)
    assert game.outcome == (1, "failed"), game.said
    assert plain.outcome == (1, "failed"), plain.said
    for ended in (game, plain):
        assert (ended.journal["violated"], ended.journal["baseline_met"]) == ([hypothesis["name"]], True)


def test_a_long_fault_does_not_dilute_a_short_one(shops: Shops, tmp_path: Path) -> None:
    """Without the mailer every page comes, without web none does, and of the whole window that is a ninth."""
    experiment = sound()
    experiment["controls"][0]["provider"]["arguments"]["shoppers"]["mix"] = {"product": 1}  # a page without a fallback
    experiment["method"] = [
        ours("take-the-mailer-away", "pods:scale_to_zero", label_selector="app=mailer"),
        watched(40),
        ours("take-web-away-too", "pods:scale_to_zero", label_selector="app=web"),
        watched(5),
    ]
    game, plain = shops.ends(experiment, tmp_path)
    assert game.outcome == (1, "failed"), game.said
    assert plain.outcome == (1, "failed"), plain.said
    for ended in (game, plain):
        web = next(fault["fault"] for fault in ended.journal["faults"][1:])
        assert f"page-errors-below-30-percent: while {web} was in force" in ended.reason


def test_a_baseline_probe_that_raises_leaves_no_proxy_behind(shops: Shops, tmp_path: Path) -> None:
    """Exit 1, and no rollback is played, though what was put in place before the baseline is there."""
    nobody = {"type": "http", "url": "http://127.0.0.1:1/"}
    asks = {"name": "nobody-answers", "type": "probe", "tolerance": 200, "provider": nobody}
    game, plain = shops.ends(with_probe(asks, "catalog"), tmp_path)
    assert game.outcome == (3, "inconclusive"), game.said
    assert plain.outcome == (1, "inconclusive"), plain.said
    assert "baseline not met: nobody-answers" in game.reason
    assert "baseline not met: nobody-answers" in plain.reason


def test_what_others_left_is_dirty(shops: Shops, tmp_path: Path) -> None:
    """An action of somebody else's, with no rollback: our ledger knows nothing of it, the shop's objects tell."""
    grows = theirs("grow-the-cart", "deployment.actions:scale_deployment", name="cart", replicas=3)
    game, plain = shops.ends(with_action(grows), tmp_path)
    assert game.outcome == (4, "dirty"), game.said
    assert plain.outcome == (1, "dirty"), plain.said
    for namespace, ended in (("shop", game), (TWIN, plain)):
        assert "deployment cart: spec.replicas was 2, is 3" in ended.reason
        shops.mend(namespace, ended.journal["remains"][0])
