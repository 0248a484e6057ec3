"""Everything that is wrong with an experiment file, at once, with line and column.

`chaos validate` stops at the first error, and accepts unknown and duplicate keys;
a slip there is an experiment that checks less than it says. Nothing is run here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gameday.allowlist import CONTROL, Allowance, refusals
from gameday.authoring.keys import check_keys, did_you_mean
from gameday.authoring.providers import check_provider
from gameday.authoring.source import Problem, Source, Where, read_source

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Linted", "declared_weaknesses", "lint_file"]

NOTHING_MORE = Allowance()
_LOOKS = ("default", "continuously")
_NAME_IN_TEXT = re.compile(r"\$\{\s*([^}\s]+)\s*\}")


@dataclass(frozen=True)
class Linted:
    """One file: its data (None when unusable) and all its problems, in the order of lines."""

    file: Path
    experiment: dict[str, Any] | None
    problems: tuple[Problem, ...]


def lint_file(
    file: Path,
    *,
    weaknesses: Collection[str] | None = None,
    allowance: Allowance = NOTHING_MORE,
    shown_as: str | None = None,
    more: Callable[[Mapping[str, Any]], Iterable[tuple[Where, str]]] = lambda _: (),
) -> Linted:
    """Check one file. `weaknesses` are the names that exist (None: do not check them); `more` finds more."""
    source = read_source(file, shown_as=shown_as)
    data = source.data
    if source.data is not None and not isinstance(data, Mapping):
        source.complain((), f"an experiment is a mapping; this is a {type(data).__name__}")
    if isinstance(data, Mapping):
        for refusal in refusals(data, allowance):
            source.complain(refusal.where, refusal.reason)
        _check_experiment(source, data, allowance)
        _check_weaknesses(source, data, weaknesses)
        for where, why in more(data):
            source.complain(where, why)
        _check_substitutions(source, data)
    usable = dict(data) if isinstance(data, Mapping) else None
    return Linted(file, usable, tuple(sorted(set(source.problems))))


def declared_weaknesses(experiment: Mapping[str, Any]) -> list[str]:
    """The weaknesses under which the experiment says that it must fail."""
    entries = [entry for _, entry in _weakness_entries(experiment)]
    return [str(entry["name"]) for entry in entries if isinstance(entry, Mapping) and entry.get("name")]


def _check_experiment(source: Source, data: Mapping[str, Any], allowance: Allowance) -> None:
    check_keys(source, (), data, "experiment")
    for key in ("title", "description"):
        if not isinstance(data.get(key), str) or not data[key].strip():
            source.complain((key,), f"an experiment needs a {key}")
    tags = data.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag for tag in tags):
        source.complain(("tags",), "tags must be a list of non-empty strings")
    _check_runtime(source, data.get("runtime"))
    _check_controls(source, (), data.get("controls"), allowance)
    _check_dynamic(source, data.get("configuration"), allowance)
    if CONTROL not in [_module_of(control) for control in _items(data.get("controls"))]:
        source.complain(
            ("controls",), f"the control {CONTROL} is missing: without it plain 'chaos run' can pass falsely"
        )
    _check_hypothesis(source, data.get("steady-state-hypothesis"), allowance)
    if not isinstance(data.get("method"), list):
        source.complain(("method",), "an experiment needs a method: a list of actions and probes")
    for part in ("method", "rollbacks"):
        for index, activity in enumerate(_items(data.get(part))):
            _check_activity(source, (part, index), activity, "activity", allowance)


def _check_runtime(source: Source, runtime: Any) -> None:
    """Rollbacks must always be played: by default Chaos Toolkit skips them after an interruption."""
    if not isinstance(runtime, Mapping):
        source.complain(
            ("runtime",), "runtime.rollbacks.strategy must be 'always', or an interruption leaves the fault"
        )
        return
    check_keys(source, ("runtime",), runtime, "runtime")
    for part, value in runtime.items():
        if isinstance(value, Mapping):
            check_keys(source, ("runtime", part), value, "strategy")
    rollbacks = runtime.get("rollbacks")
    strategy = rollbacks.get("strategy") if isinstance(rollbacks, Mapping) else None
    if strategy != "always":
        source.complain(
            ("runtime", "rollbacks", "strategy"),
            f"rollbacks.strategy is {strategy!r}; expected 'always', or an interruption leaves the fault",
        )
    hypothesis = runtime.get("hypothesis")
    looks = hypothesis.get("strategy", "default") if isinstance(hypothesis, Mapping) else "default"
    if looks not in _LOOKS:
        source.complain(
            ("runtime", "hypothesis", "strategy"),
            f"hypothesis.strategy is {looks!r}; expected one of {', '.join(_LOOKS)}: with any other Chaos Toolkit "
            "leaves out the baseline or the end, and nothing can pass",
        )


def _check_dynamic(source: Source, configuration: Any, allowance: Allowance) -> None:
    """Chaos Toolkit asks the probes in the configuration before anything else, and passes over those that raise."""
    for key, value in configuration.items() if isinstance(configuration, Mapping) else ():
        if isinstance(value, Mapping) and value.get("type") == "probe":
            check_provider(source, ("configuration", key, "provider"), value.get("provider"), allowance)


def _check_controls(source: Source, where: Where, controls: Any, allowance: Allowance) -> None:
    if controls is not None and not isinstance(controls, list):
        source.complain((*where, "controls"), "controls must be a list")
    for index, control in enumerate(_items(controls)):
        at = (*where, "controls", index)
        if not isinstance(control, Mapping):
            source.complain(at, "a control must be a mapping with a name and a provider")
            continue
        check_keys(source, at, control, "control")
        if not control.get("name"):
            source.complain(at, "a control needs a name")
        check_provider(source, (*at, "provider"), control.get("provider"), allowance, control=True)


def _check_hypothesis(source: Source, hypothesis: Any, allowance: Allowance) -> None:
    at: Where = ("steady-state-hypothesis",)
    if not isinstance(hypothesis, Mapping):
        source.complain(at, "a steady-state-hypothesis is needed: with none, nothing can fail")
        return
    check_keys(source, at, hypothesis, "hypothesis")
    _check_controls(source, at, hypothesis.get("controls"), allowance)
    if not hypothesis.get("title"):
        source.complain(at, "the hypothesis needs a title")
    probes = hypothesis.get("probes")
    if not isinstance(probes, list) or not probes:
        source.complain((*at, "probes"), "the hypothesis needs at least one probe: with none, nothing can fail")
    for index, probe in enumerate(_items(probes)):
        where = (*at, "probes", index)
        _check_activity(source, where, probe, "probe", allowance)
        if isinstance(probe, Mapping):
            _check_tolerance(source, where, probe, allowance)


def _check_tolerance(source: Source, where: Where, probe: Mapping[str, Any], allowance: Allowance) -> None:
    tolerance = probe.get("tolerance")
    if "tolerance" not in probe and "ref" not in probe:
        source.complain(where, f"probe '{probe.get('name')}' needs a tolerance")
    elif isinstance(tolerance, float):
        source.complain(
            (*where, "tolerance"),
            f"Chaos Toolkit takes no bare float ({tolerance}); use {{type: range, range: [0, x]}}",
        )
    elif isinstance(tolerance, Mapping) and tolerance.get("type") not in ("probe", "regex", "jsonpath", "range"):
        source.complain(
            (*where, "tolerance"),
            f"tolerance type is {tolerance.get('type')!r}; expected probe, regex, jsonpath or range",
        )
    elif isinstance(tolerance, Mapping) and tolerance.get("type") == "probe":
        at = (*where, "tolerance", "provider")
        check_provider(source, at, tolerance.get("provider"), allowance, given="value")


def _check_activity(source: Source, where: Where, activity: Any, level: str, allowance: Allowance) -> None:
    if not isinstance(activity, Mapping):
        source.complain(where, "an activity must be a mapping with type, name and provider")
        return
    check_keys(source, where, activity, level)
    if "ref" in activity:
        return
    if activity.get("type") not in (("probe",) if level == "probe" else ("probe", "action")):
        source.complain((*where, "type"), f"activity type is {activity.get('type')!r}; expected probe or action")
    if not activity.get("name"):
        source.complain(where, "an activity needs a name")
    if isinstance(activity.get("pauses"), Mapping):
        check_keys(source, (*where, "pauses"), activity["pauses"], "pauses")
    _check_controls(source, where, activity.get("controls"), allowance)
    check_provider(source, (*where, "provider"), activity.get("provider"), allowance)


def _check_weaknesses(source: Source, data: Mapping[str, Any], known: Collection[str] | None) -> None:
    """Each weakness exists, and names the hypothesis probe that it must violate."""
    hypothesis = data.get("steady-state-hypothesis")
    probes = _items(hypothesis.get("probes")) if isinstance(hypothesis, Mapping) else []
    names = [str(probe.get("name")) for probe in probes if isinstance(probe, Mapping)]
    for where, entry in _weakness_entries(data):
        if not isinstance(entry, Mapping) or not entry.get("name"):
            source.complain(where, "a weakness needs a name, and 'violates' with a probe's name")
            continue
        check_keys(source, where, entry, "weakness")
        if known is not None and entry["name"] not in known:
            source.complain(
                (*where, "name"), f"unknown weakness '{entry['name']}'{did_you_mean(str(entry['name']), known)}"
            )
        if entry.get("violates") not in names:
            source.complain(
                (*where, "violates"), f"violates {entry.get('violates')!r}, which is no hypothesis probe of this file"
            )


def _check_substitutions(source: Source, data: Mapping[str, Any]) -> None:
    """Every ${name} is a key of configuration or secrets: Chaos Toolkit would leave it as it stands."""
    known = {str(key) for part in ("configuration", "secrets") for key in _keys(data.get(part))}
    for part in ("title", "steady-state-hypothesis", "method", "rollbacks", "controls"):
        for where, text in _texts((part,), data.get(part)):
            for name in _NAME_IN_TEXT.findall(text):
                if name not in known:
                    source.complain(where, f"${{{name}}} is not in the configuration{did_you_mean(name, known)}")


def _texts(where: Where, value: Any, above: tuple[int, ...] = ()) -> Iterator[tuple[Where, str]]:
    if isinstance(value, str):
        yield where, value
    if not isinstance(value, Mapping | list) or id(value) in above:  # an alias to one of its own parents
        return
    for key, one in value.items() if isinstance(value, Mapping) else enumerate(value):
        yield from _texts((*where, key), one, (*above, id(value)))


def _weakness_entries(data: Mapping[str, Any]) -> Iterator[tuple[Where, Any]]:
    for index, extension in enumerate(_items(data.get("extensions"))):
        if isinstance(extension, Mapping) and extension.get("name") == "gameday":
            for number, entry in enumerate(_items(extension.get("weaknesses"))):
                yield ("extensions", index, "weaknesses", number), entry


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _keys(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Mapping) else []


def _module_of(control: Any) -> Any:
    provider = control.get("provider") if isinstance(control, Mapping) else None
    return provider.get("module") if isinstance(provider, Mapping) else None
