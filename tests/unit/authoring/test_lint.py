"""What lint finds, where it says it is, and that it says all of it at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from gameday.allowlist import Allowance
from gameday.authoring.lint import NOTHING_MORE, declared_weaknesses, lint_file

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
title: Friendly
description: Every backend is taken away.
configuration:
  namespace: {type: env, key: GAMEDAY_NAMESPACE, default: shop}
runtime: {rollbacks: {strategy: always}}
controls:
  - name: gameday
    provider: {type: python, module: gameday.activities.control, arguments: {namespace: "${namespace}"}}
extensions:
  - name: gameday
    weaknesses:
      - {name: no-error-page, violates: pods-there}
steady-state-hypothesis:
  title: Pods are there
  probes:
    - type: probe
      name: pods-there
      tolerance: true
      provider:
        type: python
        module: chaosk8s.pod.probes
        func: pods_in_phase
        arguments: {label_selector: app=web, ns: "${namespace}"}
method:
  - type: action
    name: kill
    provider:
      type: python
      module: gameday.activities.pods
      func: terminate_pods
      arguments: {label_selector: app=web, namespace: x, seed: 1}
rollbacks: []
"""


def problems(tmp_path: Path, text: str, allowance: Allowance = NOTHING_MORE) -> list[str]:
    """What lint says of a text, without the file's name."""
    file = tmp_path / "experiment.yaml"
    file.write_text(text)
    linted = lint_file(file, weaknesses=["no-error-page"], allowance=allowance, shown_as="f")
    return [str(problem) for problem in linted.problems]


def test_a_good_file_has_no_problem(tmp_path: Path) -> None:
    """The file that all others here are made from."""
    assert problems(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("rollbacks: []", "rollback: []", "f:32:1: unknown key 'rollback'; did you mean 'rollbacks'?"),
        ("title: Friendly", "title: Friendly\ntitle: Again", "f:2:1: duplicate key 'title' (first on line 1)"),
        ("arguments: {label_selector: app=web, namespace", "arguemnts: {label_selector: app=web, namespace", "f:31:7: unknown key 'arguemnts'; did you mean 'arguments'?"),  # noqa: E501
        ("seed: 1", "sede: 1", "terminate_pods takes no argument 'sede'; did you mean 'seed'?"),
        ("seed: 1", "seed: many", "argument 'seed' is 'many' (str); expected int | None"),
        ("func: terminate_pods", "func: terminate_pod", "has no function 'terminate_pod'; did you mean 'terminate_pods'?"),  # noqa: E501
        ("module: gameday.activities.pods", "module: gameday.activities.pod", "there is no module gameday.activities.pod"),  # noqa: E501
        ("module: gameday.activities.pods", "module: os.path", "f:29:7: module os.path is not on the allow-list (gameday.activities.*, the probes of chaosk8s.*); allow it with --allow-module os.path"),  # noqa: E501
        ("func: pods_in_phase", "func: pods_in_phse", "pods_in_phse is not on the allow-list (the probes of chaosk8s.*); did you mean 'pods_in_phase'?"),  # noqa: E501
        ('"${namespace}"}}', '"${namespace}", guard: {max_pod: 1}}}', "f:8:66: guard: unknown argument 'max_pod'"),
        ("namespace: {type", "dynamic: {type: probe, provider: {type: python, module: gameday.activities.probes.pages, func: nope}}\n  namespace: {type", "f:4:92: module gameday.activities.probes.pages has no function 'nope'"),  # noqa: E501
        ("tolerance: true", "tolerance: {type: probe, provider: {type: python, module: gameday.activities.probes.pages, func: nope}}", "has no function 'nope'"),  # noqa: E501
        ("strategy: always", "strategy: default", "f:5:23: rollbacks.strategy is 'default'; expected 'always'"),
        ("strategy: always}", "strategy: always}, hypothesis: {strategy: skip}", "f:5:55: hypothesis.strategy is 'skip'; expected one of default, continuously"),  # noqa: E501
        ("tolerance: true", "tolerance: 0.5", "Chaos Toolkit takes no bare float (0.5)"),
        ("      tolerance: true\n", "", "probe 'pods-there' needs a tolerance"),
        ("name: no-error-page", "name: no-eror-page", "unknown weakness 'no-eror-page'; did you mean 'no-error-page'?"),
        ("violates: pods-there", "violates: nothing", "violates 'nothing', which is no hypothesis probe"),
        ("${namespace}", "${namespcae}", "${namespcae} is not in the configuration; did you mean 'namespace'?"),
        ("module: gameday.activities.control", "module: gameday.activities.guard", "the control gameday.activities.control is missing"),  # noqa: E501
        ("description: Every backend is taken away.\n", "", "an experiment needs a description"),
    ],
)  # fmt: skip
def test_each_slip_is_found_where_it_is(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """One slip, one line that names the place and the way out."""
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new, 1))
    assert any(expected in line for line in found), found


