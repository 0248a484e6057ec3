"""What the tests on mail do: buy and give, run campaigns, put another mailer in place, judge as an experiment does."""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import psycopg

from gameday.activities.books import Database
from gameday.activities.mailbox import Postbox
from gameday.activities.session import Session, View
from gameday.load.samples import Recorder
from gameday.load.stalls import Heartbeat

from .conftest import play
from .stage import DKIM, Process, Stage, Visitor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 40.0
RECORD = (DKIM / "public.txt").read_text().strip()


class StageDatabase(Database):
    """The books of the stage's database."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(cast("Any", None), "stage")
        self._host = stage.host("db")

    def _connect(self) -> psycopg.Connection[Any]:
        self._connection = psycopg.connect(f"host={self._host} user=shop password=pw dbname=shop", autocommit=True)
        return self._connection


@dataclass
class Game:
    """A fault window over the stage: what shoppers do in it is recorded, and probes measure it."""

    stage: Stage
    process: Process
    config: Path
    environment: dict[str, str]
    thrown_at: float = 0.0
    recorder: Recorder = field(default_factory=Recorder)
    opened_at: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        shoppers = SimpleNamespace(recorder=self.recorder, base_url=self.stage.url("web"), heartbeat=Heartbeat())
        postbox, database = Postbox(self.stage.url("postbox")), StageDatabase(self.stage)
        self.session = SimpleNamespace(
            shoppers=shoppers,
            postbox=postbox,
            database=database,
            opened_at=self.opened_at,
            method_started_at=None,
            violation=Event(),
        )

    @property
    def mailer(self) -> str:
        """The mailer's HTTP port."""
        return self.process.url

    @property
    def log(self) -> str:
        """All that the mailer has said."""
        return self.process.log.read_text()

    def view(self, *, baseline: bool = False) -> View:
        """The window so far, at its end; or what there is before the fault."""
        session = cast("Session", self.session)
        return View(baseline, self.opened_at, time.time(), (), (), (), not baseline, session)

    def mails(self) -> list[Any]:
        """What arrived since the game began."""
        return self.session.postbox.mails(self.opened_at)  # type: ignore[no-any-return]

    def ask(self, method: str, path: str, body: Any = None, *, of: str = "") -> Any:
        """A request with a key of its own; the JSON of the answer, with its status."""

        async def scene(visit: Visitor) -> Any:
            headers = {"Idempotency-Key": uuid.uuid4().hex}
            reply = await visit(method, (of or self.mailer) + path, json=body, headers=headers)
            return {"status": reply.status, **reply.json}

        return play(scene)

    def give(self, registry: str = "r0001", **words: str) -> str:
        """A gift; its id."""
        body = {"product": "p002", "from": "Zoé", "message": "Félicitations", **words}
        gift = str(self.ask("POST", f"/registry/{registry}/gifts", body, of=self.stage.url("web"))["gift"])
        self.recorder.confirm("gift", gift, "", registry)
        return gift

    def buy(self, email: str = "") -> str:
        """An order; its id."""
        shop, email = self.stage.url("web"), email or f"shopper-{uuid.uuid4().hex[:8]}@shop.example"
        cart = self.ask("POST", "/cart/items", {"product": "p001", "quantity": 2}, of=shop)["cart"]
        order = str(self.ask("POST", "/checkout", {"cart": cart, "email": email}, of=shop)["order"])
        self.recorder.confirm("order", order, "", email)
        return order

    def campaign(self, template: str = "newsletter", *, approver: str = "Basile", above: bool = False) -> Any:
        """A campaign by Ada, counted, and approved if the mailer lets it; its state, or the refusal."""
        product = {"product": "p001"} if template == "newsletter" else {}
        made = self.ask("POST", "/campaigns", {"author": "Ada", "template": template, **product})
        path = f"/campaigns/{made['campaign']}"
        counted = self.ask("POST", f"{path}/dry-run")
        if counted["status"] != 200:
            return {**counted, "campaign": made["campaign"]}
        approval = {"approver": approver, "recipients": counted["recipients"], "above_ceiling": above}
        return {"campaign": made["campaign"], **self.ask("POST", f"{path}/approval", approval)}

    def await_campaign(self, campaign: str, *states: str) -> Any:
        """Wait until a campaign is in one of these states, or held; what it is then."""
        return self.wait(lambda: self._ended(campaign, states or ("sent",)))

    def _ended(self, campaign: str, states: tuple[str, ...]) -> Any:
        found = self.ask("GET", f"/campaigns/{campaign}")
        return found if found["state"] in states or found["held"] else None

    def settle(self) -> None:
        """Wait until the mailer has decided about each event: sent, or held."""

        def decided() -> bool:
            rows = self.stage.query("select event_id::text from outbox where processed_at is null")
            held = [line for line in self.log.splitlines() if '"event": "held"' in line]
            return all(any(row[0] in line for line in held) for row in rows)

        self.wait(decided)

    def await_mail(self, event: str) -> Any:
        """Wait for a mail about an event."""
        return self.wait(lambda: next((mail for mail in self.mails() if mail.event == event), None))

    @staticmethod
    def wait(condition: Callable[[], Any]) -> Any:
        """Ask until the answer is true."""
        until = time.monotonic() + PATIENCE_S
        while not (answer := condition()):
            assert time.monotonic() < until, "it did not come about"
            time.sleep(0.05)  # another process tells no events
        return answer


@contextmanager
def game(stage: Stage, config: Path | None = None, **environment: str) -> Iterator[Game]:
    """A game with a mailer of its own at the address of the usual one, which must be away."""
    config = config or stage.mailer_config
    environment["MAILER_CONFIG_DIR"] = str(config)
    playing = Game(stage, stage.start("mailer", **environment), config, environment)
    try:
        yield playing
    finally:
        playing.process.stop()
        clear(stage)


def clear(stage: Stage) -> None:
    """No mail waits, nobody is suppressed, and no campaign is under way."""
    stage.query("update outbox set processed_at = now() where processed_at is null")
    play(lambda visit: visit("DELETE", f"{stage.url('postbox')}/api/v1/messages"))
    stage.query("delete from campaigns")
    stage.query("delete from mails_sent")
    stage.query("delete from suppressions")
    stage.query("update customers set newsletter = true")
