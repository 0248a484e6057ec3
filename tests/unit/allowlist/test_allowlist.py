"""What an experiment may call, wherever in it the call stands; and what somebody has to allow by name."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

import gameday
from gameday.allowlist import Allowance, foreign_actions, refusals
from gameday.toolkit import INSTEAD, LOOKING
from tests.contract.clients import toolkit

NOTHING = Allowance()
PROCESS = {"type": "process", "path": "/bin/true"}
POST = {"type": "http", "url": "http://x.example", "method": "post"}
OTHER = {"type": "python", "module": "os", "func": "getcwd"}
CONTROL = {"type": "python", "module": "gameday.activities.control"}


def call(module: str, func: str) -> dict[str, Any]:
    """A provider that calls a function."""
    return {"type": "python", "module": module, "func": func}


OURS = call("gameday.activities.pods", "scale_to_zero")
PROBE = call("gameday.activities.probes.pages", "home_falls_back")
KILL = call("chaosk8s.pod.actions", "terminate_pods")

PLACES: dict[str, Any] = {
    "method": lambda p: {"method": [{"type": "action", "name": "x", "provider": p}]},
    "a probe of the method": lambda p: {"method": [{"type": "probe", "name": "x", "provider": p}]},
    "rollbacks": lambda p: {"rollbacks": [{"type": "action", "name": "x", "provider": p}]},
    "hypothesis": lambda p: {"steady-state-hypothesis": {"probes": [{"type": "probe", "provider": p}]}},
    "tolerance": lambda p: {
        "steady-state-hypothesis": {
            "probes": [{"type": "probe", "provider": PROBE, "tolerance": {"type": "probe", "provider": p}}]
        }
    },
    "configuration": lambda p: {"configuration": {"x": {"type": "probe", "name": "x", "provider": p}}},
    "secrets": lambda p: {"secrets": {"x": {"y": {"type": "probe", "provider": p}}}},
    "controls": lambda p: {"controls": [{"name": "x", "provider": p}]},
    "controls of the hypothesis": lambda p: {"steady-state-hypothesis": {"controls": [{"name": "x", "provider": p}]}},
    "controls of an activity": lambda p: {"method": [{"provider": OURS, "controls": [{"name": "x", "provider": p}]}]},
    "extensions": lambda p: {"extensions": [{"name": "x", "hook": {"provider": p}}]},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("provider", "flag", "allowance"),
    [
        (PROCESS, "--allow-process (GAMEDAY_ALLOW_PROCESS=1 under chaos run)", Allowance(process=True)),
        (POST, "--allow-http (GAMEDAY_ALLOW_HTTP=1 under chaos run)", Allowance(http=True)),
        (OTHER, "--allow-module os (GAMEDAY_ALLOW_MODULES=os under chaos run)", Allowance(modules=("os",))),
    ],
    ids=["process", "http", "module"],
)
def test_nothing_beyond_the_list_anywhere(
    place: str, provider: dict[str, Any], flag: str, allowance: Allowance
) -> None:
    """One refusal, that names the flag; and none with the flag alone."""
    experiment = PLACES[place](provider)
    (refused,) = refusals(experiment, NOTHING)
    assert flag in refused.reason
    assert refused.where[-2] == "provider"
    assert refusals(experiment, allowance) == []


def test_the_place_of_a_refusal_leads_to_it() -> None:
    """Key by key, index by index, to what is refused."""
    (refused,) = refusals(PLACES["tolerance"](OTHER), NOTHING)
    assert refused.where == ("steady-state-hypothesis", "probes", 0, "tolerance", "provider", "module")


@pytest.mark.parametrize("provider", [OURS, {"type": "http", "url": "http://x.example"}, {**POST, "method": "HEAD"}])
def test_our_actions_and_looks_by_http_are_on_it(provider: dict[str, Any]) -> None:
    """In the method, with no flag."""
    assert refusals(PLACES["method"](provider), NOTHING) == []


@pytest.mark.parametrize("place", ["a probe of the method", "hypothesis", "tolerance", "configuration"])
def test_what_acts_may_not_stand_where_one_only_looks(place: str) -> None:
    """Chaos Toolkit calls the configuration's probes before any guard, and the hypothesis' again and again."""
    (refused,) = refusals(PLACES[place](OURS), NOTHING)
    assert "make it an action of the method" in refused.reason
    assert refusals(PLACES[place](PROBE), NOTHING) == []
    assert refusals(PLACES[place](call("chaosk8s.pod.probes", "count_pods")), NOTHING) == []


@pytest.mark.parametrize(
    "where",
    [("terminating", "delete_pod"), ("terminating", "terminate_pods"), ("network", "find"), ("network", "undo")],
)
def test_of_our_modules_only_what_they_export(where: tuple[str, str]) -> None:
    """A module has more in it than its activities: what it imports, and parts that ask no guard."""
    (refused,) = refusals(PLACES["method"](call(f"gameday.activities.{where[0]}", where[1])), NOTHING)
    assert "is no activity" in refused.reason


@pytest.mark.parametrize(
    "name", ["control.before_experiment_control", "control.cleanup_control", "session.close_session", "closing.mark"]
)
def test_what_conducts_an_experiment_is_no_part_of_it(name: str) -> None:
    """Called from the method it would take the session, the caps or the verdict away from under the run."""
    module, _, func = f"gameday.activities.{name}".rpartition(".")
    assert "is no activity" in refusals(PLACES["method"](call(module, func)), NOTHING)[0].reason


def test_what_chaos_discover_lists_is_on_it() -> None:
    """Each action and probe of ours, in the method, and nothing that is not one."""
    found = gameday.discover()["activities"]
    for one in found:
        assert refusals(PLACES["method"](call(one["mod"], one["name"])), NOTHING) == []
    assert "policy_actions" not in [one["name"] for one in found]


@pytest.mark.parametrize("module", ["gameday.runner.child", "gameday.activitiesx", "chaosk8sx.probes", "os.path"])
def test_names_that_look_alike_are_not_on_it(module: str) -> None:
    """Nothing else of this package, and nothing that begins with the same letters."""
    assert "is not on the allow-list" in refusals(PLACES["method"](call(module, "x")), NOTHING)[0].reason


def test_only_our_control_needs_no_flag() -> None:
    """A control sees everything, and may change the verdict itself."""
    assert refusals(PLACES["controls"](CONTROL), NOTHING) == []
    for module in ("gameday.activities.pods", "chaosk8s.pod.probes"):
        assert f"--allow-module {module}" in refusals(PLACES["controls"](call(module, "")), NOTHING)[0].reason
    assert refusals(PLACES["controls"](call("team.slack", "")), Allowance(modules=("team",))) == []


# --- chaostoolkit-kubernetes


@pytest.mark.parametrize("name", sorted(toolkit.activities()))
def test_of_chaostoolkit_kubernetes_what_looks_is_on_it_and_what_acts_is_not(name: str) -> None:
    """Each of its activities, as it says of itself; the one probe that is left out returns nothing."""
    module, _, func = f"chaosk8s.{name}".rpartition(".")
    refused = refusals(PLACES["method"](call(module, func)), NOTHING)
    looks = "actions" not in module.split(".") and func != "microservice_available_and_healthy"
    assert (refused == []) is looks
    for one in refused if "actions" in module.split(".") else []:
        assert "no entry in the ledger" in one.reason
        assert f"--allow-module {module} " in one.reason
        assert "inconclusive at best" in one.reason


def test_what_is_listed_is_there() -> None:
    """No name in the tables is a slip."""
    for module, functions in LOOKING.items():
        assert {f"{module}.{one}" for one in functions} <= set(toolkit.activities())
    for theirs, ours in INSTEAD.items():
        assert theirs in toolkit.activities()
        module, _, function = f"gameday.activities.{ours}".rpartition(".")
        assert function in importlib.import_module(module).__all__


def test_a_ledgerless_action_is_told_by_the_name_of_ours() -> None:
    """The reader knows what to write instead."""
    (refused,) = refusals(PLACES["method"](KILL), NOTHING)
    assert "use gameday.activities.pods.terminate_pods, or allow it with" in refused.reason


@pytest.mark.parametrize("allowed", ["chaosk8s", "chaosk8s.pod.actions", "chaosk8s.pod.actions.terminate_pods"])
def test_a_package_a_module_or_a_function_may_be_allowed(allowed: str) -> None:
    """With all that is below it, and nothing beside it."""
    assert refusals(PLACES["method"](KILL), Allowance(modules=(allowed,))) == []
    assert refusals(PLACES["method"](call("chaosk8s.node.actions", "drain_nodes")), Allowance(modules=(allowed,))) == (
        []
        if allowed == "chaosk8s"
        else refusals(PLACES["method"](call("chaosk8s.node.actions", "drain_nodes")), NOTHING)
    )
    assert refusals(PLACES["method"](KILL), Allowance(modules=(allowed[:-1],))) != []


# --- whose faults are not in the ledger


@pytest.mark.parametrize(
    ("experiment", "foreign"),
    [
        (PLACES["method"](KILL), ["x"]),
        (PLACES["a probe of the method"](KILL), ["x"]),
        (PLACES["rollbacks"](KILL), ["x"]),
        (PLACES["configuration"](KILL), ["x"]),
        (PLACES["method"](PROCESS), ["x"]),
        (PLACES["method"](POST), ["x"]),
        (PLACES["method"](call("team.actions", "break_it")), ["x"]),
        (PLACES["method"](call("gameday.activities.terminating", "delete_pod")), ["x"]),
        (PLACES["a probe of the method"](PROCESS), []),
        (PLACES["controls"](call("team.slack", "")), []),
        (PLACES["method"](OURS), []),
        ({"method": [{"ref": "x"}]}, []),
    ],
)
def test_actions_that_are_not_ours_are_named(experiment: dict[str, Any], foreign: list[str]) -> None:
    """By their own word (`type: action`), or because chaostoolkit-kubernetes says that they act."""
    assert foreign_actions(experiment) == foreign


# --- data that nobody would write


def test_a_loop_of_aliases_ends() -> None:
    """Lists and mappings that contain themselves, and a bomb of 2^60 paths."""
    loop: dict[str, Any] = {"type": "action", "provider": PROCESS}
    loop["again"] = loop["controls"] = [loop]
    bomb: list[Any] = [loop]
    for _ in range(60):
        bomb = [bomb, bomb]
    assert refusals({"method": bomb}, NOTHING)


def test_what_is_met_again_in_a_stricter_place_is_refused_there() -> None:
    """An alias from the method into the configuration does not smuggle an action past the guard."""
    activity = {"type": "action", "name": "x", "provider": OURS}
    (refused,) = refusals({"method": [activity], "configuration": {"x": activity}}, NOTHING)
    assert refused.where[0] == "configuration"


@pytest.mark.parametrize("experiment", [{}, {"provider": PROCESS}, {"method": None}, {1: [{"provider": {"type": 3}}]},
                                        {"method": [{"provider": {"type": "python", "module": 7}}]}])  # fmt: skip
def test_any_data_is_taken(experiment: dict[Any, Any]) -> None:
    """What is no experiment is for others to refuse; a process is refused even there."""
    assert bool(refusals(experiment, NOTHING)) is ("provider" in experiment)
    assert isinstance(foreign_actions(experiment), list)


def test_a_provider_s_arguments_are_data() -> None:
    """A function may well take an argument named `provider`."""
    assert refusals(PLACES["method"]({**OURS, "arguments": {"x": {"provider": PROCESS}}}), NOTHING) == []


# --- the environment, for chaos run


@pytest.mark.parametrize(
    ("process", "modules", "allowance"),
    [
        ("1", "a.b  c", Allowance(process=True, modules=("a.b", "c"))),
        ("True", "", Allowance(process=True)),
        ("0", " ", NOTHING),
        ("no", "", NOTHING),
    ],
)
def test_the_environment_allows_the_same(
    process: str, modules: str, allowance: Allowance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is given on to child processes is what was meant, and nothing more."""
    monkeypatch.setenv("GAMEDAY_ALLOW_PROCESS", process)
    monkeypatch.setenv("GAMEDAY_ALLOW_MODULES", modules)
    monkeypatch.delenv("GAMEDAY_ALLOW_HTTP", raising=False)
    assert Allowance.of_environment() == allowance
    for other in (Allowance(http=True, modules=("z",)), NOTHING, allowance):
        other.into_environment()
        assert Allowance.of_environment() == other
