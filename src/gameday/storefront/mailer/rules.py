"""Which safeguards are in place, and where links point: read once, from the environment. All are on by default."""

from dataclasses import dataclass
from typing import Self

from gameday.storefront import settings

UNSUBSCRIBE = ("on", "unsigned", "off")


@dataclass(frozen=True)
class Rules:
    """The safeguards. Each can be taken out, one at a time, to see an experiment fail."""

    shop_url: str
    event_join: bool = True
    apology_join: bool = True
    strict_templates: bool = True
    ceiling: bool = True
    kill_switch: bool = True
    suppression: bool = True
    reserved_domains: bool = True
    link_check: bool = True
    second_person: bool = True
    dry_run: bool = True
    idempotency: bool = True
    acceptance: bool = True
    unsubscribe: str = "on"

    @classmethod
    def from_environment(cls) -> Self:
        """MAILER_SHOP_URL, and a switch for each safeguard; raises SettingError."""
        unsubscribe = settings.text("MAILER_UNSUBSCRIBE", "on")
        if unsubscribe not in UNSUBSCRIBE:
            raise settings.SettingError(f"MAILER_UNSUBSCRIBE is {unsubscribe!r}; expected {', '.join(UNSUBSCRIBE)}")
        names = ("event_join", "apology_join", "strict_templates", "ceiling", "kill_switch", "suppression",
                 "reserved_domains", "link_check", "second_person", "dry_run", "idempotency", "acceptance")  # fmt: skip
        switches = {name: settings.switch(f"MAILER_{name.upper()}") for name in names}
        url = settings.text("MAILER_SHOP_URL", "http://shop.example").rstrip("/")
        return cls(url, unsubscribe=unsubscribe, **switches)
