"""From options to a list of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gameday.runner.catalogue import Catalogue, find_catalogue
from gameday.runner.errors import InvalidRequest
from gameday.runner.plan import Selection, default_deadline_s, default_jobs, plan

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
title: {name}
description: d
tags: [{tag}]
runtime: {{rollbacks: {{strategy: always}}}}
controls:
  - name: gameday
    provider: {{type: python, module: gameday.activities.control, arguments: {{namespace: x}}}}
extensions:
  - name: gameday
    weaknesses: [{{name: {weakness}, violates: p}}]
steady-state-hypothesis:
  title: h
  probes:
    - type: probe
      name: p
      tolerance: true
      provider: {{type: python, module: chaosk8s.pod.probes, func: pods_in_phase, arguments: {{label_selector: a=b}}}}
method: []
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """Two experiments in two games, and three weaknesses."""
    for game, name, tag, weakness in (("one", "alpha", "mail", "w1"), ("two", "beta", "page", "w2")):
        (tmp_path / "experiments" / game).mkdir(parents=True)
        (tmp_path / "experiments" / game / f"{name}.yaml").write_text(
            TEXT.format(name=name, tag=tag, weakness=weakness)
        )
    for weakness in ("w1", "w2", "w3"):
        (tmp_path / "k8s" / "weaknesses" / weakness).mkdir(parents=True)
        (tmp_path / "k8s" / "weaknesses" / weakness / "kustomization.yaml").write_text("kind: Component\n")
    return Catalogue(tmp_path / "experiments", tmp_path / "k8s")


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), ["alpha", "beta"]),
        (Selection(experiments=("beta",)), ["beta"]),
        (Selection(only=("a*",)), ["alpha"]),
        (Selection(only=("two/*",)), ["beta"]),
        (Selection(tags=("mail",)), ["alpha"]),
        (Selection(weaknesses=("w1",)), ["alpha--w1"]),
        (Selection(weaknesses=("w2", "w1")), ["alpha--w1", "beta--w2"]),
        (Selection(only=("alpha",), weaknesses=("w3", "w1")), ["alpha--w3", "alpha--w1"]),
        (Selection(experiments=("alpha", "alpha")), ["alpha"]),
    ],
)
def test_selections(catalogue: Catalogue, selection: Selection, expected: list[str]) -> None:
    """What is asked for is what is run, in a stable order."""
    assert [one.run_name for one in plan(selection, catalogue)] == expected


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(experiments=("gamma.yaml",)), "no such experiment: gamma.yaml"),
        (Selection(experiments=("alpa",)), "did you mean 'alpha'?"),
        (Selection(only=("x*",)), "--only x* matches no experiment"),
        (Selection(tags=("nope",)), "--tag nope matches no experiment; known: mail, page"),
        (Selection(weaknesses=("nope",)), "unknown weakness nope; known: w1, w2, w3"),
        (Selection(weaknesses=("w3",)), "no experiment declares the weakness w3"),
    ],
)
def test_what_cannot_be_selected_is_refused_in_words(catalogue: Catalogue, selection: Selection, message: str) -> None:
    """One line, with the names that exist."""
    with pytest.raises(InvalidRequest) as caught:
        plan(selection, catalogue)
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_errors_of_all_files_come_at_once(catalogue: Catalogue) -> None:
    """Two broken files, two lines, each with its place."""
    for file in catalogue.files():
        file.write_text("title: [\n")
    with pytest.raises(InvalidRequest) as caught:
        plan(Selection(), catalogue)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert all(".yaml:" in line for line in lines)


def test_a_broken_file_that_was_not_asked_for_does_not_matter(catalogue: Catalogue) -> None:
    """--only picks by name, before anything is read."""
    (catalogue.experiments / "one" / "alpha.yaml").write_text("title: [\n")
    assert [one.name for one in plan(Selection(only=("beta",)), catalogue)] == ["beta"]


def test_two_files_of_one_name_get_two_folders(catalogue: Catalogue) -> None:
    """Nothing is overwritten: the folder's name tells them apart."""
    text = (catalogue.experiments / "one" / "alpha.yaml").read_text()
    (catalogue.experiments / "two" / "alpha.yaml").write_text(text)
    assert [one.name for one in plan(Selection(only=("alpha",)), catalogue)] == ["one-alpha", "two-alpha"]


def test_defaults_are_within_reason() -> None:
    """Never more jobs than runs, never none, and a deadline that grows with the rounds."""
    assert default_jobs(1) == 1
    assert default_jobs(0) == 1
    assert 1 <= default_jobs(100) <= 100
    assert default_deadline_s(4, 2) < default_deadline_s(5, 2)


def test_the_catalogue_is_found_from_anywhere(tmp_path: Path) -> None:
    """A folder with nothing of ours in it: the package's own copy is used."""
    (tmp_path / "k8s").mkdir()
    found = find_catalogue(tmp_path)
    assert found.files()
    assert "no-error-page" in found.weaknesses()