def test_all_problems_come_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    """Three slips, three lines, sorted."""
    text = (
        GOOD.replace("seed: 1", "sede: 1")
        .replace("tolerance: true", "tolerance: 0.5")
        .replace("strategy: always", "strategy: never")
    )
    found = problems(tmp_path, text)
    assert len(found) == 3
    assert [int(line.split(":")[1]) for line in found] == sorted(int(line.split(":")[1]) for line in found)


def test_a_process_provider_needs_the_flag(tmp_path: Path) -> None:
    """No experiment runs a command on this machine unless somebody says so."""
    text = GOOD[: GOOD.index("method:")] + (
        "method:\n  - type: action\n    name: run\n    provider: {type: process, path: /bin/true}\n"
    )
    assert any("--allow-process" in line for line in problems(tmp_path, text))
    assert problems(tmp_path, text, Allowance(process=True)) == []


def test_what_is_not_on_the_list_is_not_even_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing runs code: lint does so only once somebody allowed the module."""
    (tmp_path / "side_effect.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\ndef act(): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    text = GOOD[: GOOD.index("method:")] + (
        "method:\n  - type: action\n    name: run\n    provider: {type: python, module: side_effect, func: act}\n"
    )
    assert any("--allow-module side_effect" in line for line in problems(tmp_path, text))
    assert not (tmp_path / "ran").exists()
    assert problems(tmp_path, text, Allowance(modules=("side_effect",))) == []
    assert (tmp_path / "ran").exists()


def test_a_file_without_hypothesis_cannot_fail_and_is_refused(tmp_path: Path) -> None:
    """Nothing that can fail is nothing that can pass."""
    start, end = GOOD.index("steady-state-hypothesis:"), GOOD.index("method:")
    found = problems(tmp_path, GOOD[:start] + GOOD[end:])
    assert any("steady-state-hypothesis is needed" in line for line in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("title: [a\nmethod: b", "f:2:7: broken YAML"),
        ("", "f:1:1: is empty"),
        ("- a\n", "an experiment is a mapping; this is a list"),
        ("a: 1\n---\nb: 2\n", "f:2:1: broken YAML"),
        ("a: &x [*x]\n", "unknown key 'a'"),
        ("method: &x [*x]\n", "an activity must be a mapping"),
        ("a: !!python/object:os.system {}\n", "broken YAML"),
        ("title: {a: 1\n", "broken YAML"),
        ("? [1, 2]\n: 3\n", "broken YAML"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, text: str, expected: str) -> None:
    """Broken YAML, an empty file, a loop of aliases: a line each, never an exception."""
    found = problems(tmp_path, text)
    assert any(expected in line for line in found), found
    assert all("\n" not in line for line in found)


BOMB = "title: boom\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)
)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x7fELF\x02\x01\x01\x00\x00", "broken YAML"),
        (bytes(range(256)), "is not UTF-8 text"),
        (b"# much\n" * 800_000, "is too large: an experiment has at most 256 KiB"),
        (BOMB.encode(), "its aliases unfold to more than 20000 values"),
        (b"[" * 100_000, "broken YAML"),
        (b"\n# nothing\n", "is empty"),
    ],
    ids=["binary", "bytes", "5-MB", "bomb", "deep", "comment"],
)
def test_what_is_no_experiment_at_all_is_one_line_at_once(tmp_path: Path, content: bytes, expected: str) -> None:
    """Whatever somebody points it at, it says one thing, soon, and never parses for minutes."""
    file = tmp_path / "experiment.yaml"
    file.write_bytes(content)
    began = time.monotonic()
    (problem,) = lint_file(file).problems
    assert expected in problem.message
    assert "\n" not in problem.message
    assert time.monotonic() - began < 30


def test_what_is_not_text_or_not_there_is_one_line(tmp_path: Path) -> None:
    """Bytes that are no UTF-8, and no file at all."""
    (tmp_path / "bytes.yaml").write_bytes(b"title: \xff\xfe")
    assert "not UTF-8" in str(lint_file(tmp_path / "bytes.yaml").problems[0])
    assert "cannot be read" in str(lint_file(tmp_path / "none.yaml").problems[0])


def test_declared_weaknesses_are_those_of_the_gameday_extension() -> None:
    """Other extensions are somebody else's."""
    experiment = {
        "extensions": [{"name": "x", "weaknesses": [{"name": "a"}]}, {"name": "gameday", "weaknesses": [{"name": "b"}]}]
    }
    assert declared_weaknesses(experiment) == ["b"]
