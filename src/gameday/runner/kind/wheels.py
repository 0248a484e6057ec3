"""The packages of an image that is built without a network: downloaded here, by hash, for the Python in its base."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

from gameday.runner.errors import EnvironmentFailure
from gameday.runner.kind.tools import Engine, ToolFailure, run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Python", "download", "python_of", "wanted"]

_OLDEST, _NEWEST = (3, 11), (3, 13)
_ASK_S = 120.0
_DOWNLOAD_S = 900.0
_QUESTION = """
import json, os, platform, sys
version = platform.python_version()
print(json.dumps({
    "libc": platform.libc_ver(),
    "markers": {
        "implementation_name": sys.implementation.name, "implementation_version": version, "os_name": os.name,
        "platform_machine": platform.machine(), "platform_python_implementation": platform.python_implementation(),
        "platform_release": "", "platform_system": platform.system(), "platform_version": "",
        "python_full_version": version, "python_version": ".".join(version.split(".")[:2]),
        "sys_platform": sys.platform,
    },
}))
"""
_OLDEST_GLIBC_MINOR = 17
"""That of manylinux2014."""


@dataclass(frozen=True)
class Python:
    """The Python of an image: `markers` as requirements' conditions name them, and the minor version of its glibc 2."""

    markers: dict[str, str]
    glibc_minor: int

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor."""
        major, minor = self.markers["python_version"].split(".")
        return int(major), int(minor)

    def pip_options(self) -> list[str]:
        """By which pip takes the packages that fit this Python, instead of those that fit ours."""
        number = "".join(map(str, self.version))
        machine = self.markers["platform_machine"]
        minors = range(self.glibc_minor, _OLDEST_GLIBC_MINOR - 1, -1)
        platforms = [f"manylinux_2_{n}_{machine}" for n in minors] + [f"manylinux2014_{machine}", f"linux_{machine}"]
        return [
            *("--python-version", self.markers["python_version"], "--implementation", "cp"),
            *(option for abi in (f"cp{number}", "abi3", "none") for option in ("--abi", abi)),
            *(option for platform in platforms for option in ("--platform", platform)),
        ]


def python_of(engine: Engine, base: str) -> Python:
    """Ask an image's Python what it is. Raises EnvironmentFailure when it will not do."""
    argv = ["run", "--rm", "--network", "none", "--entrypoint", "python3", base, "-c", _QUESTION]
    said = json.loads(engine.run(*argv, timeout_s=_ASK_S, what=f"asking the Python in {base} for its version"))
    libc, number = said["libc"]
    if libc != "glibc":
        raise EnvironmentFailure(f"{base}: its C library is {libc or 'not glibc'}; take a base of Debian's kind")
    found = Python(said["markers"], int(number.split(".")[1]))
    if not _OLDEST <= found.version <= _NEWEST:
        version = said["markers"]["python_full_version"]
        raise EnvironmentFailure(f"{base}: has Python {version}, 3.11 to 3.13 is needed; name another under 'python'")
    return found


def wanted(lock: str, markers: dict[str, str]) -> str:
    """The requirements of a universal lock that hold for one Python, with their hashes and without their conditions."""
    kept = []
    lines = [
        line for line in lock.replace("\\\n", " ").splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    for line in lines:
        said, *hashes = line.split(" --hash=")
        requirement = Requirement(said)
        environment: dict[str, Any] = dict(markers)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            options = [f" --hash={one.strip()}" for one in hashes]
            kept.append(f"{requirement.name}{requirement.specifier}{''.join(options)}\n")
    return "".join(kept)


def download(locks: Iterable[str], python: Python, folder: Path) -> None:
    """Put the packages of these locks into a folder, each checked by its hash. Raises EnvironmentFailure."""
    folder.mkdir()
    requirements = folder / "requirements.txt"
    kept = {line for lock in locks for line in wanted(lock, python.markers).splitlines(keepends=True)}
    requirements.write_text("".join(sorted(kept)))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet"]
    argv = [*pip, "--require-hashes", "--no-deps", *python.pip_options(), "--dest", str(folder)]
    try:
        run([*argv, "--requirement", str(requirements)], timeout_s=_DOWNLOAD_S, what="downloading the image's packages")
    except ToolFailure as problem:
        raise ToolFailure(_why(problem), problem.said) from None
    requirements.unlink()


def _why(problem: ToolFailure) -> str:
    """In terms of a package index: the engines' own complaints are of registries."""
    said = problem.said
    if "No module named pip" in said:
        return f"{sys.executable} has no pip to download the image's packages with; add it: python3 -m ensurepip"
    if not said or "No space left on device" in said:
        return str(problem)
    errors = [line.strip() for line in said.splitlines() if "ERROR: " in line]
    last = " ".join((errors or said.split("\n"))[0].split())[:300]
    return (
        "downloading the image's packages failed; see that this machine reaches its package index "
        f"(pip config list) and that $TMPDIR has room (pip said: {last})"
    )
