"""A node drained for real: on kind, with the whole shop, a guardian that may uncordon, and runs that are ended.

Of each app that has two pods one is on the node to be drained; what there is one of stays on the other.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gameday.ledger.calls import wait_until
from tests.e2e.realcluster import PROJECT
from tests.e2e.runs import GAMEDAY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.realkind import RealKind

SHOP = "shop"
DRAIN = PROJECT / "tests" / "experiments" / "nodes" / "drain-node.yaml"
IN_TWOS = ("cart", "catalog", "members", "orders", "web")
ALONE = ("db", "edge", "mailer", "postbox", "registry")
AT_THE_CORDON = {"what": "PATCH /api/v1/nodes/", "number": 1, "when": "answered"}
"""It is on record and in place; its run does not know yet."""
IN_FORCE = {"what": "POST .*/eviction", "number": 2, "when": "sent"}
BUDGET: dict[str, Any] = {
    "apiVersion": "policy/v1beta1",  # that of the cluster's age
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "none-may-go"},
    "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app.kubernetes.io/part-of": "gameday-storefront"}}},
}
pytestmark = [pytest.mark.realkind, pytest.mark.timeout(1200)]


def app_of(pod: dict[str, Any]) -> str:
    """The app that a pod is of."""
    return str(pod["metadata"]["labels"]["app"])


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether a pod takes traffic."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))


class DrainedShop:
    """The shop, and the node of its that is drained."""

    def __init__(self, cluster: RealKind) -> None:
        """`cluster`: where the shop will be."""
        self.cluster = cluster
        self.node, self.other = cluster.workers
        self.where = ["--context", cluster.context, "--namespace", SHOP]

    def get(self, kind: str, *options: str) -> list[dict[str, Any]]:
        """The objects of a kind."""
        found: list[dict[str, Any]] = json.loads(self.cluster.kubectl("get", kind, *options, "-o", "json"))["items"]
        return found

    def pods(self, *nodes: str) -> list[dict[str, Any]]:
        """The shop's, of all nodes unless some are named; those on their way out are not, which may linger on."""
        found = self.get("pods", "-n", SHOP, "-l", "app.kubernetes.io/part-of=gameday-storefront")
        live = [one for one in found if "deletionTimestamp" not in one["metadata"]]
        return [one for one in live if not nodes or one["spec"].get("nodeName") in nodes]

    def uids(self, *nodes: str) -> set[str]:
        """The uids of these."""
        return {one["metadata"]["uid"] for one in self.pods(*nodes)}

    def state(self) -> dict[str, Any]:
        """What a drain must leave as it was: objects, and which nodes take pods."""
        nodes = {f"Node {one['metadata']['name']}": one["spec"] for one in self.get("nodes")}
        return self.cluster.objects(SHOP) | nodes

    def spread(self) -> None:
        """See to it that one of each two is on the node, by a fresh pod that the scheduler puts where none is."""
        here = Counter(map(app_of, self.pods(self.node)))
        others = {app_of(one): one["metadata"]["name"] for one in self.pods(self.other)}
        moving = [others[app] for app in IN_TWOS if not here[app]]
        if moving:
            self.cluster.kubectl("delete", "pods", "-n", SHOP, "--wait=false", *moving)
        assert wait_until(self.is_spread, 60), [(app_of(one), one["spec"].get("nodeName")) for one in self.pods()]

    def is_spread(self) -> bool:
        """Whether all pods are ready, and of each two one is on the node."""
        ready = [one for one in self.pods() if is_ready(one)]
        homes = Counter((app_of(one), one["spec"]["nodeName"]) for one in ready)
        twos = {(app, node): 1 for app in IN_TWOS for node in (self.node, self.other)}
        return homes == Counter({**twos, **{(app, self.other): 1 for app in ALONE}})

    def run(self, file: Path, report: Path, *options: str) -> str:
        """A game day there, in $GAMEDAY_NODE the node; returns what it said, raises what it said unless it passed."""
        argv = ["env", f"GAMEDAY_NODE={self.node}", GAMEDAY, "run", str(file), *self.where, "--report", str(report)]
        return self.cluster.run(*argv, *options)

    def ended(self, trial: str, moment: dict[str, Any]) -> dict[str, Any]:
        """What came of a run that is ended at a moment: by a kill or a stop, as the bench of kills does it."""
        argv = ["env", f"GAMEDAY_NODE={self.node}", "GAMEDAY_ALLOW_DRAIN=1", sys.executable, "-m", "tests.e2e.ended"]
        point = json.dumps({"experiment": DRAIN.stem, **moment})
        seen: dict[str, Any] = json.loads(
            self.cluster.run(*argv, trial, self.cluster.context, str(DRAIN), point, timeout_s=400)
        )
        logging.getLogger(__name__).info("%s %s: %s", trial, point, seen["said"])
        return seen

    def gameday(self, *words: str) -> str:
        """Another command, about the shop."""
        return self.cluster.run(GAMEDAY, *words, *self.where)


