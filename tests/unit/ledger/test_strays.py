"""Nodes that a drain left cordoned whose record was deleted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from gameday import evidence
from gameday.activities import closing
from gameday.cli import faults
from gameday.kube import ApiException
from gameday.ledger import Entry, Ledger, NoUndo, Uncordon, free_nodes, revert, stray_nodes
from gameday.ledger.calls import persist
from gameday.ledger.nodes import Mark, cordon
from gameday.runner.leftovers import all_leftovers, delete_command, find_leftovers
from gameday.runner.preflight import nodes as preflight
from gameday.runner.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gameday.kube import Kube
    from tests.unit.cluster.api.conftest import Api
    from tests.unit.live import Nodes

DRAIN = "drain-node-1"
SAID = (
    f"node worker-1 is cordoned by the fault {DRAIN} of namespace shop, whose ledger does not hold it any more: "
    "gameday revert --context test --namespace shop"
)


@pytest.fixture
def drained(kube: Kube, nodes: Nodes) -> Ledger:
    """The ledger of a drain of worker-1; worker-2 takes pods."""
    node = Uncordon("worker-1", nodes.add("worker-1"))
    nodes.add("worker-2")
    ledger = Ledger(kube, "shop")
    ledger.write(Entry(DRAIN, "drain-node", (node, NoUndo(())), state="in-force"))
    cordon(kube, node, Mark("shop", DRAIN))
    return ledger


@pytest.fixture
def facts() -> Iterator[None]:
    """What a run of this process records is forgotten with the test."""
    evidence.forget()
    yield
    evidence.forget()


def delete_namespace(api: Api) -> None:
    """The namespace and its ledger, as its controller would in the end."""
    api.on_loop(lambda: [api.store._remove("configmaps", one) for one in api.store.list("configmaps", "shop")])
    api.on_loop(lambda: api.store._remove("namespaces", api.store.get("namespaces", "", "shop")))


def test_a_node_whose_fault_is_on_record_is_no_stray(kube: Kube, drained: Ledger) -> None:
    """Not even when the entry is of a later version, which nobody here understands."""
    assert stray_nodes(kube) == []
    kube.core.patch_namespaced_config_map("gameday-ledger", "shop", {"data": {DRAIN: "{}"}})
    assert stray_nodes(kube) == []


@pytest.mark.parametrize("what", ["entry", "ledger", "namespace"])
def test_a_node_whose_record_was_deleted_takes_pods_again(
    kube: Kube, nodes: Nodes, drained: Ledger, api: Api, what: str
) -> None:
    """Whatever was deleted; it is told as an outcome, once, and no run's own undo does it."""
    if what == "entry":
        drained.remove(DRAIN)
    elif what == "ledger":
        kube.core.delete_namespaced_config_map("gameday-ledger", "shop")
    else:
        delete_namespace(api)
    assert [str(one) for one in stray_nodes(kube)] == [SAID]
    assert free_nodes(kube, "default") == []
    assert revert(kube, "shop") == []
    assert nodes.state("worker-1") == (True, f"shop/{DRAIN}")
    ((namespace, outcome),) = free_nodes(kube, "shop")
    assert (namespace, outcome.fault, outcome.ok) == ("shop", DRAIN, True)
    assert outcome.detail == "node worker-1 takes pods again; its entry in the ledger was gone"
    assert nodes.state("worker-1") == (False, None)
    assert free_nodes(kube, "shop") == []


def test_a_cordon_that_is_somebody_elses_by_now_is_no_stray(kube: Kube, nodes: Nodes, drained: Ledger) -> None:
    """Without our mark nothing says that it ever was ours."""
    drained.remove(DRAIN)
    nodes.before_patch.append(lambda: nodes.set("worker-1", cordoned=True, mark=None))
    ((_, outcome),) = free_nodes(kube, "shop")
    assert "node worker-1 is cordoned by somebody else: left alone" in outcome.detail
    assert nodes.state("worker-1") == (True, None)


@pytest.mark.parametrize("cordoned", [True, False])
def test_who_may_not_patch_it_is_told_who_could(
    kube: Kube, nodes: Nodes, drained: Ledger, monkeypatch: pytest.MonkeyPatch, *, cordoned: bool
) -> None:
    """The line that mends it, mark and all; a mark alone, that `kubectl uncordon` has left, keeps no pod away."""

    def forbidden(*_: Any, **__: Any) -> None:
        raise ApiException(status=403, reason="Forbidden")

    drained.remove(DRAIN)
    nodes.set("worker-1", cordoned=cordoned, mark=f"shop/{DRAIN}")
    monkeypatch.setattr(kube.core, "patch_node", forbidden)
    ((_, outcome),) = free_nodes(kube, "shop")
    state = "is still cordoned" if cordoned else "takes pods, and is still marked as cordoned"
    assert (outcome.ok, outcome.detail) == (
        not cordoned, f"node worker-1 {state} by it: the API answered 403: Forbidden",
    )  # fmt: skip
    assert outcome.mend_command.startswith("kubectl --context test -n shop patch node worker-1 --type=merge -p ")


