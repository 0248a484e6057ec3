"""What a plan would hit, counted on the manifests and held against the caps, before anything is started."""

from __future__ import annotations

from typing import Any

import pytest

from gameday.runner import blast
from gameday.runner.errors import InvalidRequest


def deployment(app: str, replicas: int | None, **labels: str) -> dict[str, Any]:
    """A Deployment's manifest."""
    spec = {"template": {"metadata": {"labels": {"app": app, **labels}}}}
    return {"kind": "Deployment", "spec": spec if replicas is None else {**spec, "replicas": replicas}}


PODS = blast.pods_of_manifests(
    [
        deployment("web", 2, tier="backend"),
        deployment("cart", 3, tier="backend"),
        deployment("db", None, tier="data"),
        deployment("gameday-guardian", 1),
        {"kind": "Service", "spec": {}},
    ]
)


def experiment(selector: Any, func: str = "scale_to_zero", **guard: float) -> dict[str, Any]:
    """An experiment with one fault that selects pods."""
    arguments = {"namespace": "x", "guard": guard}
    control = {"name": "g", "provider": {"module": "gameday.activities.control", "arguments": arguments}}
    provider = {"module": "gameday.activities.pods", "func": func, "arguments": {"label_selector": selector}}
    return {"controls": [control], "method": [{"type": "action", "name": "hit", "provider": provider}]}


@pytest.mark.parametrize(
    ("selector", "matched"),
    [("app=web", 2), ("app in (web, cart)", 5), ("tier=data", 1), ("tier!=backend", 1), ("app=nobody", 0)],
)
def test_what_matches_is_counted_by_pods_not_deployments(selector: str, matched: int) -> None:
    """Of the shop's six; the guardian is not one of them."""
    (hit,) = blast.hits(experiment(selector, max_share=1), PODS)
    assert (hit.matched, hit.of, hit.refusal) == (matched, 6, None)
    assert str(hit) == f"hits {matched} of 6 pods"


def test_too_many_are_refused_and_the_way_is_named() -> None:
    """One line for each action."""
    with pytest.raises(InvalidRequest) as refused:
        blast.check("exp", blast.hits(experiment("tier=backend"), PODS))
    assert str(refused.value).startswith("exp: hit: 5 of the namespace's 6 pods would be hit, at most 3 may be")
    assert "guard: {max_share: 0.84}" in str(refused.value)
    blast.check("exp", blast.hits(experiment("tier=backend", max_share=0.84), PODS))


@pytest.mark.parametrize(
    ("func", "arguments", "down"),
    [
        ("scale", {"replicas": 1}, 3),
        ("scale", {"replicas": 2}, 1),
        ("scale", {"replicas": 9}, 0),
        ("scale", {"replicas": "${n}"}, 5),
        ("make_unready", {"count": 1}, 1),
        ("make_unready", {"share": 0.5}, 3),
        ("make_unready", {"share": 1}, 5),
    ],
)
def test_a_fault_of_some_of_them_is_counted_by_its_arguments(func: str, arguments: dict[str, Any], down: int) -> None:
    """Of two pods of web and three of cart; what is filled in later is taken for the worst."""
    made = experiment("tier=backend", func)
    made["method"][0]["provider"]["arguments"] |= arguments
    (hit,) = blast.hits(made, PODS)
    assert (hit.matched, hit.refusal is None) == (down, down <= 3)


def test_what_goes_round_is_held_back_rather_than_refused() -> None:
    """Killing one after the other never has more down than the caps allow; none at all is refused."""
    (hit,) = blast.hits(experiment("tier=backend", "terminate_pods"), PODS)
    assert str(hit) == "hits 5 of 6 pods in turn, at most 3 at the same time"
    assert hit.refusal is None
    (hit,) = blast.hits(experiment("tier=backend", "terminate_pods", max_share=0.1), PODS)
    assert hit.refusal is not None


def test_a_selector_that_does_not_parse_is_refused() -> None:
    """The API would say so in the middle of the run."""
    (hit,) = blast.hits(experiment("app in (web"), PODS)
    assert "label_selector 'app in (web'" in str(hit.refusal)


@pytest.mark.parametrize("selector", ["${selector}", None, 7])
def test_what_cannot_be_known_yet_is_left_to_the_fault(selector: Any) -> None:
    """A selector of the configuration, or none: the same caps hold when the fault acts."""
    assert blast.hits(experiment(selector), PODS) == []


def test_a_probe_and_a_foreign_action_hit_nothing_of_ours() -> None:
    """Only what would ask the guard."""
    other = experiment("app=web")
    other["method"][0]["type"] = "probe"
    assert blast.hits(other, PODS) == []
    other = experiment("app=web")
    other["method"][0]["provider"]["module"] = "chaosk8s.pod.actions"
    assert blast.hits(other, PODS) == []
    assert blast.hits({"method": [{"ref": "hit"}], "controls": []}, PODS) == []
