"""What an experiment may call: our own activities, and what of chaostoolkit-kubernetes only looks.

Pure: an experiment as data in, refusals out; nothing that it names is called, or imported unless it is ours. Lint, the
plan and the control all ask here, so that `gameday run` and plain `chaos run` refuse the same. Every mapping with a
`provider` counts, wherever it stands: Chaos Toolkit calls those of `configuration`, tolerances and controls too.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from gameday.toolkit import INSTEAD, LOOKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["CONTROL", "Allowance", "Refusal", "activities_of", "foreign_actions", "refusals", "why_refused"]

CONTROL = "gameday.activities.control"
"""The one control that needs no flag."""

_PROCESS, _HTTP, _MODULES = "GAMEDAY_ALLOW_PROCESS", "GAMEDAY_ALLOW_HTTP", "GAMEDAY_ALLOW_MODULES"
_DRAIN = "GAMEDAY_ALLOW_DRAIN"
_OURS, _TOOLKIT = "gameday.activities", "chaosk8s"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_YES = ("1", "true", "yes", "on")
_LOOKS = ("configuration", "steady-state-hypothesis")
Where = tuple[str | int, ...]


@dataclass(frozen=True)
class Allowance:
    """What somebody has allowed beyond the list; `modules` with all that is below them, or functions by full name.

    Plain `chaos run`, which has no flags of ours, is told by the environment: GAMEDAY_ALLOW_PROCESS=1,
    GAMEDAY_ALLOW_HTTP=1, GAMEDAY_ALLOW_DRAIN=1, and GAMEDAY_ALLOW_MODULES with spaces between the names.
    """

    process: bool = False
    http: bool = False
    modules: tuple[str, ...] = ()
    drain: bool = False

    @classmethod
    def of_environment(cls) -> Allowance:
        """What the environment allows."""

        def said(name: str) -> str:
            return (os.environ.get(name) or "").strip()

        yes = [said(name).lower() in _YES for name in (_PROCESS, _HTTP, _DRAIN)]
        return cls(yes[0], yes[1], tuple(said(_MODULES).split()), yes[2])

    def into_environment(self) -> None:
        """Let the processes that this one starts know of this, and of nothing else."""
        told = {
            _PROCESS: "1" * self.process,
            _HTTP: "1" * self.http,
            _MODULES: " ".join(self.modules),
            _DRAIN: "1" * self.drain,
        }
        for name, value in told.items():
            os.environ.pop(name, None)
            if value:
                os.environ[name] = value

    def covers(self, module: str, function: str) -> bool:
        """Whether that function of that module is allowed by name."""
        return any(f"{module}.{function}.".startswith(f"{one}.") for one in self.modules)

    def __str__(self) -> str:
        flags = {"processes": self.process, "any HTTP method": self.http, "the draining of a node": self.drain}
        return ", ".join([*(what for what, allowed in flags.items() if allowed), *self.modules])


@dataclass(frozen=True)
class Refusal:
    """One thing that an experiment may not call: where it stands, which rule says so, and how to allow it."""

    where: Where
    reason: str


def refusals(experiment: Mapping[str, Any], allowance: Allowance) -> list[Refusal]:
    """All that an experiment may not call, in the order of the file. Takes any data, well formed or not."""
    found = []
    for where, owner in _owners((), experiment, set()):
        provider = owner["provider"]
        why = why_refused(provider, allowance, control=_is_control(where), looks=_only_looks(where, owner))
        if why is not None:
            key = {"python": "module", "http": "method"}.get(provider["type"], "type")
            found.append(Refusal((*where, "provider", key), why))
    return found


def activities_of(experiment: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The name (without one, the place) and the provider of all that Chaos Toolkit might call, wherever it stands."""
    for where, owner in _owners((), experiment, set()):
        yield _name(where, owner), owner["provider"]


def foreign_actions(experiment: Mapping[str, Any]) -> list[str]:
    """The names of the activities that act and are not ours: with no entry in the ledger, nothing is proven of them."""
    found = [
        _name(where, owner)
        for where, owner in _owners((), experiment, set())
        if where and where[0] in (*_LOOKS, "method", "rollbacks") and not _is_control(where) and _acts(owner)
    ]
    return list(dict.fromkeys(found))


def why_refused(
    provider: Mapping[str, Any], allowance: Allowance, *, control: bool = False, looks: bool = False
) -> str | None:
    """Why a provider that has a type may not be called; None when it may. `looks`: nothing may act where it stands."""
    if provider["type"] == "process" and not allowance.process:
        return f"a process provider runs a command on this machine; {_allow('--allow-process', f'{_PROCESS}=1')}"
    if provider["type"] == "http" and not allowance.http and not _is_safe(provider):
        method = provider.get("method")
        return f"an http provider with method {method} may change things; {_allow('--allow-http', f'{_HTTP}=1')}"
    module, function = provider.get("module"), str(provider.get("func"))
    if provider["type"] != "python" or not isinstance(module, str) or not module:
        return None
    if allowance.covers(module, "" if control else function) or (control and module == CONTROL):
        return None
    return _why_python(module, function, control=control, looks=looks)


