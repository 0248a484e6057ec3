"""What a service reads from its environment, once, when it starts."""

import os
from dataclasses import dataclass


class SettingError(Exception):
    """An environment variable that is missing or makes no sense: one line, for the operator."""


@dataclass(frozen=True)
class Address:
    """A host and a TCP port."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"http://{self.host}:{self.port}"


def text(name: str, default: str | None = None) -> str:
    """The variable `name`, or `default`; raises SettingError when it is unset or empty and has no default."""
    value = os.environ.get(name) or default
    if value is None:
        raise SettingError(f"environment variable {name} is not set; the manifest of this service sets it")
    return value


def number(name: str, default: float) -> float:
    """The variable `name` as a number that is not negative."""
    value = text(name, str(default))
    try:
        found = float(value)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise SettingError(f"environment variable {name} is {value!r}; expected a number >= 0")
    return found


def switch(name: str, *, default: bool = True) -> bool:
    """The variable `name` as ``on`` or ``off``; anything else is refused, so that a typo removes no safeguard."""
    value = text(name, "on" if default else "off")
    if value not in {"on", "off"}:
        raise SettingError(f"environment variable {name} is {value!r}; expected on or off")
    return value == "on"


def listen_address(name: str = "PORT", default: int = 8080) -> Address:
    """Where to listen: POD_IP (all addresses when unset) and the port in variable `name`."""
    return Address(text("POD_IP", "0.0.0.0"), int(number(name, default)))  # noqa: S104


def peer(service: str, port_name: str = "") -> Address:
    """Another service, found by the variables that Kubernetes sets; `port_name` picks one of several ports."""
    prefix = service.upper().replace("-", "_") + "_SERVICE"
    port = f"{prefix}_PORT_{port_name.upper()}" if port_name else f"{prefix}_PORT"
    return Address(text(f"{prefix}_HOST"), int(number(port, 8080)))


def pod_name() -> str:
    """The name of this pod, for logs and reports."""
    return os.environ.get("POD_NAME") or os.environ.get("HOSTNAME") or "unknown"
