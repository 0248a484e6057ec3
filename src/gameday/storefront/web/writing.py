"""How a language writes amounts, dates and numbers of things."""

from datetime import datetime

from gameday.storefront.web.phrases import MONTHS, PHRASES


def money(cents: int, lang: str) -> str:
    """An amount in euros, which a line never ends inside of.

    >>> money(123450, "en")
    '€1,234.50'
    """
    amount = f"{cents / 100:,.2f}"
    if lang == "fr":
        return amount.replace(",", "\u202f").replace(".", ",") + "\u00a0€"
    return f"€{amount}"


def decimal(number: float, lang: str) -> str:
    """A number with one digit after its point, if that is not 0.

    >>> decimal(4.5, "fr")
    '4,5'
    """
    written = f"{number:.1f}".removesuffix(".0")
    return written.replace(".", ",") if lang == "fr" else written


def day(at: str, lang: str) -> str:
    """The day of an ISO 8601 time; nothing when it is none.

    >>> day("2026-11-28T16:00:00Z", "fr")
    '28 novembre 2026'
    """
    try:
        when = datetime.fromisoformat(at)
    except ValueError:
        return ""
    number = "1er" if lang == "fr" and when.day == 1 else when.day
    return f"{number} {MONTHS[lang][when.month - 1]} {when.year}"


def counted(number: int, what: str, lang: str) -> str:
    """So many of something: the phrase `what_1` or `what_n`. In French 0 is singular.

    >>> counted(0, "item", "fr")
    '0 article'
    """
    one = number < 2 if lang == "fr" else number == 1  # noqa: PLR2004
    return PHRASES[lang][f"{what}_{'1' if one else 'n'}"].format(n=number)
