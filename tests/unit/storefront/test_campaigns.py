"""Campaigns: counted, approved by another, held by their ceiling, sent once each; and what comes back."""

from __future__ import annotations

import re
import shutil
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from .conftest import play
from .mailing import Game, game
from .stage import MAILER_FILES, Stage, Visitor, put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("mailer_away")
SUBSCRIBERS = 192


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration under which campaigns are as quick as they can be, and above 20 people need approval for it."""
    folder = shutil.copytree(MAILER_FILES, tmp_path / "mailer")
    limits = folder / "limits.yaml"
    text = limits.read_text().replace(", per_second: 40", "").replace("recipients: 1000, with", "recipients: 20, with")
    limits.write_text(text)
    return folder


@pytest.fixture
def playing(stage: Stage, config: Path) -> Iterator[Game]:
    """A game on the sound mailer."""
    with game(stage, config) as made:
        yield made


def _counted(playing: Game) -> tuple[str, int]:
    made = playing.ask("POST", "/campaigns", {"author": "Ada", "template": "newsletter", "product": "p001"})
    counted = playing.ask("POST", f"/campaigns/{made['campaign']}/dry-run")
    return f"/campaigns/{made['campaign']}", int(counted["recipients"])


def test_a_campaign_above_its_ceiling_is_held_and_with_approval_sent_once_each(playing: Game) -> None:
    """Approved as any other it waits; approved above its ceiling everybody who was counted gets one mail."""
    path, people = _counted(playing)
    assert people == SUBSCRIBERS
    playing.ask("POST", f"{path}/approval", {"approver": "Basile", "recipients": people})
    held = playing.wait(lambda: playing.ask("GET", path)["held"])
    assert held.startswith("the ceiling of newsletter is 20 people")
    assert playing.mails() == []
    playing.ask("POST", f"{path}/dry-run")
    approval = {"approver": "Basile", "recipients": people, "above_ceiling": True}
    assert playing.ask("POST", f"{path}/approval", approval)["status"] == 200
    playing.wait(lambda: playing.ask("GET", path)["state"] == "sent")
    assert len({mail.to for mail in playing.mails()}) == len(playing.mails()) == people
    assert playing.ask("GET", path)["sent"] == people


def test_a_campaign_is_approved_by_another_who_has_seen_the_number(playing: Game) -> None:
    """Not before it was counted, not by its author in whatever case, not for another number, not twice."""
    made = playing.ask("POST", "/campaigns", {"author": "Ada", "template": "newsletter", "product": "p001"})
    path = f"/campaigns/{made['campaign']}"
    assert playing.ask("POST", f"{path}/approval", {"approver": "Basile", "recipients": SUBSCRIBERS})["status"] == 409
    people = playing.ask("POST", f"{path}/dry-run")["recipients"]

    def approve(approver: str, recipients: Any) -> int:
        return int(playing.ask("POST", f"{path}/approval", {"approver": approver, "recipients": recipients})["status"])

    assert approve(" aDA", people) == 403
    assert [approve("Basile", wrong) for wrong in (people - 1, None, True, str(people))] == [409] * 4
    assert playing.ask("POST", f"{path}/cancellation")["state"] == "cancelled"
    assert approve("Basile", people) == 409


def test_what_was_approved_is_what_is_sent(playing: Game) -> None:
    """A template that changes after the dry run holds the campaign until it is counted and approved anew."""
    path, people = _counted(playing)
    before = playing.log.count("config-loaded")
    template = playing.config / "newsletter.en.txt.j2"
    put(template, template.read_text().replace("Hello", "Dear"))
    playing.wait(lambda: playing.log.count("config-loaded") > before)
    playing.ask("POST", f"{path}/approval", {"approver": "Basile", "recipients": people, "above_ceiling": True})
    held = playing.wait(lambda: playing.ask("GET", path)["held"])
    assert held == "newsletter has changed since its dry run: count and approve it anew"
    assert playing.mails() == []


def test_a_dry_run_says_what_would_hold_it_and_sends_nothing(playing: Game) -> None:
    """A template with a hole in it, and a product that has no page of that name."""
    template = playing.config / "newsletter.fr.html.j2"
    put(template, template.read_text().replace("product.name", "product.nmae"))
    playing.wait(lambda: playing.log.count("config-loaded") > 1)
    refused = playing.campaign()
    assert (refused["status"], "product.nmae" in refused["detail"] or "nmae" in refused["detail"]) == (409, True)
    assert playing.mails() == []


def test_an_address_that_bounces_is_written_to_once(stage: Stage, playing: Game) -> None:
    """A 550 for the recipient suppresses the address; the event is done with."""
    email = "gone@bounce.test"
    order = playing.buy(email)
    playing.settle()
    assert stage.query("select state from mails_sent where event_id = %s", order) == [("bounced",)]
    assert stage.query("select email, reason from suppressions") == [(email, "bounced")]
    playing.buy(email)
    playing.settle()
    assert stage.query("select count(*) from mails_sent where recipient = %s", email) == [(1,)]


def test_an_address_that_is_put_off_gets_its_mail_once(stage: Stage, playing: Game) -> None:
    """A 451 is no answer: the mail is sent again, and arrives once."""
    order = playing.buy("slow@later.test")
    playing.await_mail(order)
    playing.settle()
    assert [mail.event for mail in playing.mails()] == [order]
    assert stage.query("select state from mails_sent where event_id = %s", order) == [("accepted",)]


class Thief:
    """A relay before the postbox that takes away the first 250 for a mail, and cuts the connection."""

    def __init__(self, host: str, postbox: str) -> None:
        self.stolen = threading.Event()
        self._postbox = postbox
        self._server = socket.create_server((host, 1025))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            upstream = socket.create_connection((self._postbox, 1025))
            for source, target in ((client, upstream), (upstream, client)):
                threading.Thread(target=self._pipe, args=(source, target), daemon=True).start()

    def _pipe(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if b"250 OK kept" in data and not self.stolen.is_set():
                    self.stolen.set()
                    break
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            end.close()

    def close(self) -> None:
        """Nobody is let in any more."""
        self._server.close()


@pytest.mark.parametrize(("book", "arrive"), [("on", 1), ("off", 2)])
def test_a_mail_whose_250_was_lost_is_looked_for_before_it_is_sent_again(
    stage: Stage, config: Path, book: str, arrive: int
) -> None:
    """It is there, so it counts as accepted; without the book it arrives twice."""
    relay = stage.spare_host()
    thief = Thief(relay, stage.host("postbox"))
    try:
        # Mail goes through the relay; where it arrived is asked at the postbox, which has another port there.
        with game(stage, config, MAILER_SMTP_HOST=relay, MAILER_IDEMPOTENCY=book) as playing:
            order = playing.buy()
            assert thief.stolen.wait(20)
            playing.settle()
            assert len([mail for mail in playing.mails() if mail.event == order]) == arrive
    finally:
        thief.close()


def test_unsubscribing_takes_one_click_and_no_cookie(stage: Stage, playing: Game) -> None:
    """A GET asks, a POST does it; a token that was tampered with is nobody's; no newsletter comes after that."""
    path, people = _counted(playing)
    approval = {"approver": "Basile", "recipients": people, "above_ceiling": True}
    playing.ask("POST", f"{path}/approval", approval)
    playing.wait(lambda: playing.ask("GET", path)["state"] == "sent")
    mail = next(one for one in playing.mails() if one.to == ("customer-0003@shop.example",))
    where = re.fullmatch(r"<(\S+)>", mail.headers["list-unsubscribe"][0])
    assert where
    link = stage.url("web") + urlsplit(where[1]).path

    async def scene(visit: Visitor) -> list[Any]:
        page = {"headers": {"Accept": "text/html", "Accept-Language": "fr"}}
        asked = await visit("GET", link, **page)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        forged = await visit("POST", link[:-1] + ("0" if link[-1] != "0" else "1"), data="x", headers=form)
        none = stage.query("select count(*) from suppressions")
        done = await visit("POST", link, data="List-Unsubscribe=One-Click", headers=form)
        return [asked, forged, none, done, await visit("POST", link, data="", headers=form)]

    asked, forged, none, done, again = play(scene)
    assert (asked.status, forged.status, none, done.status, again.status) == (200, 404, [(0,)], 200, 200)
    assert "Se désabonner" in asked.text
    assert stage.query("select email, reason from suppressions") == [("customer-0003@shop.example", "unsubscribed")]
    assert _counted(playing)[1] == people - 1
