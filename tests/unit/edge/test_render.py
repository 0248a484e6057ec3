"""Rendering: broken page templates never cost the visitor the page, and mistakes are said in one line."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from gameday.storefront.edge.__main__ import main
from gameday.storefront.edge.pages import MAX_PAGE_BYTES, REQUEST_ID_OPERATOR, Page, check_html, render_pages
from gameday.storefront.edge.render import render
from gameday.storefront.edge.safeguards import RenderError
from tests.unit.edge.conftest import FILES
from tests.unit.edge.test_error_page import DEAD, assert_friendly

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.edge.conftest import Edge

BROKEN: dict[str, tuple[str, str | bytes]] = {
    "a typo": ("error.html.j2", "{{ words.titel }}"),
    "a syntax error": ("error.html.j2", "<html>{% if %}"),
    "nothing": ("error.html.j2", ""),
    "no home page": ("error.html.j2", '<html lang="{{ lang }}"><main data-page="error"><h1>{{ request_id }}</h1>'),
    "endless": ("error.html.j2", "x" * MAX_PAGE_BYTES),
    "division by zero": ("error.html.j2", "{{ 1 / 0 }}"),
    "not text": ("error.html.j2", b"\xff\xfe\x00"),
    "a broken picture": ("dog.svg", "{{ nobody }}"),
}
ENVIRONMENT = {"POD_IP": "127.202.0.2", "WEB_SERVICE_HOST": DEAD, "WEB_SERVICE_PORT": "8080"}


def page(folder: Path, name: str, status: int = 503) -> Page:
    """One page of those rendered from a folder."""
    return next(p for p in render_pages(folder) if (p.name, p.status) == (name, status))


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A copy of the shop's templates, to be broken."""
    return shutil.copytree(FILES, tmp_path / "pages")


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_template_gives_the_built_in_page(pages: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is wrong with a template, both languages get a page that passes our own check, and the log says why."""
    name, content = BROKEN[how]
    (pages / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    for language in ("en", "fr"):
        body = page(pages, f"{language}-html").body
        check_html(body.replace(REQUEST_ID_OPERATOR, "\ue000request-id\ue000"), language)
    assert "the built-in is used instead" in capsys.readouterr().err


def test_no_templates_at_all_still_serve_a_friendly_page(start_edge: Callable[..., Edge], tmp_path: Path) -> None:
    """An empty folder of pages gives visitors the built-in page, with all that makes a page friendly."""
    edge = start_edge(DEAD, pages=tmp_path)
    assert_friendly(edge.ask())
    assert_friendly(edge.ask(accept_language="fr"), "fr")


@pytest.mark.parametrize("strings", ["", "- a list", "en: 3", "en: {title: ''}\nfr: {title: [1]}", "en: {{", "\x00"])
def test_missing_words_are_taken_from_the_built_in(pages: Path, strings: str) -> None:
    """A strings file with gaps, or none, costs the page its words but not its being."""
    (pages / "strings.yaml").write_text(strings)
    assert "notre faute" in page(pages, "fr-html").body
    assert 'viewBox="0 0 320 250"' in page(pages, "en-html").body


def test_the_shops_own_page_is_the_one_that_is_used() -> None:
    """The templates in the manifests pass the check: the built-in page is not what visitors usually see."""
    for language in ("en", "fr"):
        assert "Biscuit" in page(FILES, f"{language}-html").body


def test_words_cannot_become_markup_or_operators(pages: Path) -> None:
    """Sentences are escaped for HTML, and their percent signs for Envoy."""
    strings = yaml.safe_load((pages / "strings.yaml").read_text())
    strings["en"]["cause"] = "<b>100%REQ(COOKIE)%</b>"
    (pages / "strings.yaml").write_text(yaml.safe_dump(strings))
    assert "&lt;b&gt;100%%REQ(COOKIE)%%&lt;/b&gt;" in page(pages, "en-html").body


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"WEB_SERVICE_HOST": ""}, "WEB_SERVICE_HOST is not set"),
        ({"WEB_SERVICE_PORT": "http"}, "expected a port from 1 to 65535"),
        ({"EDGE_ERROR_PAGE": "On"}, "expected one of on, off, says-200"),
        ({"EDGE_RETRIES": "no"}, "expected one of on, off"),
    ],
)
def test_a_bad_environment_is_refused(tmp_path: Path, change: dict[str, str], says: str) -> None:
    """What is missing or misspelt is named, and no configuration is left behind."""
    with pytest.raises(RenderError, match=says):
        render(FILES / "envoy.yaml.j2", FILES, tmp_path / "envoy.yaml", ENVIRONMENT | change)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("template", ["{{ nobody }}", "a: [", "just words", None])
def test_a_broken_configuration_is_one_line_and_no_traceback(
    tmp_path: Path, template: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a configuration there is no edge: the command fails, says so in one line, and writes nothing."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    if template is not None:
        (tmp_path / "envoy.yaml.j2").write_text(template)
    shutil.copy(FILES / "negotiate.lua", tmp_path)
    arguments = [
        "--template",
        str(tmp_path / "envoy.yaml.j2"),
        "--pages",
        str(FILES),
        "--output",
        str(tmp_path / "out"),
    ]
    assert main(["render", *arguments]) == 1
    said = capsys.readouterr().err
    assert said.startswith("edge: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_command_writes_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command does what edge's init container needs, and listens where POD_IP says."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    output = tmp_path / "envoy.yaml"
    assert (
        main(["render", "--template", str(FILES / "envoy.yaml.j2"), "--pages", str(FILES), "--output", str(output)])
        == 0
    )
    assert "static_resources" in yaml.safe_load(output.read_text())
    listener = yaml.safe_load(output.with_name("listeners.yaml").read_text())["resources"][0]
    assert listener["address"]["socket_address"] == {"address": "127.202.0.2", "port_value": 8080}


def test_a_path_too_long_for_a_socket_leaves_the_admin_interface_out(tmp_path: Path) -> None:
    """Envoy would not start with it."""
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    render(FILES / "envoy.yaml.j2", FILES, deep / "envoy.yaml", ENVIRONMENT)
    assert "admin" not in yaml.safe_load((deep / "envoy.yaml").read_text())
