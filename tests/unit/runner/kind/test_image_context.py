"""What the image is built from, and the name that follows from it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from gameday.runner.catalogue import Catalogue, find_catalogue
from gameday.runner.errors import EnvironmentFailure
from gameday.runner.kind.context import BUILD_LOCK, EPOCH, LOCK, RECIPE, Context, context

PROJECT = Path(__file__).parents[4]


@pytest.fixture
def copied(tmp_path: Path) -> Catalogue:
    """The project's catalogue, in a place where it may be changed."""
    found = find_catalogue(PROJECT)
    experiments = Path(shutil.copytree(found.experiments, tmp_path / "experiments"))
    return replace(found, experiments=experiments)


def test_it_holds_what_the_recipe_copies() -> None:
    """The recipe, its locks, the package, the experiments, the manifests; nothing that Python left behind."""
    made = context(find_catalogue(PROJECT))
    assert {place.partition("/")[0] for place in made} == {RECIPE, LOCK, BUILD_LOCK, "src", "experiments", "k8s"}
    assert made["src/gameday/storefront/web/__main__.py"]
    assert made["k8s/base/kustomization.yaml"]
    assert not [place for place in made if "__pycache__" in place or place.endswith(".pyc")]


def test_the_same_sources_have_the_same_name(copied: Catalogue) -> None:
    """Elsewhere, written at another time, with other modes, in another order."""
    name = context(copied).image()
    assert name == context(find_catalogue(PROJECT)).image()
    for path in copied.experiments.rglob("*.yaml"):
        path.chmod(0o600)
        os.utime(path, (1, 1))
    (copied.experiments / "__pycache__").mkdir()
    (copied.experiments / "__pycache__" / "a.pyc").write_bytes(b"x")
    made = context(copied)
    assert made.image() == name == Context(reversed(made.items())).image()
    assert name.startswith("gameday/storefront:")
    assert len(name.partition(":")[2]) == 12


def test_other_sources_have_another_name(copied: Catalogue) -> None:
    """A byte changed, a file added, one renamed; another base."""
    names = [context(copied).image(), context(copied).image("local/python:3.11")]
    file = copied.files()[0]
    file.write_text(file.read_text() + "\n")
    names.append(context(copied).image())
    (copied.experiments / "new.yaml").write_text("")
    names.append(context(copied).image())
    (copied.experiments / "new.yaml").rename(copied.experiments / "newer.yaml")
    names.append(context(copied).image())
    assert len(set(names)) == len(names)


def test_where_a_file_ends_counts() -> None:
    """Bytes that move from one file to the next make another name."""
    assert Context({"a": b"1", "b": b"2"}).image() != Context({"a": b"1\0b\x001\x002", "b": b""}).image()


def test_it_is_written_the_same_under_any_umask(tmp_path: Path) -> None:
    """Modes and times are fixed, folders' too."""
    sources = Context({"a/b/c.txt": b"1", "d": b"2"})
    seen = []
    for name, umask in (("one", 0o077), ("other", 0o000)):
        before = os.umask(umask)
        try:
            folder = tmp_path / name
            folder.mkdir()
            sources.write(folder)
        finally:
            os.umask(before)
        found = [folder, *sorted(folder.rglob("*"))]
        seen.append([(str(p.relative_to(folder)), oct(p.stat().st_mode), p.stat().st_mtime) for p in found])
    assert seen[0] == seen[1]
    assert {mode for _, mode, _ in seen[0]} == {"0o40755", "0o100644"}
    assert {time for _, _, time in seen[0]} == {float(EPOCH)}


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    """In one line, with the folder; here a file is where a folder should be."""
    (tmp_path / "a").write_text("")
    with pytest.raises(EnvironmentFailure, match=f"{tmp_path}: the image's sources cannot be written: File exists"):
        Context({"a/b": b""}).write(tmp_path)


def test_whoever_installed_a_wheel_makes_the_same_image(tmp_path: Path) -> None:
    """The wheel brings the recipe, the locks and the catalogue; its name for the image is the checkout's."""
    argv = ["-m", "pip", "--quiet", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    subprocess.run([sys.executable, *argv, str(PROJECT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    asked = (
        "import gameday; from gameday.runner.catalogue import find_catalogue; "
        "from gameday.runner.kind.context import context; print(gameday.__file__, context(find_catalogue()).image())"
    )
    said = subprocess.run(
        [sys.executable, "-c", asked], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed)}, check=True,
        capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    assert said == [str(installed / "gameday" / "__init__.py"), context(find_catalogue(PROJECT)).image()]