def _why_python(module: str, function: str, *, control: bool, looks: bool) -> str | None:
    if control or not _is_below(module, _OURS, _TOOLKIT):
        listed = CONTROL if control else f"{_OURS}.*, the probes of {_TOOLKIT}.*"
        return f"module {module} is not on the allow-list ({listed}); {_allow_module(module)}"
    if _is_below(module, _TOOLKIT):
        return _why_toolkit(module, function)
    if looks and not _is_below(module, f"{_OURS}.probes"):
        return f"{module}.{function} acts, and stands where only probes may; make it an action of the method"
    if not _is_activity(module, function):
        return f"{module}.{function} is no activity of ours; {_allow_module(module)}"
    return None


def _why_toolkit(module: str, function: str) -> str | None:
    """Of chaostoolkit-kubernetes only what looks may be called: what acts leaves no entry in the ledger."""
    short = module.removeprefix(f"{_TOOLKIT}.")
    if function in LOOKING.get(short, ()):
        return None
    if not _is_action(module):
        near = get_close_matches(function, LOOKING.get(short, ()), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else f"; {_allow_module(module)}"
        return f"{module}.{function} is not on the allow-list (the probes of {_TOOLKIT}.*){hint}"
    ours = INSTEAD.get(f"{short}.{function}")
    return (
        f"{module}.{function} changes the cluster with no entry in the ledger, which would undo it and prove it; "
        f"{f'use {_OURS}.{ours}' if ours else 'no action of ours does the same'}, "
        f"or {_allow_module(module)}, for inconclusive at best"
    )


def _allow(flag: str, variable: str) -> str:
    return f"allow it with {flag} ({variable} under chaos run)"


def _allow_module(module: str) -> str:
    return _allow(f"--allow-module {module}", f"{_MODULES}={module}")


def _name(where: Where, owner: Mapping[str, Any]) -> str:
    return str(owner.get("name") or ".".join(map(str, where)))


def _acts(owner: Mapping[str, Any]) -> bool:
    """Whether a call that is not ours is an action by its own word, or by what chaostoolkit-kubernetes calls it."""
    provider = owner["provider"]
    module = str(provider.get("module")) if provider["type"] == "python" else ""
    if _is_below(module, _OURS):
        return not _is_activity(module, str(provider.get("func")))
    return owner.get("type") != "probe" or (_is_below(module, _TOOLKIT) and _is_action(module))


def _is_action(module: str) -> bool:
    return "actions" in module.split(".")


def _is_below(module: str, *packages: str) -> bool:
    return any(module == one or module.startswith(f"{one}.") for one in packages)


def _is_activity(module: str, function: str) -> bool:
    """Whether that function is an activity of ours; True of what is not there at all: that slip is lint's to find."""
    try:
        ours = importlib.import_module(module)
    except ImportError:
        return True
    none = importlib.import_module(f"{_OURS}.discovery").NOT_ACTIVITIES  # by name: it is above this module
    within = module.removeprefix(_OURS).lstrip(".").partition(".")[0]
    exported = () if within in none else getattr(ours, "__all__", ())
    return function in exported or not hasattr(ours, function)


def _is_safe(provider: Mapping[str, Any]) -> bool:
    return str(provider.get("method", "GET")).upper() in _SAFE_METHODS


def _is_control(where: Where) -> bool:
    return "controls" in where[-2:-1]


def _only_looks(where: Where, owner: Mapping[str, Any]) -> bool:
    return where[:1] in [(one,) for one in _LOOKS] or "tolerance" in where or owner.get("type") == "probe"


def _owners(where: Where, value: Any, seen: set[Any]) -> Iterator[tuple[Where, Mapping[str, Any]]]:
    """Every mapping with a provider that Chaos Toolkit might call. A provider's own arguments are data, not calls.

    What an alias repeats is met once in each place that matters, so that loops and bombs of aliases end.
    """
    marks = [key in where[-2:] for key in ("controls", "provider")]
    here = (id(value), where[:1], "tolerance" in where, *marks)
    if not isinstance(value, dict | list) or here in seen:
        return
    seen.add(here)
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from _owners((*where, index), one, seen)
        return
    provider = value.get("provider")
    if isinstance(provider, dict) and provider.get("type") in ("python", "process", "http"):
        yield where, value
    for key, one in value.items():
        if where[-1:] != ("provider",) or key != "arguments":
            yield from _owners((*where, key), one, seen)
