"""Whether an activity's provider can be called as the file says, without calling it."""

from __future__ import annotations

import importlib
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from gameday.allowlist import why_refused
from gameday.authoring.keys import check_keys, did_you_mean

if typing.TYPE_CHECKING:
    from gameday.allowlist import Allowance
    from gameday.authoring.source import Source, Where

__all__ = ["check_provider"]

_GIVEN_BY_CHAOSTOOLKIT = {"configuration", "secrets"}
_SUBSTITUTION = re.compile(r"\$\{")


def check_provider(
    source: Source, where: Where, provider: Any, allowance: Allowance, *, control: bool = False, given: str = ""
) -> None:
    """Complain of whatever would keep this provider from being called. `given`: an argument that is put in later.

    What may not be called is not imported here; `gameday.allowlist` says why.
    """
    if not isinstance(provider, Mapping):
        source.complain(where, "provider must be a mapping with a type")
        return
    kind = provider.get("type")
    if kind not in ("python", "process", "http"):
        source.complain((*where, "type"), f"provider type is {kind!r}; expected python, process or http")
        return
    check_keys(source, where, provider, kind)
    if kind == "python":
        if why_refused(provider, allowance, control=control) is None:
            arguments = provider.get("arguments") or {}
            if given and isinstance(arguments, Mapping):
                provider = {**provider, "arguments": {given: "${given}", **arguments}}
            _check_python(source, where, provider, control=control)
    else:
        needed = "path" if kind == "process" else "url"
        if not provider.get(needed):
            source.complain(where, f"a provider of type {kind} needs '{needed}'")


def _check_python(source: Source, where: Where, provider: Mapping[str, Any], *, control: bool) -> None:
    """The module is importable, the function is there and takes these arguments."""
    name = provider.get("module")
    if not isinstance(name, str) or not name:
        source.complain(where, "a python provider needs 'module'")
        return
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError:
        source.complain((*where, "module"), f"there is no module {name}")
        return
    except Exception as problem:  # noqa: BLE001  # any module may raise anything while it is imported
        source.complain((*where, "module"), f"module {name} cannot be imported: {type(problem).__name__}: {problem}")
        return
    if not control:
        _check_call(source, where, module, provider)
    elif hasattr(module, "validate_control"):
        _check_control(source, where, module, provider)


def _check_control(source: Source, where: Where, module: types.ModuleType, provider: Mapping[str, Any]) -> None:
    """A control that can judge its own arguments does so, as it would when it is run."""
    try:
        module.validate_control({"provider": provider})
    except Exception as problem:  # noqa: BLE001  # any control may raise anything
        source.complain((*where, "arguments"), " ".join(str(problem).split()))


def _check_call(source: Source, where: Where, module: types.ModuleType, provider: Mapping[str, Any]) -> None:
    name = provider.get("func")
    if not isinstance(name, str) or not name:
        source.complain(where, "a python provider needs 'func'")
        return
    func = getattr(module, name, None)
    if not inspect.isroutine(func):
        public = getattr(module, "__all__", None) or [
            key for key, value in vars(module).items() if inspect.isfunction(value) and not key.startswith("_")
        ]
        source.complain(
            (*where, "func"), f"module {module.__name__} has no function '{name}'{did_you_mean(name, public)}"
        )
        return
    arguments = provider.get("arguments", {})
    if arguments is None or not isinstance(arguments, Mapping):
        source.complain((*where, "arguments"), "arguments must be a mapping of names to values")
        return
    _check_arguments(source, (*where, "arguments"), func, arguments)


def _check_arguments(source: Source, where: Where, func: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Every required argument is given, none is unknown, and plain values have the declared type."""
    taken = inspect.signature(func).parameters
    anything = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in taken.values())
    try:
        hints = typing.get_type_hints(func)
    except (NameError, TypeError, AttributeError):
        hints = {}
    for name in arguments:
        if name not in taken and not anything:
            known = [one for one in taken if one not in _GIVEN_BY_CHAOSTOOLKIT]
            source.complain(
                (*where, name), f"{func.__name__} takes no argument '{name}'{did_you_mean(str(name), known)}"
            )
    for name, one in taken.items():
        if name in _GIVEN_BY_CHAOSTOOLKIT or one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL):
            continue
        if name not in arguments:
            if one.default is one.empty:
                source.complain(where, f"{func.__name__} needs the argument '{name}'")
        elif name in hints and not _fits(arguments[name], hints[name]):
            got = type(arguments[name]).__name__
            source.complain(
                (*where, name), f"argument '{name}' is {arguments[name]!r} ({got}); expected {_shown(hints[name])}"
            )


def _fits(value: Any, hint: Any) -> bool:
    """Whether a plain value can be meant by a hint; True whenever that is not plain to see."""
    if isinstance(value, str) and _SUBSTITUTION.search(value):
        return True
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in typing.get_args(hint))
    if origin is typing.Literal:
        return value in typing.get_args(hint)
    plain = origin or hint
    if plain in (int, float):
        return isinstance(value, (int, plain)) and not isinstance(value, bool)
    return isinstance(value, plain) if plain in (str, bool, list, dict, type(None)) else True


def _shown(hint: Any) -> str:
    return getattr(hint, "__name__", str(hint)) if typing.get_origin(hint) is None else str(hint).replace("typing.", "")
