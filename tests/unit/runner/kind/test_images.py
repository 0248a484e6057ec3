"""Which images a kind cluster is made of: read from one file, or the official ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gameday.runner.catalogue import find_catalogue
from gameday.runner.errors import InvalidRequest
from gameday.runner.kind.images import VARIABLE, Images, images
from gameday.runner.rendering import Renderer

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = "python: local/python:3.11\nenvoyproxy/envoy: local/envoy:1\npostgres: r.example:5000/pg:18\n"


def read(folder: Path, text: str) -> Images:
    """What a file with this text says."""
    file = folder / "images.yaml"
    file.write_text(text)
    return images({VARIABLE: str(file)})


@pytest.mark.parametrize("environment", [{}, {VARIABLE: ""}])
def test_without_a_file_the_official_ones_serve(environment: dict[str, str]) -> None:
    """Nothing is replaced, and the base is the recipe's."""
    assert images(environment) == Images()
    assert images(environment).replacements() == []


def test_a_file_names_them(tmp_path: Path) -> None:
    """The base for the build, the others for the manifests."""
    found = read(tmp_path, WHOLE)
    assert found.python == "local/python:3.11"
    assert tuple(name for _, name in found.served) == ("local/envoy:1", "r.example:5000/pg:18")


def test_a_file_may_name_some_of_them(tmp_path: Path) -> None:
    """The others stay the official ones."""
    assert read(tmp_path, "postgres: mirror.example/postgres:18\n") == Images(
        None, (("postgres", "mirror.example/postgres:18"),)
    )


def test_they_take_the_official_ones_place(tmp_path: Path) -> None:
    """Tags and digests of the overlay go with the names that they belong to."""
    made = Renderer(
        find_catalogue(), overlay="kind", image="gameday/storefront:1", images=read(tmp_path, WHOLE).replacements()
    ).render()
    pods = [one["spec"]["template"]["spec"] for one in made if one["kind"] == "Deployment"]
    found = {c["image"] for pod in pods for c in [*pod["containers"], *pod.get("initContainers", [])]}
    assert found == {"gameday/storefront:1", "local/envoy:1", "r.example:5000/pg:18"}


@pytest.mark.parametrize(
    "name", ["a", "a/b", "a:1", "r.example/a-b/c_d:1.2-x", "localhost:5000/a", f"a/b:1@sha256:{'0' * 64}"]
)
def test_a_name_may_have_all_its_parts(tmp_path: Path, name: str) -> None:
    """Registry, port, folders, tag, digest."""
    assert read(tmp_path, f"python: '{name}'\n").python == name


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("pyhton: a:1\n", "unknown key 'pyhton'; did you mean 'python'?"),
        ("nginx: a:1\n", "unknown key 'nginx'; known: envoyproxy/envoy, postgres, python"),
        ("1: a:1\n", "unknown key 1"),
        ("python: 3.11\n", "python: 3.11 is no image's name, expected registry/name:tag"),
        ("python:\n", "python: None is no image's name"),
        ("postgres: Shop:1\n", "'Shop:1' is no image's name"),
        ("postgres: 'a b'\n", "'a b' is no image's name"),
        ("postgres: --privileged\n", "'--privileged' is no image's name"),
        ("postgres: a//b\n", "'a//b' is no image's name"),
        ("postgres: a@sha256:12\n", "'a@sha256:12' is no image's name"),
        ("- a\n", "holds list, expected a map with some of python, envoyproxy/envoy, postgres"),
        ("", "holds NoneType, expected a map"),
        ("a: [\n", "is no YAML"),
    ],
)
def test_what_is_wrong_with_it_is_said_in_a_line(tmp_path: Path, text: str, what: str) -> None:
    """With the file's name, the variable's, and what was meant."""
    with pytest.raises(InvalidRequest) as raised:
        read(tmp_path, text)
    said = str(raised.value)
    assert said.startswith(f"{VARIABLE}={tmp_path}/images.yaml: ")
    assert what in said
    assert "\n" not in said


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """One that is not there, a folder, one that is not text."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for file, why in ((tmp_path / "none", "No such file"), (tmp_path, "directory"), (binary, "is no YAML")):
        with pytest.raises(InvalidRequest, match=why):
            images({VARIABLE: str(file)})
