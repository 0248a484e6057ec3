"""Each invariant of mail: its probe holds on the sound mailer, and is violated on the weakness made for it.

Real PostgreSQL, real SMTP, a mailer for each case. Before anything has gone wrong the probe's baseline is met.
"""

from __future__ import annotations

import shutil
import signal
import smtplib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from gameday.activities.probes import mail, mail_campaigns, mail_delivery, mail_form, mail_recipients

from .mailing import RECORD, Game, game
from .stage import MAILER_FILES, Stage, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gameday.activities.session import Reading

pytestmark = pytest.mark.usefixtures("mailer_away")

ALL = "customer-{:04d}@shop.example"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A copy of the mailer's configuration, to be spoilt; campaigns are quick."""
    folder = shutil.copytree(MAILER_FILES, tmp_path / "mailer")
    spoil(folder / "limits.yaml", "per_second: 40", "per_second: 400")
    return folder


def spoil(path: Path, old: str, new: str) -> None:
    """Change a file."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    put(path, text.replace(old, new))


def reload(playing: Game, file: str, old: str, new: str) -> None:
    """Change the configuration, and wait until the mailer has it."""
    before = playing.log.count("config-loaded")
    spoil(playing.config / file, old, new)
    playing.wait(lambda: playing.log.count("config-loaded") > before)


def gifts_for_everybody(playing: Game) -> None:
    """The audience rule of gift alerts says all customers; a gift."""
    reload(playing, "audience.yaml", "registry-owner", "all-customers")
    playing.give()
    playing.settle()


def gifts_with_a_dead_link(playing: Game) -> None:
    """The template links to a page that is not there; a gift, and an order."""
    reload(playing, "gift-alert.en.html.j2", "/registry/{{", "/registri/{{")
    playing.give()
    orders(playing)


def orders(playing: Game) -> None:
    """Two orders."""
    playing.buy()
    playing.buy()
    playing.settle()


def orders_from_real_people(playing: Game) -> None:
    """An order from a domain that somebody may own."""
    playing.buy("somebody@gameday-shop.com")
    orders(playing)


def orders_put_off(playing: Game) -> None:
    """Orders from addresses whose server says 451 at first."""
    for _ in range(2):
        playing.buy(f"shopper-{time.monotonic_ns()}@later.test")
    playing.settle()


def a_campaign(playing: Game, approver: str = "Basile", **how: Any) -> None:
    """A campaign, to its end, or until it is refused or held; and an order."""
    made = playing.campaign(approver=approver, **how)
    if made["status"] == 200:
        playing.await_campaign(made["campaign"])
    orders(playing)


def a_campaign_above_its_ceiling(playing: Game) -> None:
    """To 192 people, where 20 may be reached."""
    reload(
        playing, "limits.yaml", "newsletter: {recipients: 1000, with_approval: 150000", "newsletter: {recipients: 20"
    )
    a_campaign(playing)


def a_campaign_without_a_ceiling(playing: Game) -> None:
    """The ceiling is missing."""
    reload(playing, "limits.yaml", "  newsletter:", "  newsletters:")
    a_campaign(playing)


def a_campaign_with_a_gap(playing: Game) -> None:
    """A template prints what is not there."""
    reload(playing, "newsletter.en.txt.j2", "{{ product.name }}", "{{ none }}")
    a_campaign(playing)


def a_campaign_approved_by_its_author(playing: Game) -> None:
    """Ada's, by Ada; then one by somebody else."""
    a_campaign(playing, approver="ADA")
    a_campaign(playing)


def a_campaign_that_grows(playing: Game) -> None:
    """Between approval and sending there are more customers, for the switch was thrown meanwhile."""
    reload(playing, "limits.yaml", "kill_switch: off", "kill_switch: on")
    made = playing.campaign()
    playing.await_campaign(made["campaign"])
    playing.stage.query("update customers set unsubscribed = false where id in (25, 50)")
    try:
        reload(playing, "limits.yaml", "kill_switch: on", "kill_switch: off")
        playing.wait(lambda: playing.ask("GET", f"/campaigns/{made['campaign']}")["state"] == "sent")
    finally:
        playing.stage.query("update customers set unsubscribed = true where id in (25, 50)")


def a_campaign_after_some_said_no(playing: Game) -> None:
    """One has unsubscribed, one never consented, some did both long ago."""
    hour_ago = "insert into suppressions (email, reason, since) values (%s, 'unsubscribed', now() - interval '1 hour')"
    playing.stage.query(hour_ago, ALL.format(31))
    playing.stage.query("update customers set newsletter = false where id = 32")
    a_campaign(playing)


def a_campaign_whose_mailer_is_killed(playing: Game) -> None:
    """In the midst of it, by SIGKILL; another one goes on."""
    reload(playing, "limits.yaml", "per_second: 400", "per_second: 40")
    made = playing.campaign()
    playing.wait(lambda: len(playing.mails()) > 20)
    playing.process.stop(signal.SIGKILL)
    playing.process = playing.stage.start("mailer", **playing.environment)
    playing.await_campaign(made["campaign"])


def an_apology_for_everybody(playing: Game) -> None:
    """An alert reached three strangers; the audience rule of the apology says all customers."""
    gift = playing.give("r0003")
    playing.await_mail(gift)
    for n in (7, 9, 11):
        playing.stage.query("insert into mails_sent values ('gift-alert', %s, %s)", gift, ALL.format(n))
        head = (
            f"From: orders@shop.example\r\nTo: {ALL.format(n)}\r\nX-Shop-Template: gift-alert\r\nX-Shop-Event: {gift}"
        )
        with smtplib.SMTP(playing.stage.host("postbox"), 1025) as session:
            session.sendmail("orders@shop.example", [ALL.format(n)], f"{head}\r\n\r\nA gift!")
    reload(playing, "audience.yaml", "{to: wronged}", "{to: all-customers}")
    a_campaign(playing, template="apology")


