"""What no mail may get past, as `limits.yaml` has it. What is missing there, or makes no sense, holds the mail."""

from dataclasses import dataclass
from typing import Any

from gameday.storefront.mailer.config import Config, Held

FILE = "limits.yaml"


@dataclass(frozen=True)
class Ceiling:
    """How many different people a template may reach within `window_s`; `with_approval` is where approval ends too."""

    recipients: int
    window_s: float
    with_approval: int
    per_second: float | None


def kill_switch(config: Config) -> None:
    """Raise Held while the kill switch is on, or cannot be read."""
    if (value := _limits(config).get("kill_switch")) is not False:
        raise Held("the kill switch is on" if value is True else f"{FILE}: kill_switch is {value!r}, not on or off")


def ceiling(config: Config, template: str) -> Ceiling:
    """The ceiling of a template; raises Held when there is none."""
    ceilings = _limits(config).get("ceilings")
    found = ceilings.get(template) if isinstance(ceilings, dict) else None
    if not isinstance(found, dict):
        raise Held(f"{FILE} has no ceiling for {template}")
    recipients, window_s = _number(template, found, "recipients"), _number(template, found, "window_s")
    with_approval = _number(template, found, "with_approval") if "with_approval" in found else recipients
    per_second = _number(template, found, "per_second") if "per_second" in found else None
    return Ceiling(int(recipients), window_s, int(with_approval), per_second)


def foreign(config: Config, email: str) -> bool:
    """Whether an address is outside the domains that mail may go to; raises Held when these cannot be read."""
    domains = _limits(config).get("recipient_domains")
    if not isinstance(domains, list) or not all(isinstance(domain, str) for domain in domains):
        raise Held(f"{FILE} does not say which recipient_domains there are")
    return email.rpartition(".")[2].lower() not in domains


def _limits(config: Config) -> dict[str, Any]:
    loaded = config.yaml(FILE)
    if not isinstance(loaded, dict):
        raise Held(f"{FILE} is not a mapping")
    return loaded


def _number(template: str, found: dict[str, Any], name: str) -> float:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise Held(f"{FILE}: the ceiling of {template} has {name} {value!r}, not a number above 0")
    return float(value)
