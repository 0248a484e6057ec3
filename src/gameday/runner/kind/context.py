"""What the storefront's image is built from: the recipe, its locks, this package, the experiments and the manifests.

The same sources make the same tag on every machine: only names and contents count, no mode, no time, no umask.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import gameday
from gameday.runner.errors import EnvironmentFailure
from gameday.runner.rendering import STOREFRONT

if TYPE_CHECKING:
    from gameday.runner.catalogue import Catalogue

__all__ = ["BUILD_LOCK", "EPOCH", "LOCK", "RECIPE", "WHEELS", "Context", "context"]

RECIPE = "Containerfile"
LOCK = "requirements-image.lock"
BUILD_LOCK = "requirements-image-build.lock"
WHEELS = "requirements-image.wheels"
"""The folder beside the locks from which packages are taken where there is no index."""
EPOCH = 315_532_800
"""When everything in it was last changed, in seconds since 1970: the first moment of 1980."""

_CATALOGUE = "_catalogue"
_DIGITS = 12


class Context(dict[str, bytes]):
    """Contents of files, by their place in the build context."""

    def image(self, base: str = "") -> str:
        """The name of the image that these sources make on that base (none: the recipe's own)."""
        digest = hashlib.sha256(base.encode())
        for place, content in sorted(self.items()):
            digest.update(f"\0{place}\0{len(content)}\0".encode() + content)
        return f"{STOREFRONT}:{digest.hexdigest()[:_DIGITS]}"

    def write(self, folder: Path) -> None:
        """Write them below an empty folder. Raises EnvironmentFailure when there is no room."""
        try:
            for place, content in self.items():
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                (folder / place).write_bytes(content)
        except OSError as problem:
            raise EnvironmentFailure(
                f"{folder}: the image's sources cannot be written: {problem.strerror}"
            ) from problem
        make_even(folder)


def make_even(folder: Path) -> None:
    """Give all that is below a folder, and itself, the same modes and times whoever wrote it."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (EPOCH, EPOCH))


def context(catalogue: Catalogue) -> Context:
    """The sources, as they are now. Raises EnvironmentFailure when the installation is incomplete."""
    package = Path(gameday.__file__).resolve().parent
    recipe = _recipe(package)
    made = Context({name: (recipe / name).read_bytes() for name in (RECIPE, LOCK, BUILD_LOCK)})
    for place, folder in (("src/gameday", package), ("experiments", catalogue.experiments), ("k8s", catalogue.k8s)):
        for path in folder.rglob("*"):
            within = path.relative_to(folder)
            if path.is_file() and "__pycache__" not in within.parts and within.parts[0] != _CATALOGUE:
                made[f"{place}/{within.as_posix()}"] = path.read_bytes()
    return made


def _recipe(package: Path) -> Path:
    """The folder of the recipe and its locks: the checkout that this package is in, or the copy that it brings."""
    for folder in (package / _CATALOGUE / "image", package.parents[1]):
        if all((folder / name).is_file() for name in (RECIPE, LOCK, BUILD_LOCK)):
            return folder
    raise EnvironmentFailure(f"no {RECIPE} with its locks in {package}; reinstall chaostoolkit-gameday")