@pytest.mark.parametrize(("status", "outcomes"), [(403, 0), (404, 0), (501, 0), (503, 1)])
def test_nobody_needs_a_right_to_nodes(
    kube: Kube, drained: Ledger, monkeypatch: pytest.MonkeyPatch, status: int, outcomes: int
) -> None:
    """Who may not list them is told nothing; a server in trouble is not taken for one without strays."""

    def refused(*_: Any, **__: Any) -> None:
        raise ApiException(status=status, reason="no")

    drained.remove(DRAIN)
    monkeypatch.setattr(kube.core, "list_node", refused)
    monkeypatch.setattr(persist, "__kwdefaults__", {"within_s": 0.0})
    found = free_nodes(kube, "shop")
    assert [(where, one.fault, one.ok) for where, one in found] == [("shop", "nodes", False)] * outcomes


def test_preflight_names_it_with_what_mends_it(kube: Kube, nodes: Nodes, drained: Ledger) -> None:
    """While the fault is on record it is one node that takes no pods; then it is a stray."""
    request: Any = SimpleNamespace(calls=set)
    assert [one.what for one in preflight.check_nodes(kube, request)] == ["nodes"]
    drained.remove(DRAIN)
    found = list(preflight.check_nodes(kube, request))
    assert [(one.what, one.state) for one in found] == [("nodes", "note"), ("node", "note")]
    assert found[1].observed == SAID


def test_what_is_left_on_a_cluster_names_nodes_and_reverts_before_it_deletes(
    kube: Kube, drained: Ledger, api: Api
) -> None:
    """The ledger goes with its namespace, so the faults in it are undone first."""
    target = Target(api.kubeconfig, "test", lasting=True)
    meta = {"labels": {"gameday.dev/run": "r1"}, "annotations": {"gameday.dev/runner": "another/machine/1/1"}}
    kube.core.patch_namespace("shop", {"metadata": meta})
    plain = delete_command(target, "shop")
    (left,) = find_leftovers(target)
    assert left.delete_command == f"gameday revert --context test --namespace shop && {plain}"
    drained.remove(DRAIN)
    (left,) = find_leftovers(target)
    assert left.delete_command == plain
    assert all_leftovers(target) == [str(left), SAID]


@pytest.mark.usefixtures("facts")
@pytest.mark.parametrize("planned", [DRAIN, "drain-node-2"], ids=["its own", "another's"])
def test_a_run_whose_namespace_is_deleted_frees_the_nodes_that_it_drained(
    kube: Kube, nodes: Nodes, drained: Ledger, api: Api, planned: str
) -> None:
    """And only those: of others' it has no right to be held for."""
    evidence.record("fault-planned", fault=planned, kind="drain-node", target={}, matched=1)
    delete_namespace(api)
    run: Any = SimpleNamespace(
        kube=kube, settings=SimpleNamespace(namespace="shop"), allowed=True, residue=SimpleNamespace(left=lambda *_: ())
    )
    assert closing._undo_everything(run) == ()
    assert nodes.state("worker-1") == ((False, None) if planned == DRAIN else (True, f"shop/{DRAIN}"))


@pytest.mark.parametrize("where", ["shop", None])
def test_the_commands_name_it_and_mend_it(
    kube: Kube, nodes: Nodes, drained: Ledger, api: Api, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], where: str | None,
) -> None:  # fmt: skip
    """By the namespace's name, and with -A though no list of namespaces has it any more."""
    delete_namespace(api)
    target = SimpleNamespace(connect=lambda: kube, context="test")
    monkeypatch.setattr(faults, "_target", lambda *_, **__: target)
    asked: dict[str, Any] = {"context": None, "namespace": where, "all_namespaces": where is None}
    ledger: Any = faults.ledger.callback
    revert: Any = faults.revert.callback
    assert ledger(**asked) == 0
    assert capsys.readouterr().out == f"{SAID}\n"
    assert revert(**asked) == 0
    assert capsys.readouterr().out == (
        f"shop  {DRAIN}  undone: node worker-1 takes pods again; its entry in the ledger was gone\ngameday: 1 undone\n"
    )
    assert nodes.state("worker-1") == (False, None)
    assert revert(**asked) == 0
    assert "no fault is on record" in capsys.readouterr().out
