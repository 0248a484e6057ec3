"""The recipe of the storefront's image, held against the sources and the manifests that rely on it."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from gameday.runner.catalogue import find_catalogue
from gameday.runner.rendering import STOREFRONT, Renderer

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "src" / "gameday"
IMPORTED_AS = {"dkim": "dkimpy", "prometheus_client": "prometheus-client", "yaml": "pyyaml"}
#: Come with jinja2 and kubernetes, which cannot do without.
BROUGHT_ALONG = {"markupsafe", "urllib3"}


@pytest.fixture(scope="module")
def steps() -> list[list[str]]:
    """The instructions of the recipe, as words."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Containerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [shlex.split(line) for line in text.splitlines() if line.strip()]


def name(requirement: str) -> str:
    """The package of a requirement, without version and marker."""
    return re.split(r"[><=;!~\s]", requirement, maxsplit=1)[0].lower()


def test_what_is_copied_exists_and_is_let_through(steps: list[list[str]]) -> None:
    """Each source is in the project, and the ignore files keep just those."""
    copied = [one[1] for one in steps if one[0] == "COPY" and not one[1].startswith("--from")]
    assert copied == ["requirements.lock", "src/gameday"]
    assert all((ROOT / one).exists() for one in copied)
    ignored = (ROOT / ".containerignore").read_text()
    assert [line[1:] for line in ignored.splitlines() if line.startswith("!")] == copied
    assert (ROOT / ".dockerignore").read_text() == ignored


def test_the_packages_are_those_that_are_imported(steps: list[list[str]]) -> None:
    """What the storefront, the fault proxy and the guardian import, and no more; all of it is this project's."""
    install = next(one for one in steps if one[:3] == ["RUN", "pip", "install"])
    installed = install[install.index("/opt/app") + 1 :]
    folders = ("storefront", "faultproxy", "ledger", "reach")
    files = [f for folder in folders for f in (PACKAGE / folder).rglob("*.py")]
    files += [PACKAGE / one for one in ("guardian.py", "kube.py", "evidence.py")]
    modules = {module for file in files for module in imported(file)} - {"gameday"} - set(sys.stdlib_module_names)
    needed = {IMPORTED_AS.get(module, module) for module in modules} - BROUGHT_ALONG
    assert {one.partition("[")[0] for one in installed} == needed
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(installed) <= {name(one) for one in project["dependencies"]}


def imported(file: Path) -> set[str]:
    """The top-level modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_every_byte_is_checked_by_hash(steps: list[list[str]]) -> None:
    """Wheels come by the lock's hashes, and the installation takes those wheels alone."""
    wheel, install = (next(one for one in steps if one[:3] == ["RUN", "pip", what]) for what in ("wheel", "install"))
    assert {"--require-hashes", "requirements.lock"} <= set(wheel)
    assert {"--no-index", "--find-links"} <= set(install)


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
