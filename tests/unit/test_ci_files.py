"""The files that pipelines read: their linters pass them, and they run nothing that `.ci/run` does not run too."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bench.kind import GAME_DAY

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "gameday.yaml"
ACTION = ROOT / "action.yml"
GITLAB = ROOT / "docs" / "gitlab-ci.yml"
SCHEMAS = {WORKFLOW: "vendor.github-workflows", ACTION: "vendor.github-actions", GITLAB: "vendor.gitlab-ci"}
BIN = Path(sys.executable).parent


def lint(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a linter of the venv."""
    return subprocess.run([BIN / words[0], *words[1:]], check=False, capture_output=True, text=True, cwd=ROOT)


def steps(path: Path) -> list[dict[str, Any]]:
    """The steps of a workflow or an action."""
    read = yaml.safe_load(path.read_text())
    return [step for job in read.get("jobs", {"": read.get("runs")}).values() for step in job["steps"]]


def commands(path: Path) -> list[list[str]]:
    """Every command that a file's steps run, a word each, without what only says where the checkout is."""
    lines = (
        yaml.safe_load(path.read_text())["gameday"]["script"]
        if path == GITLAB
        else [line for step in steps(path) for line in step.get("run", "").splitlines()]
    )
    return [bare(line) for line in lines if line.strip()]


def bare(line: str) -> list[str]:
    """A command's words.

    >>> bare('exec "$GITHUB_ACTION_PATH/.ci/game-day" "$CLUSTER" # why')
    ['.ci/game-day', '$CLUSTER']
    """
    words = shlex.split(line, comments=True)
    words = words[1:] if words[0] == "exec" else words
    if words[:2] == ["make", "--directory"]:
        words = ["make", *words[3:]]
    return [re.sub(r"^(\$GITHUB_ACTION_PATH|\.gameday)/", "", words[0]), *words[1:]]


def recipe(*targets: str) -> set[str]:
    """Every line that make would run for these, and for what they call in turn."""
    clean = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "ARGS")}
    argv = ["make", "--dry-run", "--always-make", *targets]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, cwd=ROOT, env=clean)
    return {line for line in done.stdout.splitlines() if not re.match(r"make\b", line)}


def run_here() -> list[list[str]]:
    """What `.ci/run` runs of ours: its make targets and its game days."""
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    found = (
        re.search(r"(?:\bmake|\.ci/game-day) [^#;|]*", line) for line in lines if not line.lstrip().startswith("#")
    )
    return [shlex.split(one[0].replace("logged ", "")) for one in found if one]


