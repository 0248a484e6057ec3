"""The packages for an image that is built without a network: which of a universal lock, and for which Python."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gameday.runner.errors import EnvironmentFailure
from gameday.runner.kind.context import LOCK
from gameday.runner.kind.tools import Engine, ToolFailure
from gameday.runner.kind.wheels import Python, download, python_of, wanted

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = Path(__file__).parents[4]
TEXT = (PROJECT / LOCK).read_text()


def python(version: str, glibc: int = 36) -> Python:
    """A CPython of that version on Linux."""
    markers = {
        "implementation_name": "cpython", "implementation_version": f"{version}.1", "os_name": "posix",
        "platform_machine": "x86_64", "platform_python_implementation": "CPython", "platform_release": "",
        "platform_system": "Linux", "platform_version": "", "python_full_version": f"{version}.1",
        "python_version": version, "sys_platform": "linux",
    }  # fmt: skip
    return Python(markers, glibc)


@pytest.mark.parametrize(("version", "toolkit"), [("3.11", "1.19.0"), ("3.12", "1.21.4"), ("3.13", "1.21.4")])
def test_conditions_are_those_of_the_bases_python(version: str, toolkit: str) -> None:
    """Not of the one that asks: each Python gets its own Chaos Toolkit, and one version of each package."""
    kept = wanted(TEXT, python(version).markers).splitlines()
    names = [line.partition("==")[0] for line in kept]
    assert len(names) == len(set(names)) > 40
    assert [line.split()[0] for line in kept if line.startswith("chaostoolkit==")] == [f"chaostoolkit=={toolkit}"]
    assert "colorama" not in names
    assert all(re.fullmatch(r"\S+==\S+( --hash=sha256:[0-9a-f]{64})+", line) for line in kept)


def test_pip_is_told_which_packages_fit() -> None:
    """The Python's ABI, and every platform that its C library can run."""
    options = python("3.12", glibc=19).pip_options()
    pairs = list(zip(options[::2], options[1::2], strict=True))
    assert ("--python-version", "3.12") in pairs
    assert [value for key, value in pairs if key == "--abi"] == ["cp312", "abi3", "none"]
    assert [value for key, value in pairs if key == "--platform"] == [
        *("manylinux_2_19_x86_64", "manylinux_2_18_x86_64", "manylinux_2_17_x86_64"),
        *("manylinux2014_x86_64", "linux_x86_64"),
    ]


@pytest.fixture
def saying(tmp_path: Path) -> Callable[[str], Engine]:
    """An engine whose container says that."""

    def made(said: str) -> Engine:
        program = tmp_path / "engine"
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\n")
        program.chmod(0o755)
        return Engine("docker", str(program))

    return made


@pytest.mark.parametrize(
    ("libc", "version", "why"),
    [
        ('["glibc", "2.36"]', "3.10", "has Python 3.10.1, 3.11 to 3.13 is needed"),
        ('["glibc", "2.36"]', "3.14", "has Python 3.14.1, 3.11 to 3.13 is needed"),
        ('["", ""]', "3.12", "its C library is not glibc"),
    ],
)
def test_a_base_that_will_not_do_is_refused(saying: Callable[[str], Engine], libc: str, version: str, why: str) -> None:
    """Before anything is downloaded for it."""
    said = f'{{"libc": {libc}, "markers": {{"python_version": "{version}", "python_full_version": "{version}.1"}}}}'
    with pytest.raises(EnvironmentFailure, match=f"local/base:1: {why}"):
        python_of(saying(said), "local/base:1")


def test_what_is_not_in_the_index_is_said_in_its_terms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No word of registries; what pip said is in it, in one line."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    lock = f"no-such-package==1.0 \\\n    --hash=sha256:{'0' * 64}\n"
    with pytest.raises(ToolFailure) as raised:
        download([lock], python("3.12"), tmp_path / "wheels")
    said = str(raised.value)
    assert "reaches its package index" in said
    assert "no-such-package==1.0" in said
    assert "registry" not in said
    assert "\n" not in said