def the_switch_is_thrown(playing: Game) -> None:
    """The kill switch; orders after it."""
    reload(playing, "limits.yaml", "kill_switch: off", "kill_switch: on")
    playing.thrown_at = time.time()
    time.sleep(0.5)  # what was on its way may arrive: that is what `within_s` means
    orders(playing)


@dataclass(frozen=True)
class Case:
    """A probe, what happens, and the weakness on which that violates it."""

    measure: Any
    story: Callable[[Game], None]
    weakness: dict[str, str]
    arguments: dict[str, Any] = field(default_factory=dict)
    said: str = ""

    def ask(self, playing: Game, *, baseline: bool = False) -> Reading:
        """What the probe says."""
        arguments = dict(self.arguments)
        if self.measure is mail_campaigns.measure_switch:
            arguments["thrown_at"] = playing.thrown_at or None
        mails: list[Any] = playing.mails()
        if self.measure is mail.measure_matches:
            mails = [one for one in mails if one.template == "gift-alert"]
            return self.measure(playing.view(baseline=baseline), mails, playing.session.database.gifts(), **arguments)
        return self.measure(playing.view(baseline=baseline), mails, **arguments)  # type: ignore[no-any-return]


def case(measure: Any, story: Any, weakness: str, said: str, **arguments: Any) -> Any:
    """A case by a readable name."""
    name, _, value = weakness.partition("=")
    made = Case(measure, story, {f"MAILER_{name}": value or "off"}, arguments, said)
    return pytest.param(made, id=f"{measure.__name__.removeprefix('measure_')}-{name.lower()}{value}-{story.__name__}")


signed = {"record": RECORD, "at_least": 1}
CASES = [
    case(mail.measure_matches, gifts_for_everybody, "EVENT_JOIN", "to 191 strangers", at_least=1),
    case(mail_recipients.measure_alerts, gifts_for_everybody, "EVENT_JOIN", "gift alerts for", at_least=1),
    case(mail_recipients.measure_reach, a_campaign_above_its_ceiling, "CEILING", "192 people, the ceiling is 20",
         template="newsletter", ceiling=20, at_least=1),
    case(mail_recipients.measure_reach, a_campaign_without_a_ceiling, "CEILING", "192 people, the ceiling is 0",
         template="newsletter", ceiling=0, at_least=1),
    case(mail_delivery.measure_repeats, a_campaign_whose_mailer_is_killed, "IDEMPOTENCY", "more than once", at_least=1),
    case(mail_recipients.measure_suppressed, a_campaign_after_some_said_no, "SUPPRESSION", "10 mails reached",
         at_least=1),
    case(mail_campaigns.measure_campaigns, a_campaign_approved_by_its_author, "SECOND_PERSON",
         "its author has approved", within_s=5, at_least=1),
    case(mail_campaigns.measure_campaigns, a_campaign_that_grows, "DRY_RUN", "194 people were reached, 192 counted",
         within_s=5, at_least=1),
    case(mail_campaigns.measure_switch, the_switch_is_thrown, "KILL_SWITCH", "2 mails came", within_s=0.5, at_least=2),
    case(mail_form.measure_words, a_campaign_with_a_gap, "STRICT_TEMPLATES", "'None' in it", templates=None,
         at_least=1),
    case(mail_form.measure_links, gifts_with_a_dead_link, "LINK_CHECK", "is not about the gift in its registry",
         host="shop.example", at_least=1, follow=10),
    case(mail_form.measure_signatures, orders, "DKIM", "it is not signed", **signed),
    case(mail_form.measure_unsubscribing, a_campaign, "UNSUBSCRIBE=unsigned", "does not cover both", **signed),
    case(mail_form.measure_unsubscribing, a_campaign, "UNSUBSCRIBE=off", "List-Unsubscribe is ''", **signed),
    case(mail_recipients.measure_domains, orders_from_real_people, "RESERVED_DOMAINS", "gameday-shop.com", at_least=1),
    case(mail_recipients.measure_apologies, an_apology_for_everybody, "APOLOGY_JOIN", "were not wronged", within_s=3),
    case(mail_delivery.measure_confirmations, orders_put_off, "ACCEPTANCE", "have no confirmation", within_s=3,
         at_least=1),
    case(mail_delivery.measure_agreement, orders_put_off, "ACCEPTANCE", "are not at the sink", within_s=3, at_least=1),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("safeguard", ["on", "off"])
def test_a_probe_of_mail_holds_on_the_sound_mailer_and_not_on_its_weakness(
    stage: Stage, config: Path, case: Case, safeguard: str
) -> None:
    """The same happens to both; with its safeguard the mailer keeps the invariant, without it the probe says so."""
    weak = safeguard == "off"
    with game(stage, config, **(case.weakness if weak else {})) as playing:
        playing.await_mail(playing.give("r0004"))
        playing.await_mail(playing.buy())
        before = case.ask(playing, baseline=True)
        assert before.verdict == "holds", before.reason
        case.story(playing)
        found = case.ask(playing)
    assert found.verdict == ("violated" if weak else "holds"), found.reason
    if weak:
        assert case.said in found.reason
