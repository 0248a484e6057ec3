"""Writes Envoy's configuration from its template, the pages and the environment that Kubernetes gives the pod."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from jinja2 import Environment, StrictUndefined, TemplateError

from gameday.storefront.edge.pages import OnBroken, complain, render_pages
from gameday.storefront.edge.safeguards import RenderError, Safeguards
from gameday.storefront.edge.spoiling import spoil

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


#: The longest path that a Unix socket can be bound to, in bytes, on Linux.
MAX_SOCKET_PATH = 107
#: Beside the configuration: the listeners that Envoy serves, and what is moved in their place to drain it.
LISTENERS, CLOSED = "listeners.yaml", "closed.yaml"
NO_LISTENERS = "resources: []\n"
#: And of the environment what whoever follows the ConfigMap needs: the safeguards are told to the init container alone.
SETTINGS = "settings.json"


@dataclass(frozen=True)
class Address:
    """An address and a port, as Envoy wants them: apart."""

    address: str
    port: int


def render(template: Path, pages: Path, output: Path, environment: Mapping[str, str] | None = None) -> None:
    """Write Envoy's configuration to ``output``, and beside it the listeners that it names and the means to close them.

    Args:
        template: the Jinja template of the configuration (``envoy.yaml.j2``); ``listener.yaml.j2`` and
            ``negotiate.lua`` lie beside it.
        pages: the folder of the page templates.
        output: the file to write, the last of several; Envoy's admin socket is to be bound beside it.
        environment: ``POD_IP`` and ``PORT`` to listen on (0.0.0.0 and 8080), ``WEB_SERVICE_HOST`` and
            ``WEB_SERVICE_PORT`` to forward to, the safeguards; the process's own by default.

    Raises:
        RenderError: something needed is missing, or a template does not render into YAML.
    """
    environment = os.environ if environment is None else environment
    web = Address(_needed(environment, "WEB_SERVICE_HOST"), _port(environment, "WEB_SERVICE_PORT", None))
    listeners = render_listeners(template.with_name("listener.yaml.j2"), pages, environment)
    socket = output.with_name("admin.sock")
    text = _rendered(
        template,
        "static_resources",
        web=web,
        safeguards=Safeguards.from_environment(environment),
        listeners=str(output.with_name(LISTENERS)),
        # A path that is too long for a socket would keep Envoy from starting: then there is no admin interface.
        admin_socket=str(socket) if len(os.fsencode(socket)) <= MAX_SOCKET_PATH else None,
    )
    write(output.with_name(LISTENERS), listeners)
    write(output.with_name(CLOSED), NO_LISTENERS)
    write(output.with_name(SETTINGS), json.dumps({name: environment[name] for name in environment if _is_ours(name)}))
    write(output, text)


def render_listeners(
    template: Path, pages: Path, environment: Mapping[str, str], on_broken: OnBroken = complain
) -> str:
    """Envoy's listener with the pages as they are now; see :func:`render` and :func:`render_pages`."""
    listen = Address(environment.get("POD_IP") or "0.0.0.0", _port(environment, "PORT", "8080"))  # noqa: S104
    safeguards = Safeguards.from_environment(environment)
    try:
        negotiate = template.with_name("negotiate.lua").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RenderError(f"negotiate.lua: {' '.join(str(error).split())}; mend ConfigMap edge-pages") from None
    made = spoil(render_pages(pages, safeguards, on_broken), safeguards)
    return _rendered(template, "resources", listen=listen, safeguards=safeguards, pages=made, negotiate=negotiate)


def _is_ours(name: str) -> bool:
    return name in {"POD_IP", "PORT"} or name.startswith("EDGE_")


def write(file: Path, text: str) -> None:
    """Write a file whole or not at all, and in one move, which is what Envoy watches for.

    Raises:
        RenderError: it cannot be written.
    """
    part = file.with_name(file.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError as error:
        raise RenderError(f"{file}: cannot be written: {error.strerror}; mount an emptyDir there") from None


def _rendered(template: Path, needed: str, **given: Any) -> str:
    """A template as text that has been seen to be YAML with `needed` in it."""
    jinja = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - YAML, where tojson does the quoting
    # htmlsafe_json_dumps would write "<" as \u003c: right, but a configuration that nobody can read.
    jinja.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    try:
        text = jinja.from_string(template.read_text(encoding="utf-8")).render(**given)
        loaded = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except (OSError, UnicodeDecodeError, TemplateError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise RenderError(f"{template}: does not render: {reason}; mend ConfigMap edge-pages") from None
    if not isinstance(loaded, dict) or needed not in loaded:
        raise RenderError(f"{template}: renders into no {needed}; mend ConfigMap edge-pages")
    return text


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