ALL = [*((path, command) for path in SCHEMAS for command in commands(path))]


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_the_schema_knows_every_key(path: Path) -> None:
    """By the schemas that the linter brings: no network is needed."""
    done = lint("check-jsonschema", "--builtin-schema", SCHEMAS[path], path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_the_schema_refuses_a_broken_copy(path: Path, tmp_path: Path) -> None:
    """One misspelt key each."""
    broken = re.sub(r"\b(timeout-minutes|using|artifacts):", r"\1s:", path.read_text())
    assert broken != path.read_text()
    copy = tmp_path / path.name
    copy.write_text(broken)
    assert lint("check-jsonschema", "--builtin-schema", SCHEMAS[path], copy).returncode == 1


@pytest.mark.parametrize(("begins", "schema"), [("name:", "vendor.github-workflows"), ("include:", "vendor.gitlab-ci")])
def test_what_the_page_says_to_write_is_sound_too(begins: str, schema: str, tmp_path: Path) -> None:
    """Its examples are whole files, and what they hand to the action are inputs that it has."""
    page = (ROOT / "docs" / "ci.md").read_text()
    blocks = [textwrap.dedent(one) for one in re.findall(r"(?:^    .*\n|^\n)+", page, re.MULTILINE)]
    (example,) = [one.strip() for one in blocks if one.strip().startswith(begins)]
    copy = tmp_path / "example.yml"
    copy.write_text(example)
    done = lint("check-jsonschema", "--builtin-schema", schema, copy)
    assert done.returncode == 0, done.stdout + done.stderr
    used = [step.get("with", {}) for step in steps(copy)] if begins == "name:" else []
    assert set[str]().union(*used) <= set(yaml.safe_load(ACTION.read_text())["inputs"])


def test_the_page_lists_the_inputs_of_the_action_and_their_defaults() -> None:
    """In the action's order; what is empty is said in words."""
    rows = re.findall(r"^\| `([a-z-]+)` \| (\S+) \|", (ROOT / "docs" / "ci.md").read_text(), re.MULTILINE)
    inputs = yaml.safe_load(ACTION.read_text())["inputs"]
    assert [name for name, _ in rows] == list(inputs)
    assert all(default == f"`{inputs[name]['default']}`" for name, default in rows if inputs[name]["default"])


def test_zizmor_finds_nothing() -> None:
    """No script injection, no excess of rights, no action that is not pinned: with its strictest rules."""
    done = lint(
        "zizmor", "--offline", "--no-progress", "--persona", "pedantic", "--strict-collection", WORKFLOW, ACTION
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("path", "sound", "broken", "rule"),
    [
        (ACTION, '"$CLUSTER" $ARGUMENTS', '"${{ inputs.cluster }}" $ARGUMENTS', "template-injection"),
        (WORKFLOW, "run: make setup", 'run: make setup "${{ github.head_ref }}"', "template-injection"),
        (WORKFLOW, "permissions: {}", "permissions: write-all", "excessive-permissions"),
        (WORKFLOW, "persist-credentials: false", "fetch-depth: 1", "artipacked"),
        (WORKFLOW, "@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0", "@v7", "unpinned-uses"),
    ],
)
def test_zizmor_refuses_a_broken_copy(path: Path, sound: str, broken: str, rule: str, tmp_path: Path) -> None:
    """Each rule that we count on is able to fail."""
    text = path.read_text()
    assert sound in text
    copy = tmp_path / path.relative_to(ROOT)
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(text.replace(sound, broken))
    done = lint("zizmor", "--offline", "--no-progress", "--persona", "pedantic", copy)
    assert done.returncode != 0
    assert f"[{rule}]" in done.stdout


@pytest.mark.parametrize("path", [WORKFLOW, ACTION], ids=lambda path: path.name)
def test_no_expression_stands_in_a_script(path: Path) -> None:
    """What comes from outside comes by the environment: an expression would be pasted into the script as it is."""
    scripts = [step["run"] for step in steps(path) if "run" in step]
    assert scripts
    assert not [script for script in scripts if "${{" in script]


@pytest.mark.parametrize("path", [WORKFLOW, ACTION], ids=lambda path: path.name)
def test_the_report_is_kept_however_the_run_ends(path: Path) -> None:
    """After every game day stands a step that uploads, also when that one has failed."""
    found = steps(path)
    days = [number for number, step in enumerate(found) if "game-day" in step.get("run", "")]
    assert days
    for number in days:
        after = found[number + 1]
        assert after["uses"].startswith("actions/upload-artifact@")
        assert after["if"] == "always()"


@pytest.mark.parametrize(
    ("path", "command"), ALL, ids=lambda value: value.name if isinstance(value, Path) else str(value)
)
def test_every_step_is_of_make_or_a_game_day(path: Path, command: list[str]) -> None:
    """Two doors, both of them open to anybody with a checkout; GitLab has to fetch it first."""
    assert command[0] in ("make", ".ci/game-day") or (path == GITLAB and command[:2] == ["git", "clone"])


@pytest.mark.parametrize("command", [command for _, command in ALL if command[0] == "make"], ids=str)
def test_what_make_does_in_a_pipeline_it_does_here(command: list[str]) -> None:
    """Each line of its recipes is among those that the targets of `.ci/run` come to."""
    here = set[str]().union(*(recipe(*targets(one)) for one in run_here() if one[0] == "make"))
    lines = recipe(*targets(command))
    assert lines
    assert lines <= here


def targets(command: list[str]) -> list[str]:
    """What a make command makes, and the variables it sets."""
    return [word for word in command[1:] if not word.startswith("-")]


def test_a_line_of_make_that_is_not_run_here_is_noticed() -> None:
    """The comparison is able to fail."""
    here = set[str]().union(*(recipe(*targets(one)) for one in run_here() if one[0] == "make"))
    assert not recipe("screenshots") <= here


def test_a_pipeline_s_game_days_are_on_the_clusters_that_the_script_knows() -> None:
    """The workflow has both; the action's input names either."""
    assert {command[1] for _, command in ALL if command[0] == ".ci/game-day"} == {"embedded", "kind", "$CLUSTER"}


def test_a_game_day_on_each_cluster_of_a_pipeline_is_run_here() -> None:
    """By the same script, with fewer experiments; on kind in `make kind`, which runs all of them there, too."""
    assert ["make", "kind"] in run_here()
    assert {command[1] for command in [*run_here(), list(GAME_DAY)] if command[0] == ".ci/game-day"} == {
        "embedded",
        "kind",
    }
