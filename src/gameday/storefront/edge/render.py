"""Writes Envoy's configuration from its template, the pages and the environment that Kubernetes gives the pod."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import yaml
from jinja2 import Environment, StrictUndefined, TemplateError

from gameday.storefront.edge.pages import render_pages

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gameday.storefront.edge.pages import Page

#: The longest path that a Unix socket can be bound to, in bytes, on Linux.
MAX_SOCKET_PATH = 107


class RenderError(Exception):
    """The configuration cannot be written; the message, one line, says why and what to do."""


@dataclass(frozen=True)
class Address:
    """An address and a port, as Envoy wants them: apart."""

    address: str
    port: int


@dataclass(frozen=True)
class Safeguards:
    """Which safeguards are in place.

    Attributes:
        error_page: send the friendly page for every 5xx; else Envoy's own reply, or web's.
        says_200: a weakness: the friendly page pretends that all is well.
        retries: repeat what is safe to repeat.
    """

    error_page: bool = True
    says_200: bool = False
    retries: bool = True

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read ``EDGE_ERROR_PAGE`` (``on``, ``off``, ``says-200``) and ``EDGE_RETRIES`` (``on``, ``off``).

        Raises:
            RenderError: for any other value, for a typo must not take a safeguard away unseen.
        """
        error_page = _choice(environment, "EDGE_ERROR_PAGE", ("on", "off", "says-200"))
        retries = _choice(environment, "EDGE_RETRIES", ("on", "off"))
        return cls(error_page=error_page != "off", says_200=error_page == "says-200", retries=retries == "on")


def render(template: Path, pages: Path, output: Path, environment: Mapping[str, str] | None = None) -> None:
    """Write Envoy's configuration to ``output``, whole or not at all.

    Args:
        template: the Jinja template of the configuration (``envoy.yaml.j2``); ``negotiate.lua`` lies beside it.
        pages: the folder of the page templates.
        output: the file to write; Envoy's admin socket is to be bound beside it.
        environment: ``POD_IP`` and ``PORT`` to listen on (0.0.0.0 and 8080), ``WEB_SERVICE_HOST`` and
            ``WEB_SERVICE_PORT`` to forward to, the safeguards; the process's own by default.

    Raises:
        RenderError: something needed is missing, or the template does not render into YAML.
    """
    environment = os.environ if environment is None else environment
    safeguards = Safeguards.from_environment(environment)
    listen = Address(environment.get("POD_IP") or "0.0.0.0", _port(environment, "PORT", "8080"))  # noqa: S104
    web = Address(_needed(environment, "WEB_SERVICE_HOST"), _port(environment, "WEB_SERVICE_PORT", None))
    text = _envoy_configuration(template, listen, web, safeguards, render_pages(pages), output.parent / "admin.sock")
    part = output.with_name(output.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(output)
    except OSError as error:
        raise RenderError(f"{output}: cannot be written: {error.strerror}; mount an emptyDir there") from None


def _envoy_configuration(
    template: Path, listen: Address, web: Address, safeguards: Safeguards, pages: list[Page], socket: Path
) -> str:
    """The configuration as text that has been seen to be YAML."""
    jinja = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - YAML, where tojson does the quoting
    # htmlsafe_json_dumps would write "<" as \u003c: right, but a configuration that nobody can read.
    jinja.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    try:
        text = jinja.from_string(template.read_text(encoding="utf-8")).render(
            listen=listen,
            web=web,
            safeguards=safeguards,
            pages=pages,
            negotiate=template.with_name("negotiate.lua").read_text(encoding="utf-8"),
            # A path that is too long for a socket would keep Envoy from starting: then there is no admin interface.
            admin_socket=str(socket) if len(os.fsencode(socket)) <= MAX_SOCKET_PATH else None,
        )
        loaded = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, TemplateError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise RenderError(f"{template}: does not render: {reason}; mend ConfigMap edge-pages") from None
    if not isinstance(loaded, dict) or "static_resources" not in loaded:
        raise RenderError(f"{template}: renders into no static_resources; mend ConfigMap edge-pages")
    return text


def _choice(environment: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """The value of a switch, the first choice by default."""
    value = environment.get(name, choices[0])
    if value not in choices:
        raise RenderError(f"{name} is {value!r}, expected one of {', '.join(choices)}; mend the Deployment's env")
    return value


def _needed(environment: Mapping[str, str], name: str) -> str:
    """The value of a variable that Kubernetes sets for a Service that exists before the pod."""
    value = environment.get(name)
    if not value:
        raise RenderError(f"{name} is not set; is there a Service web, made before this pod?")
    return value


def _port(environment: Mapping[str, str], name: str, default: str | None) -> int:
    """A port number, 1 to 65535."""
    value = _needed(environment, name) if default is None else environment.get(name, default)
    if not value.isdecimal() or not 0 < int(value) < 65536:  # noqa: PLR2004
        raise RenderError(f"{name} is {value!r}, expected a port from 1 to 65535; mend the environment")
    return int(value)