@pytest.fixture(scope="module")
def lasting_shop(kind_cluster: RealKind) -> Iterator[DrainedShop]:
    """The shop with its guardian; all of it on the other node."""
    shop = DrainedShop(kind_cluster)
    kind_cluster.kubectl("cordon", shop.node)
    with kind_cluster.shop(SHOP):
        shop.gameday("guardian", "install", "--with-nodes")
        kind_cluster.kubectl("uncordon", shop.node)
        yield shop


@pytest.fixture
def shop(lasting_shop: DrainedShop) -> Iterator[DrainedShop]:
    """The shop, spread over both nodes; whatever comes, it is left as it was."""
    lasting_shop.spread()
    before = lasting_shop.state()
    yield lasting_shop
    try:
        assert lasting_shop.state() == before
        assert "no fault is on record" in lasting_shop.gameday("ledger")
    finally:
        lasting_shop.cluster.kubectl("uncordon", lasting_shop.node)  # so that one test's residue is not the next one's


def test_a_sound_shop_passes_while_a_node_is_drained(shop: DrainedShop, tmp_path: Path) -> None:
    """The pods there are evicted and come up on the other node, nobody notices, and the node takes pods again."""
    there = shop.uids(shop.node)
    shop.run(DRAIN, tmp_path, "--allow-drain", "--reach", "port-forward")
    journal = read(tmp_path)
    (fault,) = journal["gameday"]["faults"]
    assert fault["kind"] == "drain-node"
    assert (fault["in_force"], fault["touched"], fault["undone"], fault["effective_undone"]) == (
        True,
        len(IN_TWOS),
        True,
        True,
    )
    drained = next(one["output"] for one in journal["run"] if one["activity"]["name"] == "drain-a-node")
    assert drained["fault"] == fault["fault"]
    assert drained["target"]["name"] == drained["proof"]["node"] == shop.node
    assert {one["uid"] for one in drained["evicted"]} == there
    assert (tmp_path / "index.html").exists()
    assert not shop.uids(shop.node)


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param({**AT_THE_CORDON, "turn": 0}, id="at-the-cordon"),
        pytest.param({**IN_FORCE, "turn": 0}, id="in-force"),
        pytest.param({**IN_FORCE, "turn": 3}, id="in-force-with-the-guardian"),
    ],
)
def test_a_killed_run_leaves_no_node_cordoned(shop: DrainedShop, moment: dict[str, Any]) -> None:
    """All its processes at once: within 15 s the guardian, or the one that comes after it, has undone the drain."""
    seen = shop.ended("kill", moment)
    assert (seen["problem"], seen["entries"]) == ("", 1)


def test_an_interrupted_run_undoes_its_drain_itself(shop: DrainedShop) -> None:
    """SIGINT, then another signal: within 7 s all is undone; 130, journal and report are as they must be."""
    seen = shop.ended("stop", {**IN_FORCE, "turn": 0})
    assert seen["problem"] == ""
    assert seen["how"]["number"] == signal.SIGINT


def test_without_a_guardian_that_may_uncordon_nothing_is_drained(shop: DrainedShop, tmp_path: Path) -> None:
    """It is refused, and the flag that helps is named."""
    before, rights = shop.uids(), ["clusterrole,clusterrolebinding", f"gameday-guardian-nodes.{SHOP}"]
    shop.cluster.kubectl("delete", *rights)
    try:
        with pytest.raises(AssertionError, match="exit 3"):
            shop.run(DRAIN, tmp_path, "--allow-drain")
    finally:
        shop.gameday("guardian", "install", "--with-nodes")
    reason = read(tmp_path)["gameday"]["reason"]
    assert f"the guardian may not uncordon {shop.node}" in reason
    assert f"gameday guardian install --with-nodes --namespace {SHOP}" in reason
    assert shop.uids() == before


def test_a_budget_that_forbids_all_evictions_is_named(shop: DrainedShop, tmp_path: Path) -> None:
    """Nothing was drained, so nothing is known of the shop; the cordon is undone."""
    before, budget = shop.uids(), tmp_path / "budget.yaml"
    budget.write_text(yaml.safe_dump(BUDGET))
    hasty = tmp_path / "hasty.yaml"
    hasty.write_text(DRAIN.read_text().replace("timeout_s: 60", "timeout_s: 4"))
    shop.cluster.kubectl("apply", "-n", SHOP, "-f", str(budget))
    try:
        with pytest.raises(AssertionError, match="exit 3"):
            shop.run(hasty, tmp_path / "report", "--allow-drain")
    finally:
        shop.cluster.kubectl("delete", "-n", SHOP, "-f", str(budget))
    said = read(tmp_path / "report")["gameday"]
    assert said["verdict"] == "inconclusive"
    assert BUDGET["metadata"]["name"] in said["reason"]
    assert [one["undone"] for one in said["faults"]] == [True]
    assert shop.uids() == before


def read(report: Path) -> dict[str, Any]:
    """The one journal of a report."""
    (found,) = report.glob("*/journal.json")
    journal: dict[str, Any] = json.loads(found.read_text())
    return journal
