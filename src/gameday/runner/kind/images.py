"""Which images a kind cluster is built from: the official ones, or those that $GAMEDAY_IMAGES names. In this one place.

    python: local/python:3.11            what the storefront's image is built on; has Python 3.11 to 3.13 and pip
    envoyproxy/envoy: local/envoy:1      instead of the manifests' Envoy
    postgres: local/postgres:18          instead of their PostgreSQL

is such a file: for machines that reach no registry, or have a mirror of their own. Each key may be left out.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from gameday.authoring.keys import did_you_mean
from gameday.runner.errors import InvalidRequest
from gameday.runner.rendering import split_image

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VARIABLE", "Images", "images"]

VARIABLE = "GAMEDAY_IMAGES"
"""The environment's variable that names the file."""

_PYTHON = "python"
_SERVED = ("envoyproxy/envoy", "postgres")
"""Those that serve as they are, as the manifests name them."""
_KEYS = (_PYTHON, *_SERVED)
_NAME = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?[a-z0-9]+(?:(?:[./]|_{1,2}|-+)[a-z0-9]+)*(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)


@dataclass(frozen=True)
class Images:
    """`python`: the base of the storefront's image, None for its recipe's own; `served`: official names and ours."""

    python: str | None = None
    served: tuple[tuple[str, str], ...] = ()

    def replacements(self) -> list[dict[str, str]]:
        """What kustomize takes as `images:` to put them in the official ones' place."""
        return [{"name": official, **split_image(name)} for official, name in self.served]


def images(environment: Mapping[str, str] = os.environ) -> Images:
    """The images that the environment asks for. Raises InvalidRequest: what is wrong with its file, in one line."""
    file = environment.get(VARIABLE)
    if not file:
        return Images()
    where = f"{VARIABLE}={file}"
    named = _read(Path(file), where)
    for key, name in named.items():
        if key not in _KEYS:
            raise InvalidRequest(f"{where}: unknown key {key!r}{did_you_mean(str(key), _KEYS)}")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidRequest(f"{where}: {key}: {name!r} is no image's name, expected registry/name:tag")
    return Images(named.get(_PYTHON), tuple((key, named[key]) for key in _SERVED if key in named))


def _read(file: Path, where: str) -> dict[Any, Any]:
    try:
        named = yaml.safe_load(file.read_text())
    except OSError as problem:
        raise InvalidRequest(f"{where}: cannot be read: {problem.strerror}") from problem
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        said = " ".join(str(problem).split())
        raise InvalidRequest(f"{where}: is no YAML: {said[:200]}") from problem
    if not isinstance(named, dict):
        raise InvalidRequest(f"{where}: holds {type(named).__name__}, expected a map with some of {', '.join(_KEYS)}")
    return named
