"""The storefront's image, built by the engine at hand unless it has it already.

`python -m gameday.runner.kind.image` (`make image`) builds it, and calls it gameday/storefront:dev as well.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from gameday.runner.catalogue import Catalogue, find_catalogue
from gameday.runner.errors import GamedayError
from gameday.runner.kind import wheels
from gameday.runner.kind.context import BUILD_LOCK, EPOCH, LOCK, RECIPE, WHEELS, Context, context, make_even
from gameday.runner.kind.images import Images, images
from gameday.runner.kind.tools import Engine, find_engine
from gameday.runner.rendering import STOREFRONT

__all__ = ["build", "main", "prepare"]

_BUILD_S = 1200.0
_PULL_S = 600.0


def build(engine: Engine, wanted: Images, catalogue: Catalogue) -> str:
    """Build the image of these sources unless the engine has it; returns its name, gameday/storefront:TAG.

    With a base of one's own the packages are downloaded here, and the build itself needs no network. Takes half a
    minute to some minutes. Raises EnvironmentFailure: no network, disk full, no pip.
    """
    sources = context(catalogue)
    name = _called(engine, sources.image(_identity(engine, wanted.python) if wanted.python else ""))
    if not engine.has_image(name):
        with tempfile.TemporaryDirectory(prefix="gameday-image-") as made:
            arguments = prepare(engine, sources, wanted.python, Path(made) / "context")
            engine.run("build", "--tag", name, *arguments, timeout_s=_BUILD_S, what=f"building {name}")
    return name


def _called(engine: Engine, name: str) -> str:
    """A name as this engine must be told it, for pods to find the image: podman would put localhost/ before it."""
    return name if engine.name == "docker" else f"docker.io/{name}"


def _identity(engine: Engine, base: str) -> str:
    """A base's name and id: another image may come to have the same name. Pulls it if it is not there."""
    if not engine.has_image(base):
        engine.run("pull", base, timeout_s=_PULL_S, what=f"pulling {base}")
    return f"{base} {engine.run('image', 'inspect', '--format', '{{.Id}}', base).strip()}"


def prepare(engine: Engine, sources: Context, base: str | None, folder: Path) -> list[str]:
    """Write all that a build needs to a new folder; returns the arguments of the engine's `build`, but for the name."""
    folder.mkdir()
    sources.write(folder)
    options = ["--build-arg", f"SOURCE_DATE_EPOCH={EPOCH}"]
    if base:
        locks = [sources[lock].decode() for lock in (LOCK, BUILD_LOCK)]
        wheels.download(locks, wheels.python_of(engine, base), folder / WHEELS)
        make_even(folder)
        options += ["--build-arg", f"BASE={base}", "--build-arg", "PIP_NO_INDEX=1", "--network", "none"]
    return [*options, "--file", str(folder / RECIPE), str(folder)]


def _about(engine: Engine, name: str) -> str:
    """Its size and how many layers it has, in words."""
    (found,) = json.loads(engine.run("image", "inspect", name))
    return f"{found['Size'] / 1e6:.0f} MB in {len(found['RootFS']['Layers'])} layers"


def main() -> int:
    """Build it and say what came of it; returns the exit code."""
    try:
        engine = find_engine()
        name = build(engine, images(), find_catalogue())
        development = _called(engine, f"{STOREFRONT}:dev")
        engine.run("tag", name, development)
        sys.stdout.write(f"{name}, also {development}: {_about(engine, name)}\n")
    except GamedayError as problem:
        sys.stderr.write(f"gameday: {problem}\n")
        return problem.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
