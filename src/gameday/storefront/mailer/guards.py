"""What is asked before any mail goes out, whatever it is about. Each raises Held with the reason."""

from gameday.storefront.mailer import limits
from gameday.storefront.mailer.book import Book
from gameday.storefront.mailer.config import Config, Held
from gameday.storefront.mailer.rules import Rules


def check_switch(rules: Rules, config: Config) -> None:
    """The kill switch, before each batch."""
    if rules.kill_switch:
        limits.kill_switch(config)


def check_domains(rules: Rules, config: Config, emails: list[str]) -> None:
    """Mail goes to domains that are allowed."""
    strangers = [email for email in emails if limits.foreign(config, email)] if rules.reserved_domains else []
    if strangers:
        domain = strangers[0].rpartition("@")[2]
        raise Held(f"{len(strangers)} recipients are outside the allowed domains, one of them at {domain}")


async def check_ceiling(
    rules: Rules, config: Config, book: Book, template: str, event: str, people: int, *, lifted: bool = False
) -> None:
    """The ceiling: those reached within the window by other events, and these. A missing one holds as well."""
    if not rules.ceiling:
        return
    ceiling = limits.ceiling(config, template)
    most = ceiling.with_approval if lifted else ceiling.recipients
    reached = await book.reached(template, ceiling.window_s, beside=event)
    if reached + people > most:
        raise Held(
            f"the ceiling of {template} is {most} people in {ceiling.window_s:g} s; {reached} were reached,"
            f" {people} more were to be"
        )
