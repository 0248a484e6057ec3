"""From what was asked for to the list of runs: (experiment, weakness) pairs. All errors at once."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gameday.activities.sampling import too_short
from gameday.allowlist import Allowance
from gameday.authoring.keys import did_you_mean
from gameday.authoring.lint import Linted, declared_weaknesses, lint_file
from gameday.runner.errors import InvalidRequest

if TYPE_CHECKING:
    from gameday.runner.catalogue import Catalogue

__all__ = ["Planned", "Selection", "default_deadline_s", "default_jobs", "lint_all", "plan", "processors"]


@dataclass(frozen=True)
class Selection:
    """What the user asked for; empty parts select everything."""

    experiments: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    weaknesses: tuple[str, ...] = ()
    allowance: Allowance = field(default_factory=Allowance)


@dataclass(frozen=True)
class Planned:
    """One run of a game day: an experiment file, on a storefront that may have a weakness."""

    file: Path
    name: str
    title: str
    weakness: str | None = None
    violates: str | None = None
    tags: tuple[str, ...] = ()
    experiment: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def run_name(self) -> str:
        """The name of the run's folder: `experiment` or `experiment--weakness`."""
        return f"{self.name}--{self.weakness}" if self.weakness else self.name


def default_jobs(planned: int) -> int:
    """How many storefronts stand side by side unless told otherwise: one a CPU, none without work."""
    return max(1, min(planned, processors()))


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_deadline_s(planned: int, jobs: int, *, embedded: bool = True) -> float:
    """Seconds after which a game day is stuck rather than slow: a hang must not hold up a pipeline for ever."""
    return 120.0 + (180.0 if embedded else 420.0) * -(-planned // jobs)


def lint_all(files: list[Path], catalogue: Catalogue, allowance: Allowance) -> list[Linted]:
    """Lint every file, and complain of two that would write to the same folder."""
    weaknesses = catalogue.weaknesses()
    return [
        lint_file(file, weaknesses=weaknesses, allowance=allowance, shown_as=_shown(file), more=too_short)
        for file in files
    ]


def plan(selection: Selection, catalogue: Catalogue) -> list[Planned]:
    """The runs that the selection means, in the order of files and weaknesses.

    Raises InvalidRequest with all problems, one a line: unknown names, broken files, nothing selected.
    """
    _check_weaknesses(selection, catalogue)
    files = _select_files(selection, catalogue)
    linted = lint_all(files, catalogue, selection.allowance)
    problems = [str(problem) for one in linted for problem in one.problems]
    if problems:
        raise InvalidRequest("\n".join(problems))
    linted = _with_tags(linted, selection.tags)
    pairs = [(one, weakness) for one in linted for weakness in _weaknesses_for(one, selection)]
    if not pairs:
        wanted = ", ".join(selection.weaknesses)
        raise InvalidRequest(f"no experiment declares the weakness {wanted}; name the experiments to run it with")
    names = _names([one.file for one in linted])
    return [_planned(one, names[one.file], weakness) for one, weakness in pairs]


def _planned(one: Linted, name: str, weakness: str | None) -> Planned:
    experiment = one.experiment or {}
    return Planned(
        file=one.file,
        name=name,
        title=str(experiment.get("title", name)),
        weakness=weakness,
        violates=_violates(experiment, weakness),
        tags=tuple(experiment.get("tags", ())),
        experiment=experiment,
    )


def _check_weaknesses(selection: Selection, catalogue: Catalogue) -> None:
    known = sorted(catalogue.weaknesses())
    unknown = [name for name in selection.weaknesses if name not in known]
    if unknown:
        raise InvalidRequest(f"unknown weakness {', '.join(unknown)}; known: {', '.join(known) or 'none'}")


def _select_files(selection: Selection, catalogue: Catalogue) -> list[Path]:
    """The files named by arguments (else the whole catalogue) that match --only."""
    every = catalogue.files()
    files = [file for word in selection.experiments for file in _named(word, every)] if selection.experiments else every
    files = list(dict.fromkeys(file.resolve() for file in files))
    if not files:
        raise InvalidRequest(f"no experiment file (*.yaml) in {catalogue.experiments}")
    if not selection.only:
        return files
    unmatched = [pattern for pattern in selection.only if not any(_matches(file, pattern) for file in files)]
    if unmatched:
        known = sorted(file.stem for file in files)
        raise InvalidRequest(f"--only {unmatched[0]} matches no experiment{did_you_mean(unmatched[0], known)}")
    return [file for file in files if any(_matches(file, pattern) for pattern in selection.only)]


def _named(word: str, every: list[Path]) -> list[Path]:
    """What one argument means: a file, a folder of files, or an experiment's name."""
    path = Path(word)
    if path.is_dir():
        inside = sorted(one for one in path.rglob("*.yaml") if one.is_file())
        if not inside:
            raise InvalidRequest(f"no experiment file (*.yaml) in {word}")
        return inside
    if path.exists():
        return [path]
    found = [file for file in every if _matches(file, word)]
    if not found:
        raise InvalidRequest(f"no such experiment: {word}{did_you_mean(word, [file.stem for file in every])}")
    return found


def _matches(file: Path, pattern: str) -> bool:
    return fnmatch(file.stem, pattern) or fnmatch(f"{file.parent.name}/{file.stem}", pattern)


def _with_tags(linted: list[Linted], tags: tuple[str, ...]) -> list[Linted]:
    if not tags:
        return linted
    found = [one for one in linted if set(tags) & set((one.experiment or {}).get("tags", ()))]
    if not found:
        known = sorted({tag for one in linted for tag in (one.experiment or {}).get("tags", ())})
        raise InvalidRequest(f"--tag {', '.join(tags)} matches no experiment; known: {', '.join(known) or 'none'}")
    return found


def _weaknesses_for(one: Linted, selection: Selection) -> list[str | None]:
    """With no weakness asked for, the sound storefront; else those asked for that concern this experiment."""
    if not selection.weaknesses:
        return [None]
    asked = list(dict.fromkeys(selection.weaknesses))
    if selection.experiments or selection.only or selection.tags:
        return [*asked]
    declared = declared_weaknesses(one.experiment or {})
    return [name for name in asked if name in declared]


def _violates(experiment: dict[str, Any], weakness: str | None) -> str | None:
    for extension in experiment.get("extensions", []):
        for entry in extension.get("weaknesses", []) if extension.get("name") == "gameday" else []:
            if entry.get("name") == weakness:
                return str(entry["violates"])
    return None


def _names(files: list[Path]) -> dict[Path, str]:
    """A name for each file that no other has: the stem, with its folder where two share one."""
    stems = Counter(file.stem for file in files)
    names = {file: file.stem if stems[file.stem] == 1 else f"{file.parent.name}-{file.stem}" for file in files}
    again = Counter(names.values())
    return {file: name if again[name] == 1 else f"{name}-{files.index(file) + 1}" for file, name in names.items()}


def _shown(file: Path) -> str:
    """The path as its user would write it: relative where it is below the present folder."""
    try:
        return str(file.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(file)
