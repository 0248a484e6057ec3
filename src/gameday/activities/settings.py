"""The arguments of the control in an experiment file, checked before anything starts. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gameday.activities.caps import Caps
from gameday.activities.seeds import SeedError, seed_of
from gameday.allowlist import CONTROL
from gameday.load.schedule import DEFAULT_MIX, check_mix
from gameday.load.shoppers import Plan

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Settings", "SettingsError", "control_arguments", "read_caps", "read_settings"]

MAX_RATE_PER_S = 200.0
"""Visits a second, at the most: more is a load test."""


class SettingsError(ValueError):
    """An argument of the control cannot be used; the message names it."""


@dataclass(frozen=True)
class Settings:
    """What an experiment asks of its control. Times in seconds.

    `baseline_s`: traffic before the hypothesis is first judged; `recovery_s`: bound of the wait for
    requests to be fine again after the undo; `faultproxies`: Services to put a fault proxy before;
    `caps`: how much of the namespace a fault may hit; `allow_drain`: whether it may drain a node.
    """

    namespace: str
    baseline_s: float = 4.0
    recovery_s: float = 15.0
    faultproxies: tuple[str, ...] = ()
    plan: Plan = field(default_factory=Plan)
    caps: Caps = field(default_factory=Caps)
    allow_drain: bool = False


def control_arguments(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that an experiment gives our control; empty without any, or where the file is not well formed."""
    controls = experiment.get("controls")
    for control in controls if isinstance(controls, list) else []:
        provider = control.get("provider") if isinstance(control, dict) else None
        if isinstance(provider, dict) and provider.get("module") == CONTROL:
            given = provider.get("arguments")
            return dict(given) if isinstance(given, dict) else {}
    return {}


def read_settings(arguments: Mapping[str, Any]) -> Settings:
    """The settings that a control's arguments describe. Raises SettingsError on the first that is wrong."""
    known = {"namespace", "shoppers", "baseline_s", "recovery_s", "faultproxies", "guard", "allow_drain"}
    _refuse_unknown("control", arguments, known)
    namespace = arguments.get("namespace")
    if not isinstance(namespace, str) or not namespace or "$" in namespace:
        raise SettingsError(f"control: namespace is {namespace!r}, expected a namespace's name (`${{namespace}}`)")
    proxies = arguments.get("faultproxies") or []
    if not isinstance(proxies, list) or not all(isinstance(service, str) for service in proxies):
        raise SettingsError(f"control: faultproxies is {proxies!r}, expected a list of Service names")
    return Settings(
        namespace,
        _number(arguments, "baseline_s", 4.0, 1, 600),
        _number(arguments, "recovery_s", 15.0, 1, 600),
        tuple(proxies),
        _plan(arguments.get("shoppers") or {}),
        read_caps(arguments),
        _yes(arguments, "allow_drain"),
    )


def _yes(arguments: Mapping[str, Any], name: str) -> bool:
    value = arguments.get(name, False)
    if not isinstance(value, bool):
        raise SettingsError(f"control: {name} is {value!r}, expected true or false")
    return value


def read_caps(arguments: Mapping[str, Any]) -> Caps:
    """The caps that a control's arguments set, in `guard: {max_pods, max_share}`. Raises SettingsError."""
    guard = arguments.get("guard") or {}
    if not isinstance(guard, dict):
        raise SettingsError(f"control: guard is {guard!r}, expected a mapping")
    _refuse_unknown("guard", guard, {"max_pods", "max_share"})
    most = _number(guard, "max_pods", Caps.max_pods, 1, 10_000)
    if most != int(most):
        raise SettingsError(f"guard: max_pods is {most!r}, expected a whole number")
    return Caps(int(most), _number(guard, "max_share", Caps.max_share, 0.01, 1))


def _plan(shoppers: Any) -> Plan:
    if not isinstance(shoppers, dict):
        raise SettingsError(f"control: shoppers is {shoppers!r}, expected a mapping")
    _refuse_unknown("shoppers", shoppers, {"rate_per_s", "mix", "carts", "max_duration_s"})
    mix = shoppers.get("mix") or dict(DEFAULT_MIX)
    if not isinstance(mix, dict) or not all(
        isinstance(w, int | float) and not isinstance(w, bool) for w in mix.values()
    ):
        raise SettingsError(f"shoppers: mix is {mix!r}, expected a weight for each behaviour")
    try:
        weights = check_mix(mix)
    except ValueError as problem:
        raise SettingsError(f"shoppers: mix: {problem}") from problem
    try:
        seed = seed_of(default=1)
    except SeedError as problem:
        raise SettingsError(str(problem)) from problem
    return Plan(
        seed=seed,
        rate_per_s=_number(shoppers, "rate_per_s", 15.0, 0.1, MAX_RATE_PER_S),
        mix=weights,
        max_duration_s=_number(shoppers, "max_duration_s", 600.0, 1, 3600),
        carts=int(_number(shoppers, "carts", 6, 0, 1000)),
    )


def _number(values: Mapping[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise SettingsError(f"control: {name} is {value!r}, expected a number from {least:g} to {most:g}")
    return float(value)


def _refuse_unknown(where: str, values: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(values) - known)
    if unknown:
        raise SettingsError(f"{where}: unknown argument {unknown[0]!r}; known are {', '.join(sorted(known))}")
